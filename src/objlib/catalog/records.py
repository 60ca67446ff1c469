"""What a row of `files` looks like to the rest of the program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from objlib.states import State


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One row of `files`, as it was at one moment."""

    file_path: str
    filename: str
    content_hash: str | None
    file_size: int | None
    mtime: float | None
    inode: int | None
    device: int | None
    mime_type: str | None
    metadata_json: str | None
    skip_reason: str | None
    is_deleted: bool
    gemini_state: State
    version: int
    error_message: str | None
    failure_kind: str | None
    upload_key: str | None
    attempt_count: int
    import_intent_at: str | None
    run_id: str | None
    lease_owner: str | None
    lease_expires_at: float | None
    gemini_file_id: str | None
    operation_name: str | None
    gemini_store_doc_id: str | None
    superseded_doc_id: str | None
    upload_timestamp: str | None

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
