"""Raw files: their names, their bytes, and their 48 hours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from objlib.filestore.storage import NAME_CHARS_MAX, FileStore
from objlib.filestore.wire import ApiError, invalid

RAW_FILE_LIFETIME_S = 48 * 3600.0
UPLOAD_LIFETIME_S = 24 * 3600.0

FILE_COLUMNS = "position, id, display_name, mime_type, size_bytes, sha256, created_at, expires_at"

_FILE_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


def add_file(
    store: FileStore,
    upload_id: str,
    *,
    name: str | None,
    display_name: str,
    mime_type: str,
    size_bytes: int,
    sha256: str,
) -> str:
    """Turn a finished upload into a raw file; its id. In a transaction."""
    identifier = free_file_id(store, name)
    now = store.clock()
    store.insert(
        "INSERT INTO files (id, display_name, mime_type, size_bytes, sha256, created_at,"
        " expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        *(identifier, display_name, mime_type, size_bytes, sha256, now, now + RAW_FILE_LIFETIME_S),
    )
    store.all(
        "UPDATE pieces SET owner = :owner WHERE owner = :id",
        owner=f"files/{identifier}",
        id=upload_id,
    )
    return identifier


def free_file_id(store: FileStore, name: str | None) -> str:
    """The id for a new raw file: the one asked for, or a random one. In a transaction.

    Raises 400 for a malformed name and 409 for one that is taken by a file still alive.
    """
    if not name:
        return store.new_id()
    identifier = name.removeprefix("files/")
    if not _FILE_ID.fullmatch(identifier):
        raise invalid(
            f"Invalid file name {name!r}: up to {NAME_CHARS_MAX} lower-case letters, digits "
            "and dashes, not beginning or ending with a dash.",
            "file.name",
        )
    row = store.one("SELECT expires_at FROM files WHERE id = :id", id=identifier)
    if row is not None:
        if row[0] > store.clock():
            raise ApiError(409, f"Requested entity already exists: files/{identifier}")
        _remove(store, identifier)
    return identifier


def file_row(store: FileStore, identifier: str) -> tuple[Any, ...]:
    """A row of `FILE_COLUMNS`.

    Raises 403 for what is unknown or has expired, as the service does.
    """
    row = store.one(
        f"SELECT {FILE_COLUMNS} FROM files WHERE id = :id AND expires_at > :now",
        id=identifier,
        now=store.clock(),
    )
    if row is None:
        raise ApiError(
            403,
            f"You do not have permission to access the File {identifier} or it may not exist.",
        )
    return row


@dataclass(frozen=True, slots=True)
class Stored:
    """The content of a raw file or an upload in pieces, read anew each time it is gone through.

    Raises 403 when it is deleted meanwhile.
    """

    store: FileStore
    #: `files/{id}`, or the id of an upload.
    owner: str
    size_bytes: int

    def __iter__(self) -> Iterator[bytes]:
        offset = 0
        while row := self.store.one(
            "SELECT content FROM pieces WHERE owner = :owner AND offset = :offset",
            owner=self.owner,
            offset=offset,
        ):
            yield row[0]
            offset += len(row[0])
        if offset != self.size_bytes:
            raise ApiError(403, f"The content of {self.owner} was deleted while it was read.")


def delete_file(store: FileStore, identifier: str) -> None:
    """Delete a raw file; its documents stay. Raises 403 like `file_row`."""
    with store.transaction():
        file_row(store, identifier)
        _remove(store, identifier)


def expire_file(store: FileStore, identifier: str) -> None:
    """Let a raw file expire now."""
    with store.transaction():
        store.all(
            "UPDATE files SET expires_at = :now WHERE id = :id", now=store.clock(), id=identifier
        )


def forget_old(store: FileStore) -> None:
    """Free what nobody can ask for any more: old uploads, expired files. In a transaction."""
    now = store.clock()
    day_ago = now - UPLOAD_LIFETIME_S
    store.all(
        "DELETE FROM pieces WHERE owner IN (SELECT id FROM uploads WHERE created_at <= :day_ago)",
        day_ago=day_ago,
    )
    store.all("DELETE FROM uploads WHERE created_at <= :day_ago", day_ago=day_ago)
    store.all(
        "DELETE FROM pieces WHERE owner IN"
        " (SELECT 'files/' || id FROM files WHERE expires_at <= :now)",
        now=now,
    )
    store.all("DELETE FROM files WHERE expires_at <= :now", now=now)


def _remove(store: FileStore, identifier: str) -> None:
    store.all("DELETE FROM pieces WHERE owner = :owner", owner=f"files/{identifier}")
    store.all("DELETE FROM files WHERE id = :id", id=identifier)
