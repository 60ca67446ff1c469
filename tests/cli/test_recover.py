"""objlib recover: what is left behind comes to rest, and a lost catalog comes back."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from objlib.catalog.binding import LIBRARY_ID
from objlib.catalog.lease import Lease
from objlib.catalog.opening import open_catalog
from objlib.catalog.queries import get_info
from objlib.service.library import Library
from objlib.upload.reports import RecoveryReport
from objlib.upload.state import AsyncUploadStateManager
from tests.catalog.catalogs import pending_page
from tests.cli.servers import server
from tests.conftest import Cli, Outcome, Query, states

DB = Path("data") / "library.db"


def claim(*, until: float, files: int = 2) -> None:
    """Claim some files, as a run on another host did."""

    async def run() -> None:
        async with await open_catalog(DB) as catalog:
            state = AsyncUploadStateManager(catalog)
            for row in await pending_page(catalog, None, files):
                await state.begin_upload(
                    row,
                    upload_key=f"key{row.filename}",
                    run_id="dead",
                    lease=Lease("elsewhere/1/1.00/dead", until),
                )

    asyncio.run(run())


@pytest.fixture
def uploaded(cli: Cli, library: Path) -> Path:
    """Six files in the catalog and in the store."""
    cli("scan", "--library", library)
    assert cli("fsm-upload").exit_code == 0
    return library


def add(library: Path, *words: str) -> None:
    for word in words:
        (library / f"On {word}.txt").write_text(f"This is all about {word}.\n")


def lose_the_catalog() -> None:
    for file in DB.parent.glob("library.db*"):
        file.unlink()


def test_nothing_left_behind_is_said_in_one_line(cli: Cli, uploaded: Path) -> None:
    """Exit code 0, and not one request more than looking at the store takes."""
    outcome = cli("recover")
    assert (outcome.exit_code, outcome.out) == (
        0,
        "Nothing to recover: no run left anything behind\n",
    )
    assert cli("recover", "--json").json["requests"] <= 1


def test_interrupted_uploads_are_released_and_nothing_is_sent(
    cli: Cli, uploaded: Path, rows: Query
) -> None:
    """Claimed by a dead run, nothing in the store: free again, not uploaded."""
    add(uploaded, "yeast", "zinc")
    cli("scan")
    claim(until=0.0)
    outcome = cli("recover")
    assert outcome.exit_code == 0
    assert "2  released" in outcome.out
    assert "Next: objlib fsm-upload" in outcome.out
    assert states(rows) == {"indexed": 6, "untracked": 2}


def test_what_a_living_run_holds_is_left(cli: Cli, uploaded: Path, rows: Query) -> None:
    """Its rows are counted and stay."""
    add(uploaded, "yeast", "zinc")
    cli("scan")
    claim(until=9e9)
    outcome = cli("recover")
    assert outcome.exit_code == 0
    assert "2  left to a run that is at work on them" in outcome.out
    assert states(rows) == {"indexed": 6, "uploading": 2}


def test_a_phase_that_cannot_finish_is_exit_code_one(
    cli: Cli, uploaded: Path, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listing is refused to the end: the reason is told, the rows stay."""
    from objlib.filestore import Fault, Kind

    add(uploaded, "yeast", "zinc")
    cli("scan")
    claim(until=0.0)
    fault = Fault(Kind.ERROR, route="GET */documents")
    data = uploaded.parent / "data" / "filestore.db"
    with server(data, fault) as url:
        rows("UPDATE catalog_info SET value = ? WHERE key = 'backend'", url)
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        monkeypatch.setenv("OBJLIB_BREAKER_COOLDOWN_S", "0.05")
        outcome = cli("recover")
    assert outcome.exit_code == 1
    assert "not finished: interrupted uploads" in outcome.out
    assert states(rows) == {"indexed": 6, "uploading": 2}


def test_without_a_store_there_is_nothing_to_recover(cli: Cli, library: Path) -> None:
    """It is no reason to make one."""
    cli("scan", "--library", library)
    outcome = cli("recover")
    assert outcome.exit_code == 2
    assert "there is no store" in outcome.err


def test_an_unreachable_store_is_exit_code_three(
    cli: Cli, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be recovered offline."""
    cli("scan", "--library", library)
    monkeypatch.setenv("OBJLIB_BASE_URL", "http://127.0.0.1:9")
    assert cli("recover").exit_code == 3


def test_a_program_can_recover_too(cli: Cli, uploaded: Path) -> None:
    """`Library.recover()` returns what the command prints."""
    add(uploaded, "yeast", "zinc")
    cli("scan")
    claim(until=0.0)

    async def run() -> RecoveryReport:
        async with Library.open() as library:
            return await library.recover()

    assert asyncio.run(run()) == RecoveryReport(released=2)


# The catalog is lost


def from_store(cli: Cli, library: Path, *more: str) -> Outcome:
    return cli("recover", "--from-store", "--library", library, *more)


def test_a_lost_catalog_comes_back_and_nothing_is_sent_again(
    cli: Cli, uploaded: Path, rows: Query
) -> None:
    """Every file has its document, its key and its library id again; four requests do it."""
    columns = "SELECT file_path, upload_key, gemini_store_doc_id, content_hash, gemini_state"
    before = rows(f"{columns} FROM files ORDER BY file_path")
    (library_id,) = rows("SELECT value FROM catalog_info WHERE key = 'library_id'")
    lose_the_catalog()

    outcome = from_store(cli, uploaded, "--json")

    assert outcome.exit_code == 0
    assert outcome.json["from_store"]["adopted"] == 6
    assert outcome.json["from_store"]["id_was_taken_over"]
    assert outcome.json["requests"] <= 5
    assert rows(f"{columns} FROM files ORDER BY file_path") == before
    assert rows("SELECT value FROM catalog_info WHERE key = 'library_id'") == [library_id]
    again = cli("fsm-upload", "--json").json
    assert (again["indexed"], again["requests"]) == (0, 1)
    assert cli("store-sync").exit_code == 0


def test_its_own_events_are_no_file_of_the_library(cli: Cli, uploaded: Path, rows: Query) -> None:
    """A file that it writes into the library, now or the last time, is not taken."""
    for _ in range(2):
        lose_the_catalog()
        assert from_store(cli, uploaded, "--events", str(uploaded / "e.jsonl")).exit_code == 0
    assert rows("SELECT COUNT(*) FROM files WHERE file_path = 'e.jsonl'") == [(0,)]


def test_every_row_comes_back_by_the_legal_road(cli: Cli, uploaded: Path, rows: Query) -> None:
    """Three moves a file, each with the reason `adopted`; none jumps into `indexed`."""
    lose_the_catalog()
    from_store(cli, uploaded)
    moves = rows("SELECT from_state, to_state, reason, COUNT(*) FROM transitions GROUP BY 1, 2, 3")
    assert sorted(moves) == [
        ("processing", "indexed", "adopted", 6),
        ("untracked", "uploading", "adopted", 6),
        ("uploading", "processing", "adopted", 6),
    ]
    assert rows("SELECT COUNT(*) FROM files WHERE lease_owner IS NOT NULL") == [(0,)]


def test_the_summary_of_a_rebuilt_catalog(cli: Cli, uploaded: Path) -> None:
    """What was found and what it was good for, and what to do next."""
    lose_the_catalog()
    lines = from_store(cli, uploaded).out.splitlines()
    assert lines[0] == "Found 6 documents in the store"
    assert lines[1].startswith("Library id: ")
    assert lines[1].endswith(", taken over")
    assert lines[2:] == [
        "        6  files have their documents again",
        "Next: objlib store-sync",
    ]
    lose_the_catalog()
    add(uploaded, "yeast")
    assert from_store(cli, uploaded).out.endswith("Next: objlib fsm-upload\n")


def test_files_that_moved_changed_or_are_new_since(cli: Cli, uploaded: Path, rows: Query) -> None:
    """A moved file keeps its document; a changed one is found in its old version until the new one
    is there; a new one is uploaded; a deleted one's document, which may be of a copy, is for a
    person to judge."""
    moved, changed, deleted, *_ = sorted(uploaded.rglob("*.txt"))
    moved.rename(uploaded / "elsewhere.txt")
    changed.write_text("A wholly different text about halogens.\n")
    deleted.unlink()
    add(uploaded, "yeast")
    lose_the_catalog()

    found = from_store(cli, uploaded, "--json").json["from_store"]

    assert {name: found[name] for name in ("adopted", "moved", "superseded", "foreign")} == {
        "adopted": 4,
        "moved": 1,
        "superseded": 1,
        "foreign": 0,
    }
    synced = cli("store-sync", "--json").json
    assert synced["documents"]["in_flight"] == 1  # search goes on finding the old version
    assert (synced["documents"]["orphan"], synced["documents"]["elsewhere"]) == (0, 1)
    assert cli("fsm-upload", "--json").json["indexed"] == 2
    agreed = ("--apply", "--max-delete", "100%")
    assert cli("store-sync", *agreed).exit_code == 1
    assert cli("store-sync", *agreed, "--include-elsewhere").exit_code == 0
    synced = cli("store-sync", "--json").json
    assert (synced["clean"], synced["documents"]["canonical"]) == (True, 6)


def test_documents_of_another_library_are_left_alone(
    cli: Cli, uploaded: Path, workplace: Path, rows: Query
) -> None:
    """Two libraries in one store: each gets its own back, and not a document goes."""
    other = workplace / "other"
    add_at = other / "Course"
    add_at.mkdir(parents=True)
    add(add_at, "yeast", "zinc")
    there = ("--db", workplace / "data" / "other.db")
    cli("scan", "--library", other, *there)
    cli("fsm-upload", *there)
    lose_the_catalog()

    found = from_store(cli, uploaded, "--json").json["from_store"]

    assert (found["documents"], found["adopted"], found["foreign"]) == (8, 6, 2)
    assert cli("store-sync", *there).exit_code == 0
    assert cli("store-sync").exit_code == 0


@pytest.fixture
def ambiguous(cli: Cli, uploaded: Path, workplace: Path) -> tuple[str, str]:
    """A second library with the same paths shares the store; the ids of both. The first is lost."""
    there = workplace / "data" / "twin.db"
    shutil.copytree(uploaded, workplace / "twin")
    add(workplace / "twin", "yeast")
    min((workplace / "twin").rglob("Week*.txt")).unlink()
    cli("scan", "--library", workplace / "twin", "--db", there)
    cli("fsm-upload", "--db", there, "--new-library")
    ids = (library_id(DB), library_id(there))
    lose_the_catalog()
    return ids


def library_id(path: Path) -> str:
    async def read() -> str:
        async with await open_catalog(path) as catalog:
            return str(await get_info(catalog, LIBRARY_ID))

    return asyncio.run(read())


def test_an_ambiguous_store_is_refused_with_the_ids(
    cli: Cli, uploaded: Path, rows: Query, ambiguous: tuple[str, str]
) -> None:
    """Each has a file here that the other has not: nothing is adopted, both are named."""
    add(uploaded, "yeast")
    outcome = from_store(cli, uploaded)
    assert outcome.exit_code == 2
    for identifier in ambiguous:
        assert identifier in outcome.err
    assert "--library-id" in outcome.err
    assert states(rows) == {"untracked": 7}


def test_in_a_doubled_store_the_library_is_chosen_that_has_all_files(
    cli: Cli, uploaded: Path, rows: Query, ambiguous: tuple[str, str]
) -> None:
    """The other one has documents of the same files and of fewer: nobody has to be asked."""
    mine, _ = ambiguous
    assert from_store(cli, uploaded).exit_code == 0
    assert library_id(DB) == mine
    assert states(rows) == {"indexed": 6}


def test_the_id_can_be_named(
    cli: Cli, uploaded: Path, rows: Query, ambiguous: tuple[str, str]
) -> None:
    """And then only that library's documents are taken."""
    mine, _ = ambiguous
    add(uploaded, "yeast")  # the same file as in the other library, which alone has uploaded it
    found = from_store(cli, uploaded, "--library-id", mine, "--json").json["from_store"]
    assert (found["library_id"], found["adopted"], found["foreign"]) == (mine, 6, 6)
    assert states(rows) == {"indexed": 6, "untracked": 1}


def test_an_id_that_nobody_has_is_refused(cli: Cli, uploaded: Path, rows: Query) -> None:
    """A typing mistake takes over nothing."""
    lose_the_catalog()
    outcome = from_store(cli, uploaded, "--library-id", "nobody")
    assert outcome.exit_code == 2
    assert "nobody" in outcome.err
    assert states(rows) == {"untracked": 6}


def test_a_catalog_that_has_uploaded_keeps_its_id(
    cli: Cli, uploaded: Path, ambiguous: tuple[str, str]
) -> None:
    """Its keys are made with it, so it cannot become another library."""
    mine, theirs = ambiguous
    from_store(cli, uploaded, "--library-id", mine)
    outcome = from_store(cli, uploaded, "--library-id", theirs)
    assert outcome.exit_code == 2
    assert library_id(DB) == mine


def test_an_older_backup_catches_up(cli: Cli, uploaded: Path, rows: Query) -> None:
    """The catalog is from before two uploads: their documents are adopted, the rest is kept."""
    kept = DB.with_suffix(".kept")
    shutil.copy(DB, kept)
    add(uploaded, "yeast", "zinc")
    cli("scan")
    cli("fsm-upload")
    lose_the_catalog()
    shutil.copy(kept, DB)
    before = rows("SELECT * FROM files ORDER BY file_path")

    found = cli("recover", "--from-store", "--json").json["from_store"]

    assert (found["adopted"], found["id_was_taken_over"]) == (2, False)
    assert [
        row for row in rows("SELECT * FROM files ORDER BY file_path") if row in before
    ] == before
    assert cli("store-sync").exit_code == 0


def test_a_second_time_finds_nothing_to_do(cli: Cli, uploaded: Path, rows: Query) -> None:
    """Rebuilding is for what has no document yet."""
    lose_the_catalog()
    from_store(cli, uploaded)
    before = rows("SELECT * FROM files ORDER BY file_path")
    assert from_store(cli, uploaded, "--json").json["from_store"]["adopted"] == 0
    assert rows("SELECT * FROM files ORDER BY file_path") == before


@pytest.mark.parametrize("option", [["--library", "x"], ["--library-id", "x"]])
def test_options_of_the_rebuild_need_it(cli: Cli, uploaded: Path, option: list[Any]) -> None:
    """`recover --library DIR` alone would do something else than it seems to say."""
    outcome = cli("recover", *option)
    assert outcome.exit_code == 2
    assert "--from-store" in outcome.err
