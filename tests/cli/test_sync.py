"""objlib sync: the everyday command, on the embedded store."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
import sys
import zipfile
from pathlib import Path

import httpx2
import pytest

from objlib.config import load_settings
from objlib.filestore import Fault, Kind
from objlib.service.library import Library
from tests.cli.servers import server
from tests.cli.test_processes import start, wait_until
from tests.conftest import Cli, Query, states

IMPORT = "POST *:importFile"
WEEK_1 = Path("Course") / "Year 1" / "Week 1 - On arches.txt"


def test_one_command_brings_everything_in_step(cli: Cli, library: Path, rows: Query) -> None:
    """Plan, upload, proof; and again after a change, which touches only what changed."""
    first = cli("sync", "--library", library, "--yes")
    assert first.exit_code == 0
    assert "To upload: 6 files" in first.out
    assert "requests  30" in first.out
    assert "Canonical documents: 6" in first.out
    assert first.out.endswith("The store holds exactly what the library does\n")
    assert states(rows) == {"indexed": 6}

    (library / WEEK_1).write_text("This lecture is about vaults now.\n")
    second = cli("sync", "--yes")
    assert f"+ {WEEK_1} (changed, 34 B)" in second.out
    assert "Indexed 1 file" in second.out
    assert cli("search", "vaults", "--json").json["citations"][0]["path"] == str(WEEK_1)


def test_what_is_gone_from_the_store_is_sent_in_the_same_round(cli: Cli, library: Path) -> None:
    """A document was deleted behind our back: both uploads are told, to people and scripts."""
    cli("sync", "--library", library, "--yes")
    for options in ([], ["--json"]):
        asyncio.run(_delete_a_document())
        outcome = cli("sync", "--yes", *options)
        assert outcome.exit_code == 0
        if options:
            assert outcome.json["upload"]["indexed"] == 0
            assert outcome.json["upload_again"]["indexed"] == 1
        else:
            assert "Indexed 1 file" in outcome.out
    assert cli("store-sync").exit_code == 0


def test_what_cannot_be_indexed_is_sent_once_a_day(
    cli: Cli, library: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time takes minutes. In between `sync` says so; a change is another matter."""
    with server(workplace / "served.db", Fault(Kind.DOCUMENT_FAILED)) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        first = cli("sync", "--library", library, "--yes", "--json")
        assert first.exit_code == 1
        assert first.json["upload"]["failed"] == 6

        left = cli("sync", "--yes")
        assert left.exit_code == 1
        assert "To upload" not in left.out
        assert "Left alone for a day: 6 files that the store could not index" in left.out
        assert "Nothing was uploaded; 6 files failed before" in left.out
        assert left.out.endswith("Next: objlib failures (6 files left alone for a day)\n")
        assert "6 files left alone for a day" in cli("sync", "--yes", "--quiet").out
        assert cli("sync", "--dry-run", "--json").json["plan"]["left_alone"] == 6

        (library / WEEK_1).write_text("This lecture is about vaults now.\n")
        assert cli("sync", "--yes", "--json").json["upload"]["failed"] == 1
        with sqlite3.connect("data/library.db") as catalog:
            catalog.execute("UPDATE files SET gemini_state_updated_at = '2020-01-01'")
        assert cli("sync", "--yes", "--json").json["upload"]["failed"] == 6
        assert cli("fsm-upload", "--retry-failed", "--json").json["failed"] == 6


def test_a_document_that_came_alive_late_is_adopted_while_its_file_is_left_alone(
    cli: Cli, library: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every sync looks at it."""
    with server(workplace / "served.db", Fault(Kind.DOCUMENT_FAILED)) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        assert cli("sync", "--library", library, "--yes").exit_code == 1
        httpx2.delete(f"{url}/debug/faults")
        with sqlite3.connect(workplace / "served.db") as store:
            store.execute("UPDATE documents SET is_failed = 0")
        again = cli("sync", "--yes", "--json")
        assert again.exit_code == 0
        assert again.json["upload"]["adopted"] == 6


def test_other_failures_are_tried_again_at_every_sync(
    cli: Cli, library: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage of one kind of request is over some day."""
    with server(workplace / "served.db", Fault(Kind.ERROR, IMPORT, status=400)) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        for _ in range(3):
            said = cli("sync", "--library", library, "--yes", "--json").json
            assert (said["upload"]["failed"], said["plan"]["left_alone"]) == (6, 0)
        httpx2.delete(f"{url}/debug/faults")
        assert cli("sync", "--yes").exit_code == 0


async def _delete_a_document() -> None:
    async with Library.open(settings=load_settings()) as library:
        await library.survey()
        (document, *_) = await library.catalog.fetch_all(
            "SELECT gemini_store_doc_id FROM files ORDER BY file_path"
        )
        await library.client.delete_document(str(document[0]))


def test_a_quiet_sync_says_what_was_deleted_and_what_is_wrong(cli: Cli, library: Path) -> None:
    """As cron wants it: nothing when all is well, also when much was sent."""
    assert cli("sync", "--library", library, "--yes", "--quiet").out == ""
    (library / WEEK_1).unlink()
    gone = cli("sync", "--yes", "--quiet", "--max-delete", "50%")
    assert gone.out == "Deleted 1 document\n"
    damaged = library / "damaged.epub"
    with zipfile.ZipFile(damaged, "w") as book:
        book.writestr("mimetype", "application/epub+zip")
    wrong = cli("sync", "--yes", "--quiet")
    assert wrong.exit_code == 1
    assert "damaged.epub: " in wrong.out
    assert wrong.out.endswith("Next: objlib status\n")
    assert "Canonical" not in wrong.out


def test_a_dry_run_scans_and_does_nothing_else(cli: Cli, library: Path, rows: Query) -> None:
    """No store, no question; the plan as JSON."""
    planned = cli("sync", "--library", library, "--dry-run", "--json").json
    assert planned["scan"]["new"] == 6
    assert planned["plan"]["files"] == 6
    assert planned["plan"]["to_delete"] == 0
    assert states(rows) == {"untracked": 6}
    assert not (Path("data") / "filestore.db").exists()


def test_without_anybody_to_ask_nothing_is_sent(cli: Cli, library: Path, rows: Query) -> None:
    """A script has to say --yes."""
    asked = cli("sync", "--library", library)
    assert asked.exit_code == 2
    assert "say --yes" in asked.err
    assert states(rows) == {"untracked": 6}


@pytest.mark.parametrize(("answer", "indexed"), [("y\n", 6), ("n\n", 0), ("\n", 0)])
def test_a_person_is_asked(
    cli: Cli,
    library: Path,
    rows: Query,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    indexed: int,
) -> None:
    """Only a yes is a yes."""
    import io

    terminal = io.StringIO(answer)
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)
    outcome = cli("sync", "--library", library)
    assert outcome.exit_code == (0 if indexed else 130)
    assert states(rows).get("indexed", 0) == indexed


def test_what_is_gone_from_disk_leaves_the_store(cli: Cli, library: Path) -> None:
    """The plan says so, and the last step does it."""
    cli("sync", "--library", library, "--yes")
    (library / WEEK_1).unlink()
    synced = cli("sync", "--yes")
    assert "To delete from the store: 1 document of files that are gone" in synced.out
    assert "Deleted 1 document" in synced.out
    assert cli("store-sync", "--json").json["documents"]["canonical"] == 5


def test_more_than_a_tenth_is_not_deleted_without_a_word(cli: Cli, library: Path) -> None:
    """The guard of store-sync holds here, too."""
    cli("sync", "--library", library, "--yes")
    for path in sorted(library.rglob("*.txt"))[:3]:
        path.unlink()
    refused = cli("sync", "--yes")
    assert refused.exit_code == 2
    assert "--max-delete" in refused.err
    assert cli("store-sync", "--json").json["documents"]["orphan"] == 3
    assert cli("sync", "--yes", "--max-delete", "50%").exit_code == 0


def test_a_library_that_is_gone_empties_nothing(cli: Cli, library: Path) -> None:
    """A disk that is not mounted is no reason to delete a document."""
    cli("sync", "--library", library, "--yes")
    shutil.move(library, library.with_name("elsewhere"))
    gone = cli("sync", "--yes")
    assert gone.exit_code == 2
    assert len(gone.err.splitlines()) == 2  # which store, and what is wrong
    shutil.move(library.with_name("elsewhere"), library)
    again = cli("sync", "--yes", "--json").json
    assert again["store_sync"]["documents"]["canonical"] == 6
    assert again["upload"]["indexed"] == 0


def test_watching_takes_up_what_changes(cli: Cli, library: Path, rows: Query) -> None:
    """A real process: a new file, and one that an editor replaces, are in the store soon after."""
    cli("sync", "--library", library, "--yes")
    process = start("sync", "--yes", "--watch")
    assert process.stderr is not None
    for line in process.stderr:
        if "Watching" in line:
            break
    (library / "New.txt").write_text("Something new.")
    wait_until(rows, "filename = 'New.txt' AND gemini_state = 'indexed'", process)
    beside = library / ".Week 1.swp"
    beside.write_text("This lecture is about vaults now.\n")
    beside.rename(library / WEEK_1)
    wait_until(rows, "file_size = 34 AND gemini_state = 'indexed'", process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert states(rows) == {"indexed": 7}


def test_a_long_plan_is_grouped_by_folder_and_extension(cli: Cli, library: Path) -> None:
    """With sizes, the most bytes first, so that a surprise is seen; a short one names each file."""
    (library / "Film scripts").mkdir()
    for number in range(30):
        (library / "Film scripts" / f"act {number}.v2.MD").write_text("Enter a bridge.\n" * 99)
    (library / "README").write_text("Read me.")
    (library / ".hidden").write_text("Read me.")
    plan = cli("sync", "--library", library, "--dry-run", "--hidden")
    assert "  folders Film scripts/ 30 files" in plan.out
    assert "Course/ 6 files" in plan.out
    assert "(this folder) 2 files 16 B" in plan.out
    assert "  kinds   .md 30 files" in plan.out
    assert "(no extension) 2 files 16 B" in plan.out
    said = cli("sync", "--dry-run", "--hidden", "--json").json["plan"]
    assert said["folders"]["Film scripts/"]["files"] == 30
    assert list(said["kinds"]) == [".md", ".txt", ""]
    assert "  folders Film" in cli("fsm-upload", "--dry-run").out
    assert "(this folder)" not in cli("fsm-upload", "--dry-run", "--limit", "3").out
