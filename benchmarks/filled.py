"""Libraries, catalogs and stores of any size, to measure on.

Catalogs and stores are filled by plain SQL, since uploading a million files to measure a listing
would take hours; what is measured is the product's own code.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import random
import sqlite3
from pathlib import Path

from objlib.catalog.opening import open_catalog
from objlib.catalog.sqlite.migrations import SCHEMA_VERSION
from objlib.filestore import Embedder, FileStore, passages
from objlib.filestore.passages import Chunk
from objlib.filestore.semantic import packed
from objlib.language.words import closed_up, terms

LIBRARY_ID = "bench"
STORE = "fileSearchStores/bench-000000000000"
FILES_PER_FOLDER = 1_000
TEXT_BYTES = 5_000
LONG_TEXT_BYTES = 1_000_000
VOCABULARY = 20_000
_WORDS_PER_DOCUMENT = 120
_POOL_WORDS = 100_000


def words(rng: random.Random, count: int) -> list[str]:
    """Words as a language has them: few are frequent, many are rare."""
    return [f"w{int(VOCABULARY ** rng.random())}" for _ in range(count)]


def path_of(number: int) -> str:
    """Where a file lies in a library, and how its row is named."""
    return f"{number // FILES_PER_FOLDER:04}/note-{number:07}.txt"


def make_library(root: Path, files: int, *, per_folder: int = FILES_PER_FOLDER) -> None:
    """Distinct texts of five kilobytes."""
    pool = " ".join(words(random.Random(1), _POOL_WORDS))
    for number in range(files):
        folder = root / f"{number // per_folder:04}"
        if number % per_folder == 0:
            folder.mkdir(parents=True)
        begin = number * 37 % (len(pool) - TEXT_BYTES)
        (folder / f"note-{number:07}.txt").write_text(
            f"Note {number}. {pool[begin : begin + TEXT_BYTES]}"
        )


def make_library_of_long_texts(root: Path, files: int) -> None:
    """Distinct texts of a megabyte, in one folder."""
    root.mkdir(parents=True)
    text = " ".join(words(random.Random(1), 2 * _POOL_WORDS))[:LONG_TEXT_BYTES]
    for number in range(files):
        (root / f"book-{number:05}.txt").write_text(f"Book {number}. {text}")


def make_deep_library(root: Path, depth: int) -> None:
    """Folders inside one another, with a file in each."""
    folder = root
    folder.mkdir(parents=True)
    for number in range(depth):
        (folder / f"note-{number:03}.txt").write_text(f"Note {number}, far down.")
        folder = folder / f"{number:03}"
        folder.mkdir()


def make_linked_library(root: Path, files: int) -> str:
    """A library whose files all hold the same few bytes, and the SHA-256 of those.

    Hard links of one file a folder: a million files in seconds and in no space.
    """
    content = b"One arch carries the next, and the last carries them all."
    for number in range(files):
        path = root / path_of(number)
        if number % FILES_PER_FOLDER == 0:
            path.parent.mkdir(parents=True)
            first = path
            first.write_bytes(content)
        else:
            os.link(first, path)
    return hashlib.sha256(content).hexdigest()


def fill_catalog(
    path: Path, size: int, state: str, *, content_hash: str | None = None, size_bytes: int = 4_000
) -> None:
    """A catalog with that many rows in one state, and the audit trail that led there.

    Args:
        content_hash: of every file; None for one of its own for each.
    """

    async def create() -> None:
        await (await open_catalog(path, create=True)).close()

    asyncio.run(create())
    with contextlib.closing(sqlite3.connect(path)) as plain:
        assert plain.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        for (name,) in plain.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            plain.execute(f"DROP TRIGGER {name}")  # put back when the catalog is opened
        plain.execute("PRAGMA synchronous = OFF")
        plain.execute("CREATE TEMP TABLE n (i INTEGER PRIMARY KEY, path TEXT)")
        plain.executemany("INSERT INTO n VALUES (?, ?)", ((i, path_of(i)) for i in range(size)))
        plain.execute(
            _FILES,
            {
                "state": state,
                "version": {"untracked": 0, "failed": 2, "indexed": 3}[state],
                "store": STORE,
                "hash": content_hash,
                "bytes": size_bytes,
            },
        )
        before = "untracked"
        for version, after in enumerate(_WAY[state], start=1):
            plain.execute(_MOVES, {"before": before, "after": after, "version": version})
            before = after
        plain.execute("INSERT INTO catalog_info VALUES ('library_id', ?)", (LIBRARY_ID,))
        plain.commit()


#: State -> the states on the way there.
_WAY = {
    "untracked": (),
    "failed": ("uploading", "failed"),
    "indexed": ("uploading", "processing", "indexed"),
}

_FILES = """
    INSERT INTO files (file_path, filename, content_hash, file_size, mtime, mime_type,
        metadata_json, gemini_state, version, gemini_state_updated_at, upload_key,
        gemini_store_doc_id, error_message, failure_kind, created_at, updated_at)
    SELECT path, substr(path, 6), COALESCE(:hash, printf('%064x', i)), :bytes, i, 'text/plain',
        json_object('title', 'Note ' || i), :state, :version, '2026-01-01T00:00:00',
        CASE :state WHEN 'untracked' THEN NULL ELSE printf('k%025d', i) END,
        CASE :state WHEN 'indexed' THEN :store || printf('/documents/k%025d', i) END,
        CASE :state WHEN 'failed' THEN path || ': the backend answered 503' END,
        CASE :state WHEN 'failed' THEN 'transient' END,
        '2026-01-01', '2026-01-01' FROM n"""

_MOVES = """
    INSERT INTO transitions (file_path, from_state, to_state, version, reason, attempt, at)
    SELECT path, :before, :after, :version, 'bench', 1, '2026-01-01T00:00:00' FROM n"""


def fill_store(path: Path, size: int) -> None:
    """The embedded store's data with the documents of `fill_catalog(…, "indexed")`, each with some
    text to be found."""
    rng = random.Random(1)
    with contextlib.closing(FileStore.open(path)) as store:
        with store.transaction():
            store.insert(
                "INSERT INTO stores (id, display_name, embedding_model, created_at)"
                " VALUES (?, 'bench', 'models/gemini-embedding-001', 0)",
                STORE.partition("/")[2],
            )
        for first in range(0, size, 5_000):
            with store.transaction():
                for number in range(first, min(size, first + 5_000)):
                    _add_document(store, number, " ".join(words(rng, _WORDS_PER_DOCUMENT)))


def fill_vectors(path: Path, embedder: Embedder) -> None:
    """Give every passage some vector: how long a search takes does not depend on its meaning."""
    import numpy as np

    rng = np.random.default_rng(1)
    width = len(embedder.embed(["How wide?"])[0])
    store = FileStore.open(path, embedder=embedder)
    with contextlib.closing(store), store.transaction():
        for (chunk,) in store.all("SELECT id FROM chunks"):
            vector = rng.standard_normal((1, width), dtype=np.float32)
            (kept,) = packed(vector / np.linalg.norm(vector))
            store.insert(
                "INSERT INTO vectors (chunk, embedder, vector) VALUES (?, ?, ?)",
                *(chunk, embedder.name, kept),
            )


def document_metadata(number: int) -> dict[str, str]:
    """What a document says about whose it is."""
    return {
        "objlib_key": f"k{number:025}",
        "objlib_path": path_of(number),
        "objlib_sha256": f"{number:064x}",
        "objlib_library": LIBRARY_ID,
    }


def _add_document(store: FileStore, number: int, text: str) -> None:
    key = f"k{number:025}"
    custom = [
        {"key": name, "stringValue": value} for name, value in document_metadata(number).items()
    ]
    position = store.insert(
        "INSERT INTO documents (store_id, id, display_name, mime_type, size_bytes, metadata_json,"
        " created_at, ready_at, visible_at) VALUES (?, ?, ?, 'text/plain', 4000, ?, 0, 0, 0)",
        *(STORE.partition("/")[2], key, key, json.dumps(custom)),
    )
    passages.add(store, position, 0, [Chunk(text, " ".join(terms(closed_up(text))), None)])
