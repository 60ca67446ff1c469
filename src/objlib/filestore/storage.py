"""Everything the server keeps: stores, raw files, documents and operations, durable in SQLite.

The connection is synchronous and used on the event loop's thread: a request is a few statements of
microseconds, and no thread means that a simulation with virtual time replays. WAL with
`synchronous=NORMAL` keeps every committed document through the death of the process.

Nothing happens in the background. Whether a document is pending, active or failed is a function of
its row and the clock, and so is whether a raw file has expired.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Self

from objlib.filestore.chunking import Chunking, chunks
from objlib.filestore.text import NoText, extract
from objlib.filestore.wire import ApiError, invalid
from objlib.filestore.words import closed_up, terms

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
ID_CHARS = 12
NAME_CHARS_MAX = 40
RAW_FILE_LIFETIME_S = 48 * 3600.0
UPLOAD_LIFETIME_S = 24 * 3600.0
DOCUMENT_BYTES_MAX = 100 * 1024 * 1024
DISPLAY_NAME_CHARS_MAX = 512
METADATA_ENTRIES_MAX = 20
DEFAULT_EMBEDDING_MODEL = "models/gemini-embedding-001"

_FILE_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a new document: decided by the fault layer, healthy by default."""

    delay_s: float = 0.0
    fails: bool = False
    recovers_after_s: float | None = None
    search_lag_s: float = 0.0
    operation_finishes: bool = True
    makes_document: bool = True
    operation_error: dict[str, Any] | None = None


class FileStore:
    """An open data file. Several processes may have it open at the same time."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        clock: Callable[[], float],
        rng: random.Random,
        indexing_delay_s: float,
    ) -> None:
        self._db = connection
        self._rng = rng
        self.clock = clock
        self.indexing_delay_s = indexing_delay_s

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
        indexing_delay_s: float = 0.0,
    ) -> Self:
        """Open the data file, making it where there is none.

        Args:
            clock: seconds since the epoch.
            rng: makes ids; the system's randomness unless a test wants to replay.
            indexing_delay_s: how long a document stays pending.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        schema = resources.files("objlib.filestore").joinpath("schema.sql").read_text("utf-8")
        connection = sqlite3.connect(path, isolation_level=None, timeout=30.0)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            _add_column(connection, "uploads", "created_at", "REAL NOT NULL DEFAULT 0")
            connection.executescript(schema)
        except sqlite3.Error:
            connection.close()
            raise
        return cls(connection, clock, rng or random.SystemRandom(), indexing_delay_s)

    def close(self) -> None:
        """Release the data file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and on disk when it ends."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # SQLite itself rolls back when the disk is full
                self._db.execute("ROLLBACK")
            raise

    def all(self, sql: str, **named: Any) -> list[tuple[Any, ...]]:
        """The rows of a statement with named parameters."""
        return self._db.execute(sql, named).fetchall()

    def one(self, sql: str, **named: Any) -> tuple[Any, ...] | None:
        """The first row of a statement, or None."""
        row: tuple[Any, ...] | None = self._db.execute(sql, named).fetchone()
        return row

    def new_id(self) -> str:
        """Twelve random lower-case alphanumerics."""
        return "".join(self._rng.choices(ALPHABET, k=ID_CHARS))

    # Stores

    def create_store(self, display_name: str, embedding_model: str) -> str:
        """The id of a new store. Display names need not be unique."""
        check_display_name(display_name)
        slug = re.sub(r"[^a-z0-9]", "", display_name.lower())[: NAME_CHARS_MAX - ID_CHARS - 1]
        identifier = f"{slug or self.new_id()}-{self.new_id()}"
        with self.transaction():
            self.all(
                "INSERT INTO stores SELECT :id, :name, :model, :now,"
                " COALESCE(MAX(position), 0) + 1 FROM stores",
                id=identifier,
                name=display_name,
                model=embedding_model,
                now=self.clock(),
            )
        return identifier

    def store_row(self, identifier: str) -> tuple[Any, ...]:
        """(id, display name, embedding model, created at, position). Raises 404."""
        row = self.one("SELECT * FROM stores WHERE id = :id", id=identifier)
        if row is None:
            raise ApiError(404, f"File search store fileSearchStores/{identifier} not found.")
        return row

    def store_counters(self, identifier: str) -> tuple[int, int, int, int]:
        """(active, pending, failed, bytes)."""
        row = self.one(
            f"SELECT COALESCE(SUM({ACTIVE}), 0), COALESCE(SUM({PENDING}), 0),"
            f" COALESCE(SUM({FAILED}), 0), COALESCE(SUM(size_bytes), 0)"
            " FROM documents WHERE store_id = :store",
            now=self.clock(),
            store=identifier,
        )
        assert row is not None, "an aggregate has a row"
        return (row[0], row[1], row[2], row[3])

    def delete_store(self, identifier: str, *, force: bool) -> None:
        """Delete a store, with `force` also one that has documents."""
        with self.transaction():
            self.store_row(identifier)
            documents = self.all(
                "SELECT position FROM documents WHERE store_id = :store", store=identifier
            )
            if documents and not force:
                raise ApiError(
                    400,
                    "Cannot delete non-empty FileSearchStore.",
                    status="FAILED_PRECONDITION",
                )
            for (position,) in documents:
                self._delete_chunks(position)
            self.all("DELETE FROM documents WHERE store_id = :store", store=identifier)
            self.all("DELETE FROM operations WHERE store_id = :store", store=identifier)
            self.all("DELETE FROM stores WHERE id = :store", store=identifier)

    # Raw files

    def add_file(
        self,
        upload_id: str,
        *,
        name: str | None,
        display_name: str,
        mime_type: str,
        size_bytes: int,
        sha256: str,
    ) -> str:
        """Turn a finished upload into a raw file; its id. In a transaction."""
        identifier = self.free_file_id(name)
        now = self.clock()
        self.all(
            "INSERT INTO files SELECT :id, :display, :mime, :size, :sha256, :now, :expires,"
            " COALESCE(MAX(position), 0) + 1 FROM files",
            id=identifier,
            display=display_name,
            mime=mime_type,
            size=size_bytes,
            sha256=sha256,
            now=now,
            expires=now + RAW_FILE_LIFETIME_S,
        )
        self.all(
            "UPDATE pieces SET owner = :owner WHERE owner = :id",
            owner=f"files/{identifier}",
            id=upload_id,
        )
        return identifier

    def free_file_id(self, name: str | None) -> str:
        """The id for a new raw file: the one asked for, or a random one. In a transaction.

        Raises 400 for a malformed name and 409 for one that is taken by a file still alive.
        """
        if not name:
            return self.new_id()
        identifier = name.removeprefix("files/")
        if not _FILE_ID.fullmatch(identifier):
            raise invalid(
                f"Invalid file name {name!r}: up to {NAME_CHARS_MAX} lower-case letters, digits "
                "and dashes, not beginning or ending with a dash.",
                "file.name",
            )
        row = self.one("SELECT expires_at FROM files WHERE id = :id", id=identifier)
        if row is not None:
            if row[0] > self.clock():
                raise ApiError(409, f"Requested entity already exists: files/{identifier}")
            self._remove_file(identifier)
        return identifier

    def file_row(self, identifier: str) -> tuple[Any, ...]:
        """(id, display name, MIME type, bytes, sha256, created at, expires at, position).

        Raises 403 for what is unknown or has expired, as the service does.
        """
        row = self.one(
            "SELECT * FROM files WHERE id = :id AND expires_at > :now",
            id=identifier,
            now=self.clock(),
        )
        if row is None:
            raise ApiError(
                403,
                f"You do not have permission to access the File {identifier} or it may not exist.",
            )
        return row

    def file_bytes(self, owner: str) -> bytes:
        """The whole content of a raw file (`files/{id}`) or an upload."""
        rows = self.all(
            "SELECT content FROM pieces WHERE owner = :owner ORDER BY offset", owner=owner
        )
        return b"".join(content for (content,) in rows)

    def delete_file(self, identifier: str) -> None:
        """Delete a raw file; its documents stay. Raises 403 like `file_row`."""
        with self.transaction():
            self.file_row(identifier)
            self._remove_file(identifier)

    def expire_file(self, identifier: str) -> None:
        """Let a raw file expire now."""
        with self.transaction():
            self.all(
                "UPDATE files SET expires_at = :now WHERE id = :id", now=self.clock(), id=identifier
            )

    def forget_old(self) -> None:
        """Free what nobody can ask for any more: old uploads, expired files. In a transaction."""
        now = self.clock()
        day_ago = now - UPLOAD_LIFETIME_S
        self.all(
            "DELETE FROM pieces WHERE owner IN"
            " (SELECT id FROM uploads WHERE created_at <= :day_ago)",
            day_ago=day_ago,
        )
        self.all("DELETE FROM uploads WHERE created_at <= :day_ago", day_ago=day_ago)
        self.all(
            "DELETE FROM pieces WHERE owner IN"
            " (SELECT 'files/' || id FROM files WHERE expires_at <= :now)",
            now=now,
        )
        self.all("DELETE FROM files WHERE expires_at <= :now", now=now)

    def _remove_file(self, identifier: str) -> None:
        self.all("DELETE FROM pieces WHERE owner = :owner", owner=f"files/{identifier}")
        self.all("DELETE FROM files WHERE id = :id", id=identifier)

    # Documents

    def add_document(
        self,
        store_id: str,
        *,
        identifier: str,
        display_name: str,
        mime_type: str,
        content: bytes,
        metadata: Sequence[dict[str, Any]],
        chunking: Chunking,
        fate: Fate,
        is_upload: bool,
    ) -> str:
        """Add a document and its operation; returns the operation's name. In a transaction.

        Raises 404 for an unknown store.
        """
        self.store_row(store_id)
        now = self.clock()
        ready_at = now + self.indexing_delay_s + fate.delay_s
        texts, has_text = _texts(content, mime_type, chunking)
        if fate.makes_document:
            self.all(
                "INSERT INTO documents (store_id, id, display_name, mime_type, size_bytes,"
                " metadata_json, created_at, ready_at, is_failed, recovers_at, visible_at)"
                " VALUES (:store, :id, :display, :mime, :size, :metadata, :now, :ready, :failed,"
                " :recovers, :visible)",
                store=store_id,
                id=identifier,
                display=display_name,
                mime=mime_type,
                size=len(content),
                metadata=json.dumps(list(metadata), ensure_ascii=False),
                now=now,
                ready=ready_at,
                failed=fate.fails or not has_text,
                recovers=None
                if fate.recovers_after_s is None or not has_text
                else ready_at + fate.recovers_after_s,
                visible=ready_at + fate.search_lag_s,
            )
            self._add_chunks(store_id, identifier, texts)
        kind = "upload/operations" if is_upload else "operations"
        name = f"fileSearchStores/{store_id}/{kind}/{identifier}"
        self.all(
            "INSERT INTO operations VALUES (:name, :store, :document, :upload, :done, :error)",
            name=name,
            store=store_id,
            document=identifier,
            upload=is_upload,
            done=ready_at if fate.operation_finishes else None,
            error=json.dumps(fate.operation_error) if fate.operation_error else None,
        )
        return name

    def _add_chunks(self, store_id: str, identifier: str, texts: Sequence[str]) -> None:
        row = self.one(
            "SELECT position FROM documents WHERE store_id = :store AND id = :id",
            store=store_id,
            id=identifier,
        )
        assert row is not None, "the document was inserted in this transaction"
        for ordinal, text in enumerate(texts):
            cursor = self._db.execute(
                "INSERT INTO chunks (document, ordinal, text) VALUES (?, ?, ?)",
                (row[0], ordinal, text),
            )
            self._db.execute(
                "INSERT INTO chunk_terms (rowid, terms) VALUES (?, ?)",
                (cursor.lastrowid, " ".join(terms(closed_up(text)))),
            )

    def document_row(self, store_id: str, identifier: str) -> tuple[Any, ...]:
        """A row of `DOCUMENT_COLUMNS`. Raises 404."""
        row = self.one(
            f"SELECT {DOCUMENT_COLUMNS} FROM documents WHERE store_id = :store AND id = :id",
            store=store_id,
            id=identifier,
            now=self.clock(),
        )
        if row is None:
            raise ApiError(
                404, f"Document fileSearchStores/{store_id}/documents/{identifier} not found."
            )
        return row

    def delete_document(self, store_id: str, identifier: str, *, force: bool) -> None:
        """Delete a document, with `force` also one that has chunks."""
        with self.transaction():
            position = self.document_row(store_id, identifier)[0]
            chunk = self.one("SELECT 1 FROM chunks WHERE document = :position", position=position)
            if chunk is not None and not force:
                raise ApiError(
                    400, "Cannot delete non-empty Document.", status="FAILED_PRECONDITION"
                )
            self._delete_chunks(position)
            self.all("DELETE FROM documents WHERE position = :position", position=position)

    def _delete_chunks(self, position: int) -> None:
        self.all(
            "DELETE FROM chunk_terms WHERE rowid IN"
            " (SELECT id FROM chunks WHERE document = :position)",
            position=position,
        )
        self.all("DELETE FROM chunks WHERE document = :position", position=position)

    def pending_documents(self) -> int:
        """How many documents are being indexed right now."""
        row = self.one(f"SELECT COUNT(*) FROM documents WHERE {PENDING}", now=self.clock())
        return int(row[0]) if row else 0


#: Conditions on a document's row at the moment `:now`.
PENDING = "(ready_at > :now)"
FAILED = "(ready_at <= :now AND is_failed AND (recovers_at IS NULL OR recovers_at > :now))"
ACTIVE = "(ready_at <= :now AND NOT (is_failed AND (recovers_at IS NULL OR recovers_at > :now)))"

DOCUMENT_COLUMNS = (
    "position, id, display_name, mime_type, size_bytes, metadata_json, created_at, ready_at,"
    f" CASE WHEN {PENDING} THEN 'STATE_PENDING' WHEN {FAILED} THEN 'STATE_FAILED'"
    " ELSE 'STATE_ACTIVE' END"
)


def _add_column(connection: sqlite3.Connection, table: str, column: str, kind: str) -> None:
    """Bring a table of an older data file up to date."""
    columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    if columns and column not in columns:
        connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")


def check_display_name(name: str) -> None:
    """Raises 400 for a display name that is too long."""
    if len(name) > DISPLAY_NAME_CHARS_MAX:
        raise invalid(
            f"The display name is longer than {DISPLAY_NAME_CHARS_MAX} characters.", "displayName"
        )


def check_document_size(size_bytes: int) -> None:
    """Raises 400 for more bytes than a document may have."""
    if size_bytes > DOCUMENT_BYTES_MAX:
        raise invalid("The document is larger than 100 MB.")


def check_metadata(metadata: Sequence[dict[str, Any]]) -> None:
    """Raises 400 for too many entries, an entry without a key, or not exactly one value."""
    if len(metadata) > METADATA_ENTRIES_MAX:
        raise invalid(
            f"A document may have at most {METADATA_ENTRIES_MAX} custom metadata entries.",
            "customMetadata",
        )
    for entry in metadata:
        if not entry.get("key"):
            raise invalid("A custom metadata entry needs a key.", "customMetadata.key")
        if len(entry.keys() - {"key"}) != 1:
            raise invalid(
                f"The custom metadata entry {entry['key']!r} needs exactly one value.",
                "customMetadata",
            )


def _texts(content: bytes, mime_type: str, chunking: Chunking) -> tuple[list[str], bool]:
    try:
        texts = chunks(extract(content, mime_type), chunking)
    except NoText:
        return [], False
    return texts, bool(texts)
