"""A store that is gone: one line, one command that works, nothing sent twice; real processes."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from objlib.errors import ConfigurationError, Hint, StoreNotFound
from objlib.filestore import Fault, Kind
from objlib.service.library import Library
from tests.cli.servers import server
from tests.conftest import Cli, Query, second_machine, states

DB = Path("data") / "library.db"
HINT = "`objlib sync --new-store` uploads the files into a new one, after a plan with its price"
EXACTLY = "The store holds exactly what the library does"
NAMED = """
    SELECT COUNT(*) FROM files, catalog_info WHERE key = 'store_name'
    AND (instr(gemini_store_doc_id, value || '/') <> 1 OR superseded_doc_id IS NOT NULL)"""


@pytest.fixture
def served(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server in a process of its own, in use by every command; its database."""
    slow = Fault(Kind.LATENCY, seconds=0.01)
    with server(workplace / "served.db", slow, indexing_delay_s=0.01) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        yield workplace / "served.db"


def documents(store: Path) -> int:
    """Count the documents in the server's own database, of all stores."""
    with closing(sqlite3.connect(store)) as connection:
        (number,) = connection.execute("SELECT COUNT(*) FROM documents").fetchone()
    return int(number)


def stores(store: Path) -> int:
    """Count the stores in the server's own database."""
    with closing(sqlite3.connect(store)) as connection:
        (number,) = connection.execute("SELECT COUNT(*) FROM stores").fetchone()
    return int(number)


def call(method: str, path: str, body: object = None) -> None:
    """One request to the server, by plain HTTP."""
    request = urllib.request.Request(
        f"{os.environ['OBJLIB_BASE_URL']}/v1beta/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "x-goog-api-key": "any"},
    )
    with urllib.request.urlopen(request) as answer:
        answer.read()


def bound_store() -> str:
    """The store that the catalog is bound to."""
    with closing(sqlite3.connect(DB)) as catalog:
        query = "SELECT value FROM catalog_info WHERE key = 'store_name'"
        return str(catalog.execute(query).fetchone()[0])


def delete_the_store() -> None:
    call("DELETE", f"{bound_store()}?force=true")


def delete_it_and_make_it_anew() -> None:
    delete_the_store()
    call("POST", "fileSearchStores", {"displayName": "objectivism-library"})


@pytest.fixture
def synced(cli: Cli, served: Path, library: Path) -> Path:
    """Six files in the store."""
    assert cli("sync", "--library", "library", "--yes").exit_code == 0
    assert documents(served) == 6
    return library


def trail(rows: Query, reason: str) -> int:
    """Count the moves with a reason."""
    return int(rows(f"SELECT COUNT(*) FROM transitions WHERE reason = '{reason}'")[0][0])


@pytest.mark.parametrize(
    ("lose", "command"),
    [(delete_the_store, "sync"), (delete_it_and_make_it_anew, "fsm-upload")],
)
def test_the_command_that_is_named_uploads_everything_once(
    cli: Cli, synced: Path, served: Path, rows: Query, lose: object, command: str
) -> None:
    """Plan and price first, consent, a new store with each file once; then all is as before."""
    assert callable(lose)
    lose()
    lost = cli("sync", "--yes")
    assert (lost.exit_code, lost.err.splitlines()[-1].count(HINT)) == (2, 1)

    done = cli(command, "--new-store", "--yes")

    assert done.exit_code == 0, done.err
    assert "To upload into a new store: 6 files" in done.out
    assert "6  once more: interrupted, or gone from the store" in done.out
    assert "At Gemini that takes at least" in done.out
    assert (documents(served), stores(served)) == (6, 1)
    assert rows(NAMED) == [(0,)]
    assert trail(rows, "its store is gone") == 6
    again = cli("sync", "--yes")
    assert (again.exit_code, documents(served)) == (0, 6), again.out
    assert EXACTLY in again.out


ASKING = """sync --yes
fsm-upload
store-sync
store-sync --apply
verify
search gravity
ask gravity
recover
recover --from-store"""


def test_every_command_that_asks_the_store_names_the_way_on(
    cli: Cli, synced: Path, rows: Query
) -> None:
    """One line, exit code 2, and no row is touched."""
    delete_the_store()
    before = rows("SELECT * FROM files")
    for command in ASKING.splitlines():
        done = cli(*command.split())
        first, *others = done.err.splitlines()
        assert first.startswith("Store: "), command
        (line,) = others
        assert line.startswith("objlib: the store 'objectivism-library' (fileSearchStores/")
        assert line.endswith(f"that this catalog belongs to is gone from the backend; {HINT}")
        assert (done.exit_code, rows("SELECT * FROM files")) == (2, before)


def test_without_consent_nothing_changes(cli: Cli, synced: Path, served: Path, rows: Query) -> None:
    """A look, and a call with nobody to ask: no store is made, no row is moved."""
    delete_the_store()
    facts = "SELECT key, value FROM catalog_info ORDER BY key"
    before = rows("SELECT * FROM files"), rows(facts)
    for command in ("sync", "fsm-upload"):
        looked = cli(command, "--new-store", "--dry-run", "--json")
        assert looked.exit_code == 0, looked.err
        plan = looked.json.get("plan", looked.json)
        assert (plan["files"], plan["reasons"]) == (6, {"again": 6})
        asked = cli(command, "--new-store")
        assert asked.exit_code == 2
        assert "To upload into a new store: 6 files" in asked.out
        assert asked.err.splitlines()[-1].endswith("say --yes to go on, or --dry-run to look")
        assert stores(served) == 0
        assert (rows("SELECT * FROM files"), rows(facts)) == before


def test_a_store_that_is_there_is_kept(cli: Cli, synced: Path, served: Path) -> None:
    """Nothing is gone, so nothing is sent again."""
    for command in ("sync", "fsm-upload", "fsm-upload --dry-run"):
        done = cli(*command.split(), "--new-store", "--yes")
        line = done.err.splitlines()[-1]
        assert line.startswith("objlib: the store 'objectivism-library' (")
        assert line.endswith("is there, so no new one takes its place; leave out --new-store")
        assert (done.exit_code, documents(served)) == (2, 6)


def test_a_catalog_without_a_store_has_lost_none(cli: Cli, served: Path, library: Path) -> None:
    """--new-store is no way to begin with, and no way to watch."""
    done = cli("sync", "--library", "library", "--new-store", "--yes")
    assert done.exit_code == 2
    assert "belongs to no store yet, so none is gone; leave out --new-store" in done.err
    watching = cli("sync", "--library", "library", "--new-store", "--watch", "--yes")
    assert watching.exit_code == 2
    assert "--new-store and --watch exclude each other" in watching.err


#: `objlib` with the arguments given, killed before the nth call of a method of the state manager.
_DIES_WITHIN = """
import os, signal, sys
from objlib.cli.main import main
from objlib.service import stores
from objlib.upload.state import AsyncUploadStateManager

name, limit = sys.argv[1], int(sys.argv[2])
place = stores if hasattr(stores, name) else AsyncUploadStateManager
original, calls = getattr(place, name), [0]

async def counted(*arguments, **options):
    calls[0] += 1
    if calls[0] == limit:
        os.kill(os.getpid(), signal.SIGKILL)
    return await original(*arguments, **options)

setattr(place, name, counted)
main(sys.argv[3:])
"""


def killed_within(method: str, call_number: int, *command: str) -> None:
    """Run `objlib` in a process of its own, which dies before the nth call of a method."""
    program = [sys.executable, "-c", _DIES_WITHIN, method, str(call_number), *command]
    died = subprocess.run(program, check=False, capture_output=True)
    assert died.returncode == -9, died.stderr


@pytest.mark.parametrize(
    ("method", "call_number", "next_command"),
    [
        ("leave_gone_store", 1, "store-sync --apply"),
        ("invalidate", 1, "fsm-upload"),
        ("invalidate", 4, "sync --yes"),
        ("forget_names", 1, "store-sync"),
        ("begin_upload", 2, "recover"),
        ("upload_confirmed", 1, "fsm-upload"),
        ("import_confirmed", 3, "search gravity"),
    ],
)
def test_killed_within_it_is_gone_on_with_by_whatever_runs_next(
    cli: Cli,
    synced: Path,
    served: Path,
    rows: Query,
    method: str,
    call_number: int,
    next_command: str,
) -> None:
    """At any instant, and beside a file that was edited: each file is in the new store once."""
    min(synced.rglob("Week*.txt")).write_text("This lecture is about something else by now.\n")
    assert cli("scan").exit_code == 0
    delete_the_store()
    killed_within(method, call_number, "sync", "--new-store", "--yes")
    assert cli(*next_command.split()).exit_code in (0, 1)
    assert trail(rows, "its store is gone") == 5

    done = cli("sync", "--yes")

    assert done.exit_code == 0, done.out + done.err
    assert EXACTLY in done.out
    assert (documents(served), stores(served)) == (6, 1)
    assert states(rows) == {"indexed": 6}
    assert rows(NAMED) == [(0,)]
    assert rows("SELECT * FROM catalog_info WHERE key = 'store_exchanged_after'") == []
    assert trail(rows, "its store is gone") == 5


def test_killed_before_the_exchange_nothing_has_begun(cli: Cli, synced: Path, served: Path) -> None:
    """The store that was made for it is found by its name, and there is no second one."""
    delete_the_store()
    killed_within("exchange_store", 1, "sync", "--new-store", "--yes")
    assert HINT in cli("sync", "--yes").err
    done = cli("sync", "--new-store", "--yes")
    assert (done.exit_code, documents(served), stores(served)) == (0, 6, 1), done.err


def test_killed_before_its_end_the_same_command_goes_on_too(
    cli: Cli, synced: Path, served: Path
) -> None:
    """As long as rows tell of the gone store, --new-store means the one that was begun."""
    delete_the_store()
    command = ("sync", "--new-store", "--yes")
    killed_within("invalidate", 3, *command)
    done = cli(*command)
    assert (done.exit_code, documents(served), stores(served)) == (0, 6, 1), done.err


def test_two_at_once_make_one_store(cli: Cli, synced: Path, served: Path, rows: Query) -> None:
    """They share the files; the one that comes too late is told so, or helps."""
    delete_the_store()
    command = [sys.executable, "-m", "objlib", "fsm-upload", "--new-store", "--yes"]
    pair = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in pair:
        _, said = process.communicate()
        assert process.returncode == 0 or "is there, so no new one takes its place" in said
    done = cli("sync", "--yes")
    assert (done.exit_code, documents(served), stores(served)) == (0, 6, 1), done.out
    assert trail(rows, "its store is gone") == 6


def test_a_copy_of_the_catalog_sends_nothing_again(
    cli: Cli, synced: Path, served: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine was faster: what it has sent into the new store is adopted."""
    second = second_machine(workplace, synced)
    delete_the_store()
    assert cli("sync", "--new-store", "--yes").exit_code == 0

    monkeypatch.chdir(second)
    done = cli("sync", "--new-store", "--yes")

    assert (done.exit_code, documents(served), stores(served)) == (0, 6, 1), done.err
    assert EXACTLY in done.out


def test_a_program_may_ask_for_it(synced: Path, served: Path) -> None:
    """A keyword of `plan`, `upload` and `plan_sync`; the error has a hint for it."""

    async def run() -> None:
        async with Library.open("library") as library:
            with pytest.raises(ConfigurationError) as there:
                await library.plan(new_store=True)
            assert there.value.hint is Hint.LEAVE_OUT_NEW_STORE
            delete_the_store()
            with pytest.raises(StoreNotFound) as gone:
                await library.upload()
            assert gone.value.hint is Hint.UPLOAD_INTO_NEW_STORE
            assert (await library.plan(new_store=True)).reasons == {"again": 6}
            planned = [file.reason async for file in library.planned_files()]
            assert planned == []
            assert (await library.upload(new_store=True, limit=2)).indexed == 2
            assert (await library.upload()).indexed == 4
            delete_the_store()
            plan = await library.plan_sync(new_store=True)
            assert (plan.work.files, plan.leaving) == (6, 0)
            outcome = await library.sync(plan)
            assert outcome.is_clean

    asyncio.run(run())
    assert (documents(served), stores(served)) == (6, 1)


#: The program deletes the store before the nth call of a method, as somebody else may.
_DELETES_WITHIN = """
import asyncio, os, sys, urllib.request
from objlib.cli.main import main
from objlib.gemini.client import FileSearchClient

name, store = sys.argv[1], sys.argv[2]
original = getattr(FileSearchClient, name)

def delete():
    if sys.argv[2]:
        address = f"{os.environ['OBJLIB_BASE_URL']}/v1beta/{store}?force=true"
        headers = {"x-goog-api-key": "any"}
        urllib.request.urlopen(urllib.request.Request(address, method="DELETE", headers=headers))
        sys.argv[2] = ""

def deleting(*arguments, **options):
    delete()
    return original(*arguments, **options)

setattr(FileSearchClient, name, deleting)
sys.exit(main(sys.argv[3:]))
"""


@pytest.mark.parametrize(
    ("method", "command"),
    [
        ("document_pages", "sync --yes"),
        ("document_pages", "store-sync"),
        ("generate", "search gravity"),
        ("generate", "verify"),
        ("import_file", "fsm-upload"),
        ("get_document", "fsm-upload"),
    ],
)
def test_a_store_that_goes_while_it_is_in_use_is_named_too(
    cli: Cli, synced: Path, served: Path, rows: Query, method: str, command: str
) -> None:
    """One line, exit code 3, and the way on; no file has failed, and the way works."""
    (synced / "On yeast.txt").write_text("This is all about yeast.\n")
    assert cli("scan").exit_code == 0
    program = [sys.executable, "-c", _DELETES_WITHIN, method, bound_store(), *command.split()]
    done = subprocess.run(program, check=False, capture_output=True, text=True)
    line = done.stderr.splitlines()[-1]
    assert line.startswith("objlib: ") and line.endswith(f" is gone; {HINT}"), done.stderr
    assert done.returncode == 3
    assert "failed" not in states(rows)
    assert cli("sync", "--new-store", "--yes").exit_code == 0
    assert (documents(served), stores(served), states(rows)) == (7, 1, {"indexed": 7})
