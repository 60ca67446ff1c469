"""A catalog that is lost, emptied or half recovered: nothing is sent twice, by real processes."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from objlib.errors import CatalogLost
from objlib.filestore import Fault, Kind
from objlib.service.library import Library
from tests.cli.servers import server
from tests.conftest import Query, second_machine, states

DB = Path("data") / "library.db"
IMPORTS = "SELECT COUNT(*) FROM documents"


@pytest.fixture
def served(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server in a process of its own, in use by every command; its database."""
    slow = Fault(Kind.LATENCY, seconds=0.01)
    with server(workplace / "served.db", slow, indexing_delay_s=0.01) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        yield workplace / "served.db"


def objlib(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `objlib` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "objlib", *arguments], capture_output=True, text=True, check=False
    )


def documents(store: Path) -> int:
    """Count the documents in the server's own database."""
    with closing(sqlite3.connect(store)) as connection:
        (number,) = connection.execute(IMPORTS).fetchone()
    return int(number)


def lose_the_catalog() -> None:
    for file in DB.parent.glob("library.db*"):
        file.unlink()


def empty_the_catalog() -> None:
    lose_the_catalog()
    DB.touch()


@pytest.fixture
def synced(served: Path, library: Path) -> Path:
    """Six files in the store."""
    assert objlib("sync", "--library", "library", "--yes").returncode == 0
    assert documents(served) == 6
    return library


@pytest.mark.parametrize("lose", [lose_the_catalog, empty_the_catalog])
@pytest.mark.parametrize("command", ["sync", "fsm-upload"])
def test_a_lost_catalog_ends_in_one_line_and_one_command_that_works(
    synced: Path, served: Path, lose: object, command: str
) -> None:
    """Nothing is sent again; the command that is named gives the catalog back."""
    assert callable(lose)
    lose()
    if command == "sync":
        lost = objlib("sync", "--library", "library", "--yes")
    else:
        assert objlib("scan", "--library", "library").returncode == 0
        lost = objlib("fsm-upload")
    assert lost.returncode == 2
    said = lost.stderr.splitlines()[-1]
    assert "6 of 6 documents of another library" in said
    assert "`objlib recover --from-store`" in said
    assert documents(served) == 6

    assert objlib("recover", "--from-store").returncode == 0

    again = objlib("sync", "--yes")
    assert (again.returncode, documents(served)) == (0, 6)
    assert "The store holds exactly what the library does" in again.stdout


def test_a_missing_catalog_names_both_ways_on(synced: Path, served: Path) -> None:
    """Who lost it is not led into sending everything again."""
    for lose in (lose_the_catalog, empty_the_catalog):
        lose()
        missing = objlib("fsm-upload")
        assert missing.returncode == 2
        assert "objlib scan --library DIR" in missing.stderr
        assert "objlib recover --from-store --library DIR" in missing.stderr


def test_a_new_library_may_share_the_store(synced: Path, served: Path) -> None:
    """With --new-library its files are sent, and it need be said only once."""
    lose_the_catalog()
    assert objlib("scan", "--library", "library").returncode == 0
    assert objlib("fsm-upload", "--new-library", "--limit", "2").returncode == 0
    assert documents(served) == 8
    assert objlib("fsm-upload").returncode == 0
    assert documents(served) == 12


def test_other_files_in_the_store_stop_nobody(synced: Path, served: Path, workplace: Path) -> None:
    """A library of its own sends at once where less than half of another one lies in it."""
    other = workplace / "other"
    other.mkdir()
    shutil.copytree(synced / "Course", other / "Course")
    for file in sorted(other.rglob("*.txt"))[:4]:
        file.write_text(f"Something else altogether: {file.name}\n")
    done = objlib("sync", "--db", "data/other.db", "--library", "other", "--yes")
    assert documents(served) == 12, done.stderr


def test_a_program_is_told_too(synced: Path, served: Path) -> None:
    """`Library.upload` raises `CatalogLost` before anything is sent."""
    lose_the_catalog()

    async def run() -> None:
        async with Library.open("library") as library:
            await library.scan()
            with pytest.raises(CatalogLost):
                await library.upload()
            await library.declare_new_library()
            await library.upload()

    asyncio.run(run())
    assert documents(served) == 12


@pytest.mark.parametrize("seed", range(4))
def test_a_recovery_that_was_killed_is_finished_by_whatever_runs_next(
    synced: Path, served: Path, rows: Query, seed: int
) -> None:
    """Killed with some rows adopted and some not: sync sends nothing, and all have documents."""
    lose_the_catalog()
    rng, limit = random.Random(seed), seed + 1
    with subprocess.Popen(
        [sys.executable, "-c", _DIES_WITHIN, str(limit), str(rng.randint(0, 2))],
        stdout=subprocess.DEVNULL,
    ) as process:
        assert process.wait() == -9
    assert states(rows).get("indexed", 0) + states(rows).get("untracked", 0) > 0
    assert rows("SELECT value FROM catalog_info WHERE key = 'recovering'") != []

    done = objlib("sync", "--yes")

    assert (done.returncode, documents(served)) == (0, 6), done.stderr
    assert states(rows) == {"indexed": 6}
    assert rows("SELECT value FROM catalog_info WHERE key = 'recovering'") == []
    assert rows("SELECT COUNT(*) FROM transitions WHERE reason = 'claimed'") == [(0,)]


#: `objlib recover --from-store`, killed at the nth move of the kth file.
_DIES_WITHIN = """
import os, signal, sys
from objlib.cli.main import main
from objlib.upload.state import AsyncUploadStateManager

limit, move = int(sys.argv[1]), int(sys.argv[2])
names = ("begin_adoption", "upload_confirmed", "import_confirmed")
original, taken = getattr(AsyncUploadStateManager, names[move]), [0]

async def counted(self, *arguments, **options):
    result = await original(self, *arguments, **options)
    taken[0] += 1
    if taken[0] == limit:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(AsyncUploadStateManager, names[move], counted)
main(["recover", "--from-store", "--library", "library"])
"""


def test_a_scan_that_was_cut_off_hides_no_loss(synced: Path, served: Path, rows: Query) -> None:
    """Two of the six files are known when the scan is killed: they are not sent again either."""
    lose_the_catalog()
    with subprocess.Popen([sys.executable, "-c", _DIES_SCANNING]) as process:
        assert process.wait() == -9
    assert states(rows) == {"untracked": 2}

    lost = objlib("fsm-upload")

    assert (lost.returncode, documents(served)) == (2, 6), lost.stdout
    assert "`objlib recover --from-store`" in lost.stderr
    assert objlib("recover", "--from-store").returncode == 0
    assert states(rows) == {"indexed": 6}


#: `objlib scan`, killed when two files are on record.
_DIES_SCANNING = """
import os, signal
from objlib.catalog import writes
from objlib.cli.main import main
from objlib.library import scan

scan.BATCH, insert, known = 1, writes.insert_files, [0]

async def counted(catalog, facts):
    if known[0] == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    await insert(catalog, facts)
    known[0] += len(facts)

writes.insert_files = counted
main(["scan", "--library", "library"])
"""


# The doubling has happened


@pytest.fixture
def doubled(synced: Path, served: Path) -> Path:
    """The same six files twice in the store, under two library ids; the second catalog is here."""
    lose_the_catalog()
    assert objlib("scan", "--library", "library").returncode == 0
    assert objlib("fsm-upload", "--new-library").returncode == 0
    with closing(sqlite3.connect(DB)) as catalog:  # an earlier objlib doubled without being asked
        catalog.execute("DELETE FROM catalog_info WHERE key = 'new_library'")
        catalog.commit()
    assert documents(served) == 12
    return synced


def test_twins_are_named_and_never_called_exact(doubled: Path, served: Path) -> None:
    """`sync` names each, deletes none, and does not claim that the store holds exactly that."""
    done = objlib("sync", "--yes")
    assert (done.returncode, documents(served)) == (1, 12)
    assert "6 documents of files that have one here, under another library's id" in done.stdout
    assert "On arches.txt (its file is indexed, and this is of another library id)" in done.stdout
    assert "objlib store-sync --apply --include-twins" in done.stdout
    assert "The store does not hold exactly what the library does:" in done.stdout
    assert "6 documents for you to judge: twins, or of a copy of this catalog" in done.stdout


def test_twins_go_with_consent(doubled: Path, served: Path, rows: Query) -> None:
    """And only they: every file keeps the document of its own."""
    assert objlib("store-sync", "--apply").returncode == 1
    assert documents(served) == 12
    before = rows("SELECT file_path, gemini_store_doc_id, version FROM files ORDER BY 1")
    assert objlib("store-sync", "--apply", "--include-twins").returncode == 0
    assert documents(served) == 6
    assert rows("SELECT file_path, gemini_store_doc_id, version FROM files ORDER BY 1") == before
    done = objlib("sync", "--yes")
    assert (done.returncode, documents(served)) == (0, 6)


def test_a_catalog_lost_after_the_doubling_comes_back_too(
    doubled: Path, served: Path, rows: Query
) -> None:
    """One of the two libraries is taken over, and the other one's documents are twins."""
    lose_the_catalog()
    assert objlib("recover", "--from-store", "--library", "library").returncode == 0
    assert states(rows) == {"indexed": 6}
    assert objlib("store-sync", "--apply", "--include-twins").returncode == 0
    done = objlib("sync", "--yes")
    assert (done.returncode, documents(served)) == (0, 6)


# The catalog is old, or a copy


def keep(folder: Path) -> None:
    shutil.copytree(DB.parent, folder)


def bring_back(folder: Path) -> None:
    lose_the_catalog()
    for file in folder.glob("library.db*"):
        shutil.copy(file, DB.parent)


def imports_since(rows: Query) -> int:
    return int(rows("SELECT COUNT(*) FROM transitions WHERE reason = 'import accepted'")[0][0])


def test_a_catalog_older_than_the_store_sends_nothing_twice(
    synced: Path, served: Path, workplace: Path, rows: Query
) -> None:
    """Restored from a backup: new, changed and moved-on files are found in the store again."""
    keep(workplace / "backup")
    (synced / "On yeast.txt").write_text("This is all about yeast.\n")
    changed = min(synced.rglob("Week*.txt"))
    changed.write_text("This lecture is about something else by now.\n")
    assert objlib("sync", "--yes").returncode == 0
    assert documents(served) == 7
    bring_back(workplace / "backup")
    before = imports_since(rows)

    done = objlib("sync", "--yes")

    assert (done.returncode, documents(served)) == (0, 7), done.stdout + done.stderr
    assert imports_since(rows) == before
    assert states(rows) == {"indexed": 7}


def test_a_repair_that_comes_before_the_scan_hides_nothing(
    synced: Path, served: Path, workplace: Path, rows: Query
) -> None:
    """A file that was uploaded since the backup is not sent again, though the store was listed
    before the restored catalog knew the file."""
    keep(workplace / "backup")
    (synced / "On yeast.txt").write_text("This is all about yeast.\n")
    assert objlib("sync", "--yes").returncode == 0
    bring_back(workplace / "backup")
    assert objlib("store-sync", "--apply").returncode == 1
    before = imports_since(rows)

    assert objlib("scan").returncode == 0
    done = objlib("fsm-upload")

    assert (done.returncode, documents(served)) == (0, 7), done.stdout + done.stderr
    assert imports_since(rows) == before
    assert states(rows) == {"indexed": 7}


def test_a_document_that_came_does_not_hide_behind_one_that_went(
    synced: Path, served: Path, workplace: Path, rows: Query
) -> None:
    """One file was replaced since the backup: the store counts as many documents as then."""
    keep(workplace / "backup")
    min(synced.rglob("Week*.txt")).write_text("This lecture is about something else by now.\n")
    assert objlib("sync", "--yes").returncode == 0
    bring_back(workplace / "backup")
    before = imports_since(rows)
    done = objlib("sync", "--yes")
    assert (done.returncode, documents(served)) == (0, 6), done.stdout + done.stderr
    assert imports_since(rows) == before


def test_two_copies_of_a_catalog_leave_each_other_alone(
    synced: Path, served: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a second machine with other files: neither deletes what the other has uploaded."""
    second = second_machine(workplace, synced)
    (synced / "On yeast.txt").write_text("This is all about yeast.\n")
    (second / "library" / "On zinc.txt").write_text("This is all about zinc.\n")
    assert objlib("sync", "--yes").returncode == 0

    monkeypatch.chdir(second)
    there = objlib("sync", "--yes", "--max-delete", "100%")
    assert (there.returncode, documents(served)) == (1, 8), there.stdout + there.stderr
    assert "On yeast.txt (a newer state or a copy of this catalog has uploaded it)" in there.stdout
    monkeypatch.chdir(workplace)
    here = objlib("sync", "--yes", "--max-delete", "100%")
    assert (here.returncode, documents(served)) == (1, 8), here.stdout + here.stderr
    assert "On zinc.txt" in here.stdout


@pytest.mark.parametrize("is_lost", [False, True], ids=["in use", "lost"])
def test_recovery_claims_nothing_of_a_copy(
    synced: Path, served: Path, workplace: Path, is_lost: bool
) -> None:
    """A copy's document and a deleted file's look the same: it stays until somebody says."""
    keep(workplace / "backup")
    (synced / "On yeast.txt").write_text("This is all about yeast.\n")
    assert objlib("sync", "--yes").returncode == 0
    (synced / "On yeast.txt").unlink()
    lose_the_catalog()
    if not is_lost:
        bring_back(workplace / "backup")
    library = ("--library", str(synced)) if is_lost else ()
    assert objlib("recover", "--from-store", *library).returncode == 0
    done = objlib("sync", "--yes", "--max-delete", "100%")
    assert (done.returncode, documents(served)) == (1, 7), done.stdout + done.stderr
    assert "1 document of a newer state or a copy of this catalog: left alone" in done.stdout

    agreed = ("--apply", "--include-elsewhere", "--max-delete", "1")
    done = objlib("store-sync", *agreed)
    assert (done.returncode, documents(served)) == (0, 6), done.stdout + done.stderr
