"""The open data file: transactions, ids, the clock, and the stores.

Raw files, uploads, documents and operations have modules of their own that work on an open
`FileStore`.

The connection is synchronous and used on the event loop's thread: a request is a few statements of
microseconds, and no thread means that a simulation with virtual time replays.

Whether a document is pending, active or failed is a function of its row and the clock, and so is
whether a raw file has expired. Nothing happens in the background, but for the passages of a large
text: its import is answered first, as the service does.
"""

from __future__ import annotations

import asyncio
import random
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from objlib.filestore.database import open_data_file
from objlib.filestore.limits import check_display_name
from objlib.filestore.readings import Readings
from objlib.filestore.semantic import Embedder
from objlib.filestore.wire import ApiError

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
ID_CHARS = 12
NAME_CHARS_MAX = 40
DEFAULT_EMBEDDING_MODEL = "models/gemini-embedding-001"

STORE_COLUMNS = "position, id, display_name, embedding_model, created_at"

#: Conditions on a document's row at the moment `:now`.
PENDING = "(ready_at > :now)"
FAILED = "(ready_at <= :now AND is_failed AND (recovers_at IS NULL OR recovers_at > :now))"
ACTIVE = "(ready_at <= :now AND NOT (is_failed AND (recovers_at IS NULL OR recovers_at > :now)))"


class FileStore:
    """An open data file. Several processes may have it open at the same time."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        clock: Callable[[], float],
        rng: random.Random,
        indexing_delay_s: float,
        embedder: Embedder | None = None,
    ) -> None:
        self._db = connection
        self._rng = rng
        self.clock = clock
        self.indexing_delay_s = indexing_delay_s
        self.embedder = embedder
        #: What goes on after its request was answered.
        self.working: set[asyncio.Task[None]] = set()
        self.readings = Readings()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
        indexing_delay_s: float = 0.0,
        embedder: Embedder | None = None,
    ) -> Self:
        """Open the data file, making it where there is none.

        Args:
            clock: seconds since the epoch.
            rng: makes ids; the system's randomness unless a test wants to replay.
            indexing_delay_s: how long a document stays pending.
            embedder: lets search find by meaning too; without one it finds by words.
        """
        rng = rng or random.SystemRandom()
        return cls(open_data_file(path), clock, rng, indexing_delay_s, embedder)

    async def stopped(self) -> None:
        """Give up what goes on after its request was answered."""
        working = list(self.working)
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)

    def close(self) -> None:
        """Release the data file, and end what is still being read."""
        self.readings.close()
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

    def cursor(self, sql: str, **named: Any) -> sqlite3.Cursor:
        """The rows of a statement that are too many for one list."""
        return self._db.execute(sql, named)

    def insert(self, sql: str, *values: Any) -> int:
        """Run an INSERT with plain parameters; the id of the new row."""
        return int(self._db.execute(sql, values).lastrowid or 0)

    def new_id(self) -> str:
        """Twelve random lower-case alphanumerics."""
        return "".join(self._rng.choices(ALPHABET, k=ID_CHARS))

    def id_made_of(self, display_name: str) -> str:
        """Return a new id for a display name, cut so that the random part fits behind it.

        As recorded: `rp2350-datasheet-2025-07-29 - 000001 - Cover.pdf` became
        `rp2350datasheet20250729-000-xr4c9hlziirg`.
        """
        kept = re.sub(r"[^a-z0-9 ]", "", display_name.lower())
        slug = "-".join(kept.split())[: NAME_CHARS_MAX - ID_CHARS - 1].rstrip("-")
        return f"{slug or self.new_id()}-{self.new_id()}"

    def create_store(self, display_name: str, embedding_model: str) -> str:
        """The id of a new store. Display names need not be unique."""
        check_display_name(display_name)
        identifier = self.id_made_of(display_name)
        with self.transaction():
            self.insert(
                "INSERT INTO stores (id, display_name, embedding_model, created_at)"
                " VALUES (?, ?, ?, ?)",
                *(identifier, display_name, embedding_model, self.clock()),
            )
        return identifier

    def store_row(self, identifier: str) -> tuple[Any, ...]:
        """A row of `STORE_COLUMNS`. Raises 404."""
        row = self.one(f"SELECT {STORE_COLUMNS} FROM stores WHERE id = :id", id=identifier)
        if row is None:
            raise ApiError(404, f"File search store fileSearchStores/{identifier} not found.")
        return row

    def store_counters(self, identifier: str) -> tuple[int, int, int, int]:
        """(active, pending, failed, bytes). Costs what is pending and failed, not what there is."""
        row = self.one(
            "SELECT documents, size_bytes,"
            f" (SELECT COUNT(*) FROM documents WHERE store_id = :store AND {PENDING}),"
            " (SELECT COUNT(*) FROM documents INDEXED BY documents_failed"
            f"  WHERE store_id = :store AND is_failed AND {FAILED})"
            " FROM stores WHERE id = :store",
            now=self.clock(),
            store=identifier,
        )
        if row is None:
            return (0, 0, 0, 0)
        documents, size_bytes, pending, failed = row
        return (documents - pending - failed, pending, failed, size_bytes)

    def delete_store(self, identifier: str, *, force: bool) -> None:
        """Delete a store, with `force` also one that has documents."""
        with self.transaction():
            self.store_row(identifier)
            documents = "SELECT position FROM documents WHERE store_id = :store"
            if not force and self.one(f"{documents} LIMIT 1", store=identifier) is not None:
                raise ApiError(
                    400,
                    "Cannot delete non-empty FileSearchStore.",
                    status="FAILED_PRECONDITION",
                )
            self.all(f"DELETE FROM chunks WHERE document IN ({documents})", store=identifier)
            self.all("DELETE FROM documents WHERE store_id = :store", store=identifier)
            self.all("DELETE FROM operations WHERE store_id = :store", store=identifier)
            self.all("DELETE FROM stores WHERE id = :store", store=identifier)
