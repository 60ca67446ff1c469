"""The common screens, word for word, as text to be reviewed like prose.

`make golden` rewrites them. Times, paths of this machine and numbers that differ from run to run
are masked; there is no colour, and no line is broken, as in a pipe.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from objlib.filestore import Fault, Kind
from tests.cli.servers import server
from tests.conftest import SHORT_WAITS, Cli, write_library

GOLDEN = Path(__file__).parent / "golden"
REWRITE = "OBJLIB_GOLDEN_REWRITE"

MASKS = [
    (r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", "TIME"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d \(just now\)", "TIME (just now)"),
    (r"the oldest proof of \d{4}-\d\d-\d\d", "the oldest proof of DAY"),
    (r"(?<=after )[\d.]+ s", "N s"),
    (r"(?<=in )[\d.]+ s, [\d,.]+ files/s", "N s, N files/s"),
    (r"(?<=in )[\d,]+ requests(?=; the estimate)", "N requests"),
    (r"fileSearchStores/[\w-]+/documents/[\w-]+", "DOCUMENT"),
    (r"(?<=files/)[a-z0-9]{20,}", "KEY"),
    (r"(?<=Library id: )\w+", "ID"),
    (r"http://127\.0\.0\.1:\d{2,}", "http://SERVER"),
]

Screen = Callable[..., str]


@pytest.fixture
def screen(cli: Cli, workplace: Path) -> Screen:
    """Run a command; what somebody sees: the prompt, what it says, and how it ends."""

    def show(line: str, *words: str) -> str:
        outcome = cli(*(words or line.split()))
        # On a terminal the two come together: which store, the result, and what went wrong.
        notices: list[str] = []
        complaints: list[str] = []
        for said in outcome.err.splitlines(keepends=True):
            (complaints if said.startswith("objlib: ") else notices).append(said)
        text = "".join([*notices, outcome.out, *complaints])
        for pattern, mask in [(re.escape(str(workplace)), "/home/ada"), *MASKS]:
            text = re.sub(pattern, mask, text)
        end = f"[exit code {outcome.exit_code}]\n" if outcome.exit_code else ""
        return f"$ objlib {line}\n{text}{end}\n"

    return show


def assert_golden(name: str, *screens: str) -> None:
    """The text is what was agreed upon; with `make golden` it is agreed upon now."""
    path = GOLDEN / f"{name}.txt"
    text = "".join(screens)
    if os.environ.get(REWRITE):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text("utf-8"), f"{path.name} differs; `make golden` rewrites it"


WEEK = "Course/Year 1/Week {} - On {}.txt"


def test_scan(screen: Screen, library: Path) -> None:
    """First, nothing changed, everything at once, and what cannot be uploaded."""
    first = screen("scan --library library")
    again = screen("scan")
    (library / WEEK.format(1, "arches")).write_text("This lecture is about vaults now.\n")
    (library / WEEK.format(2, "beeswax")).rename(library / "Wax.txt")
    (library / WEEK.format(3, "caesium")).unlink()
    (library / "New.txt").write_text("Something new.\n")
    (library / "empty.txt").touch()
    (library / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    (library / "New.txt.meta.toml").write_text("title = \n")
    assert_golden("scan", first, again, screen("scan"))


def test_upload(screen: Screen, library: Path) -> None:
    """What would be sent, some of it, the rest, and nothing."""
    screen("scan --library library")
    assert_golden(
        "fsm-upload",
        screen("fsm-upload --dry-run"),
        screen("fsm-upload --limit 2"),
        screen("fsm-upload"),
        screen("fsm-upload"),
    )


def test_upload_with_failures(
    screen: Screen, library: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are refused: the run, what status and failures say of it, and one's history."""
    (library / "empty.txt").touch()
    screen("scan --library library")
    refusal = Fault(Kind.ERROR, route="POST *:importFile", status=400, message="No.", times=2)
    with server(workplace / "served.db", refusal) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        assert_golden(
            "failures",
            screen("fsm-upload --concurrency 1"),
            screen("status"),
            screen("failures"),
            screen("history", "history", WEEK.format(1, "arches")).replace(
                "objlib history", f'objlib history "{WEEK.format(1, "arches")}"'
            ),
        )


def test_store_sync(screen: Screen, library: Path) -> None:
    """In step; with orphans, refused and carried out; and nothing left to do."""
    screen("scan --library library")
    screen("fsm-upload")
    clean = screen("store-sync")
    (library / WEEK.format(1, "arches")).unlink()
    screen("scan")
    assert_golden(
        "store-sync",
        clean,
        screen("store-sync"),
        screen("store-sync --apply"),
        screen("store-sync --apply --max-delete 1"),
        screen("store-sync --apply"),
    )


def test_sync(screen: Screen, library: Path) -> None:
    """The plan, the first round, one with a change and a deletion, and one with nothing to do."""
    planned = screen("sync --library library --dry-run")
    unasked = screen("sync")
    first = screen("sync --yes")
    (library / WEEK.format(1, "arches")).write_text("This lecture is about vaults now.\n")
    (library / WEEK.format(3, "caesium")).unlink()
    second = screen("sync --yes --max-delete 50%")
    assert_golden(
        "sync", planned, unasked, first, second, screen("sync"), screen("sync --yes --quiet")
    )


def test_status(screen: Screen, library: Path) -> None:
    """Before, in the middle, and in step."""
    screen("scan --library library")
    fresh = screen("status")
    screen("fsm-upload --limit 2")
    middle = screen("status")
    screen("sync --yes")
    screen("verify")
    assert_golden("status", fresh, middle, screen("status"))


def test_looking(screen: Screen, library: Path) -> None:
    """history, metadata, failures, verify of a library in step."""
    screen("sync --yes --library library")
    arches = WEEK.format(1, "arches")

    def of(command: str) -> str:
        return screen(f'{command} "{arches}"', command, arches)

    assert_golden(
        "looking",
        of("history"),
        of("metadata"),
        screen("failures"),
        screen("verify"),
        # Whose proof is oldest depends on which file was first in the store.
        re.sub(r"Week \d - On \w+", "Week N - On a subject", screen("verify --limit 1 -v")),
    )


def test_search(screen: Screen, library: Path) -> None:
    """Found, asked, and not found."""
    screen("sync --yes --library library")
    assert_golden(
        "search",
        screen("search arches --top-k 1"),
        screen("ask beeswax --top-k 1"),
        screen("search zymurgy"),
    )


def test_settings(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """`init`, a second time, and where values come from."""
    for name in SHORT_WAITS:
        monkeypatch.delenv(name)
    assert_golden("settings", screen("init"), screen("init"), screen("config show --store talks"))


def test_help(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first page and that of the everyday command."""
    monkeypatch.setenv("COLUMNS", "80")
    assert_golden("help", screen("--help"), screen("sync --help"))


def test_recovery(screen: Screen, library: Path, workplace: Path) -> None:
    """Nothing to recover, and a catalog that was lost."""
    screen("sync --yes --library library")
    nothing = screen("recover")
    (workplace / "data" / "library.db").unlink()
    assert_golden("recover", nothing, screen("recover --from-store --library library"))


def test_errors(screen: Screen, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line each."""
    lost = [screen(line) for line in ("status", "sync", "history x", "search x")]
    wrong = [screen(line) for line in ("scan --library nowhere", "scann", "fsm-upload --limit 0")]
    write_library(Path("library"), 6)
    screen("sync --yes --library library")
    bound = [screen(line) for line in ("search x --store talks", "history arches", "ask x --open")]
    monkeypatch.setenv("OBJLIB_BASE_URL", "http://127.0.0.1:9")
    other = [screen("store-sync")]
    unreachable = [screen("scan --db b.db --library library"), screen("fsm-upload --db b.db")]
    assert_golden("errors", *lost, *wrong, *bound, *other, *unreachable)
