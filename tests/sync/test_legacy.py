"""A catalog of the earlier generation: 1,749 indexed rows and their documents, which have no key.

It opens, is backed up and migrated, goes on, and its indexed rows are never touched.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from objlib.filestore import FileStore
from tests.catalog.catalogs import LEGACY_STATES, legacy_catalog, session
from tests.conftest import Cli, Query, states, write_library

INDEXED = LEGACY_STATES["indexed"]

#: How the earlier generation may have put down which document is a row's, from its full name.
NAMINGS: dict[str, Callable[[str], str | None]] = {
    "full name": lambda name: name,
    "documents/id": lambda name: "documents/" + name.rpartition("/")[2],
    "id": lambda name: name.rpartition("/")[2],
    "raw file only": lambda _name: None,
}


@dataclass(frozen=True)
class Legacy:
    """Where the documents of the earlier generation are."""

    workplace: Path
    store_name: str

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the embedded store anything."""
        with session(self.workplace / "data" / "filestore.db") as connection:
            return connection.execute(statement).fetchall()

    @property
    def documents(self) -> int:
        return int(self.sql("SELECT COUNT(*) FROM documents")[0][0])


def make_legacy(workplace: Path, naming: Callable[[str], str | None]) -> Legacy:
    """A store with 1,749 documents without metadata, named after raw files, and their catalog."""
    data = workplace / "data"
    data.mkdir()
    path = legacy_catalog(data, 10)
    with closing(FileStore.open(data / "filestore.db")) as store:
        store_id = store.create_store("objectivism-library", "models/gemini-embedding-001")
    with session(data / "filestore.db") as plain:
        plain.execute(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO documents (store_id, id, display_name, mime_type, size_bytes,"
            " metadata_json, created_at, ready_at, visible_at)"
            " SELECT ?, 'raw' || i || '-abc', 'raw' || i, 'text/plain', 10, '[]', 0, 0, 0 FROM n",
            (INDEXED - 1, store_id),
        )
    name = f"fileSearchStores/{store_id}"
    with session(path) as plain:
        rows = plain.execute("SELECT rowid FROM files WHERE gemini_state = 'indexed'").fetchall()
        for number, (rowid,) in enumerate(rows):
            document = naming(f"{name}/documents/raw{number}-abc")
            plain.execute(
                "UPDATE files SET gemini_file_id = ?, gemini_store_doc_id = ?, updated_at = '2024'"
                " WHERE rowid = ?",
                (f"files/raw{number}", document, rowid),
            )
    return Legacy(workplace, name)


@pytest.fixture
def legacy(workplace: Path, request: pytest.FixtureRequest) -> Legacy:
    """The catalog before anybody has opened it with this objlib."""
    naming = NAMINGS[getattr(request, "param", "documents/id")]
    return make_legacy(workplace, naming)


OLD_COLUMNS = (
    "file_path, content_hash, filename, file_size, metadata_json, ai_metadata_status,"
    " gemini_file_id, error_message, is_deleted, mtime, last_upload_hash, intent_type,"
    ' "odd, (name)", gemini_store_doc_id, gemini_state, version, created_at, updated_at'
)


def indexed_rows(rows: Query) -> list[tuple[Any, ...]]:
    """The rows that were indexed before, all that they had then."""
    return rows(
        f"SELECT {OLD_COLUMNS} FROM files WHERE gemini_state = 'indexed'"
        " AND file_path LIKE '/old/%' ORDER BY file_path"
    )


def go_on(cli: Cli, workplace: Path, files: int) -> Path:
    """Scan a folder of new files into the old catalog."""
    root = workplace / "new"
    write_library(root, files)
    assert cli("scan", "--library", root).exit_code == 0
    return root


@pytest.mark.parametrize("legacy", NAMINGS, indirect=True)
def test_its_documents_are_canonical(cli: Cli, legacy: Legacy, rows: Query) -> None:
    """However it put down which document is whose: no ghost, no orphan, nothing foreign."""
    go_on(cli, legacy.workplace, 1)
    synced = cli("store-sync", "--json").json
    assert synced["documents"]["canonical"] == INDEXED
    assert synced["documents"]["foreign"] == 0
    assert (synced["ghosts"], synced["clean"]) == (0, True)
    assert cli("store-sync", "--apply", "--max-delete", "100%").exit_code == 0
    assert legacy.documents == INDEXED


@pytest.mark.parametrize("legacy", NAMINGS, indirect=True)
def test_no_number_of_uploads_touches_its_indexed_rows(
    cli: Cli, legacy: Legacy, rows: Query
) -> None:
    """Three uploads of new files, a repair, a recovery: all 1,749 rows are as they were."""
    before = indexed_rows(rows)
    assert len(before) == INDEXED
    root = go_on(cli, legacy.workplace, 10)
    for limit in ("3", "5"):
        cli("fsm-upload", "--limit", limit)
    (root / "one-more.txt").write_text("One more text.\n")
    cli("scan")
    cli("fsm-upload")
    cli("recover")
    assert cli("store-sync", "--apply", "--max-delete", "100%").exit_code == 0
    assert indexed_rows(rows) == before
    assert rows("SELECT COUNT(*) FROM files WHERE gemini_state = 'indexed'") == [(INDEXED + 11,)]
    assert rows("SELECT COUNT(*) FROM files WHERE file_path LIKE '/old/%'") == [
        (sum(LEGACY_STATES.values()),)
    ]
    assert rows("SELECT COUNT(*) FROM files WHERE upload_key IS NULL AND gemini_state = 'indexed'")
    assert (legacy.workplace / "data" / "library.db.v10.bak").is_file()
    assert cli("store-sync").exit_code == 0


def test_its_rows_in_flight_come_to_rest(cli: Cli, legacy: Legacy, rows: Query) -> None:
    """Three uploads and two imports from years ago: nothing waits for them, nothing stays."""
    go_on(cli, legacy.workplace, 1)
    cli("fsm-upload")
    assert rows("SELECT COUNT(*) FROM files WHERE gemini_state IN ('uploading', 'processing')") == [
        (0,)
    ]
    assert states(rows)["indexed"] == INDEXED + 1


def test_a_scan_of_another_folder_declares_none_of_its_files_missing(
    cli: Cli, legacy: Legacy, rows: Query
) -> None:
    """Their paths are absolute and lie elsewhere: the walk says nothing about them."""
    before = rows("SELECT COUNT(*) FROM files WHERE is_deleted")
    go_on(cli, legacy.workplace, 3)
    assert cli("scan", "--json").json["missing"] == 0
    assert rows("SELECT COUNT(*) FROM files WHERE is_deleted") == before


def test_a_second_import_of_its_raw_file_is_a_duplicate(cli: Cli, legacy: Legacy) -> None:
    """The trouble of the earlier generation: the same raw file, twice in the store."""
    copy_of_three = (
        "INSERT INTO documents (store_id, id, display_name, mime_type, size_bytes, metadata_json,"
        " created_at, ready_at, visible_at) SELECT store_id, id || 'again', display_name,"
        " mime_type, size_bytes, '[]', 1, 1, 1 FROM documents LIMIT 3"
    )
    legacy.sql(copy_of_three)
    go_on(cli, legacy.workplace, 1)
    synced = cli("store-sync", "--json").json["documents"]
    assert (synced["canonical"], synced["duplicate"]) == (INDEXED, 3)
    assert "Deleted 3 documents" in cli("store-sync", "--apply").out
    assert cli("store-sync").exit_code == 0
    assert legacy.documents == INDEXED


@pytest.mark.parametrize("legacy", ["raw file only"], indirect=True)
def test_the_same_where_only_the_raw_file_is_on_record(cli: Cli, legacy: Legacy) -> None:
    """The first document stays, the second goes."""
    test_a_second_import_of_its_raw_file_is_a_duplicate(cli, legacy)


@pytest.mark.parametrize("legacy", NAMINGS, indirect=True)
def test_a_changed_file_replaces_its_old_document(cli: Cli, legacy: Legacy, rows: Query) -> None:
    """It is found in the old version until the new one is indexed; then the old one goes."""
    root = legacy.workplace / "new"
    file = root / "0000.txt"
    root.mkdir()
    file.write_text("The new version of an old file.\n")
    cli("status")  # opened, and so migrated
    rows("UPDATE files SET file_path = '0000.txt' WHERE file_path = '/old/library/0000.txt'")
    cli("scan", "--library", root)
    assert cli("store-sync", "--json").json["documents"]["in_flight"] == 1
    assert cli("fsm-upload", "--json").json["indexed"] == 1
    assert cli("store-sync", "--apply").exit_code == 0
    assert legacy.documents == INDEXED
    synced = cli("store-sync", "--json").json
    assert (synced["clean"], synced["documents"]["canonical"]) == (True, INDEXED)
    assert legacy.sql("SELECT COUNT(*) FROM documents WHERE display_name = 'raw0'") == [(0,)]
