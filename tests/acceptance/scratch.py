"""A scratch copy to try things on: an old catalog, its documents, and a library of new files."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from objlib.filestore import FileStore
from tests.catalog.catalogs import LEGACY_STATES, legacy_catalog

ROOT = Path(__file__).parents[2]
INDEXED = LEGACY_STATES["indexed"]

#: What goes wrong while it is tried: refusals, lost answers, imports that make no document, and
#: documents that show FAILED and come alive later.
FAULTS = """
seed = 11
indexing_delay_s = 0.2

[[fault]]
kind = "latency"
seconds = 0.02

[[fault]]
kind = "rate_limit"
route = "POST *"
probability = 0.04
seconds = 0.3

[[fault]]
kind = "error"
route = "GET *documents/{document}"
probability = 0.05

[[fault]]
kind = "drop_after"
route = "POST *:importFile"
probability = 0.15

[[fault]]
kind = "silent_import"
times = 2

[[fault]]
kind = "document_failed"
probability = 0.15
seconds = 0.5
"""


def make_scratch(folder: Path) -> None:
    """A working folder: `data/library.db` of the earlier generation, its store, and `library/`.

    The store holds one document for each of the 1,749 indexed rows, without any metadata, named
    after its raw file.
    """
    data = folder / "data"
    data.mkdir(parents=True)
    catalog = legacy_catalog(data, 12)
    with closing(FileStore.open(data / "filestore.db")) as store:
        store_id = store.create_store("objectivism-library", "models/gemini-embedding-001")
    with closing(sqlite3.connect(data / "filestore.db")) as documents:
        documents.executemany(
            "INSERT INTO documents (store_id, id, display_name, mime_type, size_bytes,"
            " metadata_json, created_at, ready_at, visible_at)"
            " VALUES (?, ?, ?, 'text/plain', 10, '[]', 0, 0, 0)",
            ((store_id, f"raw{n}-old", f"raw{n}") for n in range(INDEXED)),
        )
        documents.commit()
    with closing(sqlite3.connect(catalog)) as rows:
        # What was not indexed then has no file here that could be uploaded now.
        rows.execute("DELETE FROM files WHERE gemini_state <> 'indexed'")
        indexed = rows.execute("SELECT rowid FROM files WHERE gemini_state = 'indexed'").fetchall()
        rows.executemany(
            "UPDATE files SET gemini_file_id = ?, gemini_store_doc_id = ?, updated_at = '2024'"
            " WHERE rowid = ?",
            ((f"files/raw{n}", f"raw{n}-old", rowid) for n, (rowid,) in enumerate(indexed)),
        )
        rows.commit()
    shutil.copytree(ROOT / "examples" / "library", folder / "library")
    (folder / "faults.toml").write_text(FAULTS, "utf-8")
