"""Status, failures, history, files and metadata from a program: they ask the catalog alone."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from objlib import CatalogView, Library, NextStep, Remedy, open_view
from objlib.errors import CatalogError, ConfigurationError, Hint
from tests.conftest import write_library

R = TypeVar("R")


@pytest.fixture
def library(workplace: Path) -> Path:
    """Three files, one of which is empty."""
    root = workplace / "library"
    write_library(root, 2)
    (root / "empty.txt").touch()
    return root


def asked(
    root: Path,
    story: Callable[[Library], Awaitable[R]],
    monkeypatch: pytest.MonkeyPatch,
) -> R:
    """What a story returns that is told of a scanned library whose backend is out of order."""

    def connected(*_: object) -> None:
        raise AssertionError("connected to a backend")

    monkeypatch.setattr("objlib.backend.connected", connected)

    async def whole() -> R:
        async with Library.open(root) as library:
            await library.scan()
            return await story(library)

    return asyncio.run(whole())


def test_the_status_counts_and_says_what_to_do_next(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first upload all files wait, and no run, store or backend is known."""
    status = asked(library, lambda library: library.status(), monkeypatch)
    assert (status.library, status.store, status.last_run) == (str(library), None, None)
    assert status.files == status.states["untracked"]["files"] == 2
    assert (status.skipped_files, list(status.skipped.values())) == (1, [["empty.txt"]])
    assert status.next_step is NextStep.UPLOAD


def test_two_can_look_at_failures_at_once(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reads on in what it has gathered itself, and nothing of the first stays behind."""

    async def shown(library: Library, both: asyncio.Barrier) -> list[list[str]]:
        failures = await library.failures()
        await both.wait()
        names = []
        async for group in failures.groups():
            await both.wait()
            names += [page async for page in failures.pages(group)]
        return names

    async def story(library: Library) -> None:
        both = asyncio.Barrier(2)
        one, other = await asyncio.gather(shown(library, both), shown(library, both))
        assert one == other == [["empty.txt"]]

        earlier = await library.failures()
        ((await library.bound()).root / "void.txt").touch()
        await library.scan()
        later = await library.failures()
        async for group in earlier.groups():
            assert [page async for page in earlier.pages(group)] == [["empty.txt"]]
        async for group in later.groups():
            assert [page async for page in later.pages(group)] == [["empty.txt", "void.txt"]]

        del earlier, later
        gc.collect()
        await library.failures()
        [(tables,)] = await library.catalog.reader.fetch_all(
            "SELECT COUNT(*) FROM sqlite_temp_master WHERE name LIKE 'failing%'"
        )
        assert tables == 2

    asked(library, story, monkeypatch)


def test_failures_have_their_remedy_and_their_files(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A remedy is a value; the paths of a group come in pages."""

    async def story(library: Library) -> list[tuple[Remedy, list[str]]]:
        failures = await library.failures()
        assert failures.reasons == 1
        return [
            (group.remedy, [path async for page in failures.pages(group) for path in page])
            async for group in failures.groups()
        ]

    assert asked(library, story, monkeypatch) == [(Remedy.CHANGE_OR_IGNORE, ["empty.txt"])]


def test_files_come_in_pages(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page says where the next one begins, and the last one that it is the last."""

    async def story(library: Library) -> list[list[str]]:
        pages, after = [], None
        while True:
            page = await library.files(after=after, size=2)
            pages.append([file.file_path for file in page.files])
            if (after := page.next_after) is None:
                return pages

    first, second = asked(library, story, monkeypatch)
    on_disk = [path for path in library.rglob("*") if path.is_file()]
    assert [*first, *second] == sorted(path.relative_to(library).as_posix() for path in on_disk)
    assert (len(first), len(second)) == (2, 1)


def test_files_are_chosen_by_beginning_and_state(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Letters are taken as they are: a percent sign in a name is a percent sign."""
    (library / "a%b").mkdir()
    (library / "a%b" / "one.txt").write_text("One.")
    (library / "axb.txt").write_text("Another.")

    async def story(library: Library) -> tuple[list[str], int, int]:
        begun = await library.files(beginning="a%b")
        waiting = await library.files(state="untracked", beginning="a")
        return (
            [file.file_path for file in begun.files],
            len(waiting.files),
            len((await library.files(state="indexed")).files),
        )

    assert asked(library, story, monkeypatch) == (["a%b/one.txt"], 2, 0)


def test_a_history_belongs_to_a_file_named_in_either_way(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its path in the library, or on disk; a file that never moved has no moves."""

    async def story(library: Library) -> None:
        named = await library.history("empty.txt")
        assert named == await library.history(str(Path("library", "empty.txt").absolute()))
        assert (named.file, named.parts) == ("empty.txt", ())
        assert named.whole is not None
        assert named.whole.moves == ()

    asked(library, story, monkeypatch)


def test_a_file_that_is_not_there_is_named_with_near_ones(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a near one the error says that a scan records new files."""

    async def story(library: Library) -> None:
        with pytest.raises(ConfigurationError, match=r"did you mean 'empty\.txt'\?"):
            await library.history("empty.md")
        with pytest.raises(ConfigurationError, match="knows no file 'xyz'") as far:
            await library.history("xyz")
        assert far.value.hint is Hint.SCAN_NEW_FILES
        with pytest.raises(ConfigurationError, match=r"did you mean 'empty\.txt'\?"):
            await library.metadata("empty.md")

    asked(library, story, monkeypatch)


def test_metadata_say_where_they_come_from(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sidecar goes before front matter, and both before the path."""
    (library / "talk.md").write_text("---\nspeaker: Ada\nyear: 1962\n---\nHello.\n")
    (library / "talk.md.meta.toml").write_text("year = 1963\n")
    found = asked(library, lambda library: library.metadata("talk.md"), monkeypatch)
    assert {entry.key: (entry.value, entry.origin) for entry in found.entries}.items() >= {
        ("speaker", ("Ada", "front matter")),
        ("year", (1963, "sidecar")),
    }
    assert (found.parts, found.is_converted) == (1, False)


def test_a_closed_library_says_so(library: Path) -> None:
    """Looking at it is a call like any other."""

    async def story() -> None:
        async with Library.open(library) as opened:
            pass
        with pytest.raises(CatalogError, match="closed"):
            await opened.status()

    asyncio.run(story())


def test_a_view_needs_no_library_on_disk(library: Path) -> None:
    """The catalog answers while the disk is unmounted."""

    async def story() -> str | None:
        async with Library.open(library) as opened:
            await opened.scan()
            settings = opened.settings
        library.rename(library.with_name("elsewhere"))
        async with open_view(settings) as view:
            assert isinstance(view, CatalogView)
            return (await view.status()).library

    assert asyncio.run(story()) == str(library)


def test_a_folder_that_is_none_is_an_error_with_a_hint(workplace: Path) -> None:
    """The message names the folder; a front end says how another one is named."""

    async def story() -> None:
        with pytest.raises(ConfigurationError, match=r"nowhere is not a folder$") as refused:
            async with Library.open("nowhere"):
                pass
        assert refused.value.hint is Hint.CHECK_LIBRARY

    asyncio.run(story())
