"""Files by folder, state and metadata: in pages that end, and counted."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from objlib.catalog import selections
from objlib.catalog.opening import open_catalog
from objlib.catalog.protocol import Catalog
from objlib.catalog.selections import SKIPPED, Selection, page_of, tallied, values_of

T = TypeVar("T")

#: Path, state, reason to be skipped, metadata.
ROWS: list[tuple[str, str, str | None, dict[str, object]]] = [
    (
        f"{folder}/{number:02}.txt" if folder else f"{number:02}.txt",
        "indexed" if number % 3 else "untracked",
        "empty" if number % 7 == 0 else None,
        {
            "title": f"Text {folder} {number}",
            "year": 1900 + number % 4,
            "topics": ["wax", "größe"] if number % 2 else ["wax"],
            "odd \"key'": "a 'value' with \"quotes\"",
        },
    )
    for folder in ("", "Essays", "Essays/Late", "Talks 1", "Talks 10")
    for number in range(20)
]


def look(tmp_path: Path, story: Callable[[Catalog], Awaitable[T]]) -> T:
    """Open a catalog of `ROWS`, and ask it."""

    async def opened() -> T:
        async with await open_catalog(tmp_path / "library.db", create=True) as catalog:
            async with catalog.transaction():
                await catalog.execute_many(
                    "INSERT INTO files (file_path, filename, skip_reason, metadata_json,"
                    " created_at, updated_at) VALUES (?, 'x', ?, ?, '', '')",
                    [
                        (path, reason, json.dumps(metadata, ensure_ascii=False))
                        for path, _, reason, metadata in ROWS
                    ],
                )
                for state in ("uploading", "processing", "indexed"):
                    await catalog.execute_many(
                        "UPDATE files SET gemini_state = ?, version = version + 1"
                        " WHERE file_path = ?",
                        [(state, path) for path, wanted, _, _ in ROWS if wanted == "indexed"],
                    )
            return await story(catalog)

    return asyncio.run(opened())


def expected(beginning: str, state: str | None, said: Sequence[str]) -> list[str]:
    """The same files by plain Python."""

    def has(metadata: dict[str, object], key: str, values: list[str]) -> bool:
        value = metadata.get(key)
        return any(str(one) in values for one in (value if isinstance(value, list) else [value]))

    by_key: dict[str, list[str]] = {}
    for one in said:
        key, _, value = one.partition(":")
        by_key.setdefault(key, []).append(value)
    return sorted(
        path
        for path, is_in, reason, metadata in ROWS
        if path.startswith(beginning)
        and (
            state is None
            or (reason is not None if state == SKIPPED else reason is None and is_in == state)
        )
        and all(has(metadata, key, values) for key, values in by_key.items())
    )


SELECTIONS: list[tuple[str, str | None, list[str]]] = [
    ("", None, []),
    ("Essays/", None, []),
    ("Talks 1/", "indexed", []),
    ("", SKIPPED, []),
    ("", "failed", []),
    ("", None, ["year:1901"]),
    ("", None, ["year:1901", "year:1902"]),
    ("Essays/", "indexed", ["year:1901", "topics:größe"]),
    ("", None, ["topics:nothing"]),
    ("", None, ["topics:wa"]),
    ("", None, ["odd \"key':a 'value' with \"quotes\""]),
    ("", None, ["year:%", "topics:wax"]),
]


@pytest.fixture(params=[(100, 5), (3, 2), (1, 1)], ids=["whole", "in steps", "row by row"])
def steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Rows of a step, and steps of a page."""
    monkeypatch.setattr(selections, "_STEP", request.param[0])
    monkeypatch.setattr(selections, "_STEPS", request.param[1])
    yield


@pytest.mark.parametrize(("beginning", "state", "said"), SELECTIONS)
@pytest.mark.usefixtures("steps")
def test_pages_have_each_selected_file_once(
    tmp_path: Path, beginning: str, state: str | None, said: list[str]
) -> None:
    """However few rows a page looks at, it goes on, and all pages together are all files."""

    async def story(catalog: Catalog) -> list[str]:
        found: list[str] = []
        after: str | None = None
        selection = Selection.of(beginning, state, said)
        while True:
            rows, following = await page_of(catalog, selection, after, 7)
            assert len(rows) <= 7
            found += [row.file_path for row in rows]
            if following is None:
                return found
            assert following > (after or "")
            after = following

    assert look(tmp_path, story) == expected(beginning, state, said)


@pytest.mark.parametrize(("beginning", "state", "said"), SELECTIONS)
def test_counts_are_those_of_the_files(
    tmp_path: Path, beginning: str, state: str | None, said: list[str]
) -> None:
    """By state, whatever state is selected; by folder right below; by value."""
    selection = Selection.of(beginning, state, said)
    counts = look(tmp_path, lambda catalog: tallied(catalog, selection, 500))

    for one in ("indexed", "untracked", SKIPPED):
        assert counts.states.get(one, 0) == len(expected(beginning, one, said)), one
    rest = [path[len(beginning) :] for path in expected(beginning, state, said)]
    folders = Counter(one.partition("/")[0] for one in rest if "/" in one)
    assert counts.folders == {f"{beginning}{name}/": files for name, files in folders.items()}


def test_values_of_a_key_are_counted_as_if_none_of_them_were_selected(tmp_path: Path) -> None:
    """So that another one can be chosen; those of other keys are counted among what is selected."""
    selection = Selection.of("", None, ["year:1901", "topics:größe"])
    values = look(tmp_path, lambda catalog: values_of(catalog, selection))

    years = {str(one.value): one.files for one in values["year"].named}
    assert years == {
        year: len(expected("", None, [f"year:{year}", "topics:größe"])) for year in ("1901", "1903")
    }
    topics = {one.value: one.files for one in values["topics"].named}
    assert topics["größe"] == len(expected("", None, ["year:1901", "topics:größe"]))
    assert topics["wax"] == len(expected("", None, ["year:1901", "topics:wax"]))


def test_titles_are_not_counted(tmp_path: Path) -> None:
    """A key whose values set the files apart is nothing to choose by."""
    values = look(tmp_path, lambda catalog: values_of(catalog, Selection()))
    assert "title" not in values and "year" in values


def test_broken_metadata_is_no_value(tmp_path: Path) -> None:
    """Catalogs of others may hold anything there; it is passed over."""

    async def story(catalog: Catalog) -> tuple[int, set[str]]:
        async with catalog.transaction():
            await catalog.execute("UPDATE files SET metadata_json = '{year' WHERE file_path < 'T'")
        rows, _ = await page_of(catalog, Selection.of("", None, ["year:1901"]), None, 100)
        return len(rows), set(await values_of(catalog, Selection()))

    files, keys = look(tmp_path, story)
    assert files == 10
    assert "year" in keys
