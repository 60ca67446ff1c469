"""Records: a row of `files` as the rest of the program sees it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from objlib.states import State


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One row of `files`, as it was at one moment."""

    #: Relative to the library's root, with "/"; absolute in catalogs of the earlier generation.
    file_path: str
    #: The last part of the path.
    filename: str
    #: SHA-256 of the file on disk, hex; None if it was never read.
    content_hash: str | None
    #: Bytes on disk.
    file_size: int | None
    #: Time of the last change on disk: seconds since the epoch.
    mtime: float | None
    #: Number of the file on its device.
    inode: int | None
    #: `st_dev` of the disk that the file lies on.
    device: int | None
    #: Media type, such as `text/plain`.
    mime_type: str | None
    #: The metadata that is sent with the file: a JSON object.
    metadata_json: str | None
    #: Why the file cannot be uploaded, for people; None if it can.
    skip_reason: str | None
    #: Whether the file is gone from disk.
    is_deleted: bool
    #: Where the row stands in its life.
    gemini_state: State
    #: Number of moves so far.
    version: int
    #: Why the last attempt failed, for people.
    error_message: str | None
    #: `transient` (worth another attempt) or `permanent`.
    failure_kind: str | None
    #: Identity of this version of the file, at most 27 characters of `[a-z0-9]`.
    upload_key: str | None
    #: Attempts at this version so far.
    attempt_count: int
    #: When `importFile` was about to be sent: ISO 8601, UTC; None when nothing is in doubt.
    import_intent_at: str | None
    #: The run that claimed the row last.
    run_id: str | None
    #: Who works on the row: `host/pid/start time/run`.
    lease_owner: str | None
    #: End of that lease: seconds since the epoch.
    lease_expires_at: float | None
    #: Who will look at the row next: `host/pid/start time/run`.
    reserved_by: str | None
    #: End of that reservation: seconds since the epoch.
    reserved_until: float | None
    #: Raw file, `files/…`; lives 48 hours.
    gemini_file_id: str | None
    #: Long-running import, `fileSearchStores/…/operations/…`.
    operation_name: str | None
    #: Document, `fileSearchStores/…/documents/…`; in older catalogs its last part.
    gemini_store_doc_id: str | None
    #: Document of an older version, deleted once this version is indexed.
    superseded_doc_id: str | None
    #: When `importFile` was accepted: ISO 8601, UTC.
    upload_timestamp: str | None

    @property
    def is_uploadable(self) -> bool:
        """Return whether the file should be in the store; `UPLOADABLE` says the same in SQL."""
        return not self.is_deleted and self.skip_reason is None

    def is_reserved_for_another(self, owner: str, now: float) -> bool:
        """Return whether somebody else is to look at the row next.

        Args:
            now: seconds since the epoch.
        """
        if self.reserved_by is None or self.reserved_until is None:
            return False
        return self.reserved_by != owner and self.reserved_until > now

    @property
    def metadata(self) -> dict[str, str | int | float | list[str]]:
        """The metadata that is sent with the file, by key."""
        return dict(json.loads(self.metadata_json or "{}"))

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> FileRecord:
        """A record from a row selected as `COLUMNS`."""
        values = dict(zip(_NAMES, row, strict=True))
        values["gemini_state"] = State(values["gemini_state"])
        values["is_deleted"] = bool(values["is_deleted"])
        return cls(**values)


_NAMES = tuple(field.name for field in fields(FileRecord))

#: The rows for which `FileRecord.is_uploadable` holds.
UPLOADABLE = "is_deleted = 0 AND skip_reason IS NULL"

#: The select list that `FileRecord.from_row` expects.
COLUMNS = ", ".join(_NAMES)


@dataclass(frozen=True, slots=True)
class TransitionRecord:
    """One line of a file's audit trail."""

    from_state: str
    to_state: str
    version: int
    reason: str | None
    attempt: int
    at: str
