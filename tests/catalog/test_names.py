"""The names that files go by: counted, and kept beside a large catalog."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from objlib import Library
from objlib.catalog import names
from objlib.catalog.facets import Value
from objlib.catalog.names import made_of, names_of

FILES = [{"year": 1934, "topics": ["wax", "1934"]}, {"year": 1935, "topics": ["wax"]}]


@pytest.mark.parametrize(
    ("wanted", "files"),
    [
        ({"year": [1934]}, 1),
        ({"year": [1934, 1935]}, 2),
        ({"year": [1934], "topics": ["wax"]}, 1),
        ({"year": [1934], "topics": ["bread"]}, 0),
        ({"year": ["1934"]}, 0),
        ({}, 0),
    ],
)
def test_files_are_counted_by_what_they_have(wanted: dict[str, list[Value]], files: int) -> None:
    """One of the values for each key; text and numbers apart."""
    found = made_of(":memory:", [[json.dumps(one)] for one in FILES])
    assert found.indexed == 2
    assert found.count(wanted) == files


def test_odd_metadata_has_no_names() -> None:
    """Keys that no filter can hold, half characters, truth values, numbers without end."""
    odd = {"a b": "x", "half": "\ud800", "is": True, "huge": 10**30, "no": None, "in": {"a": 1}}
    found = made_of(":memory:", [[json.dumps({**odd, "year": 1.0, "good": "Größe\n"})]])
    assert found.db.execute("SELECT key FROM facts").fetchall() == [("good",), ("year",)]


def test_a_large_catalog_keeps_its_names_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read again while nothing changed, made anew when something did, or when damaged."""
    root, kept = tmp_path / "library", tmp_path / "data" / "library.db.names"
    root.mkdir()
    (root / "Talks - 1934 - Bees.txt").write_text("Wax melts.")
    monkeypatch.setattr(names, "KEPT_FROM", 1)
    monkeypatch.setattr(names, "_USED_FOR", 0)

    async def count(library: Library, year: int) -> int:
        found = await names_of(library.catalog, kept)
        try:
            return found.count({"year": [year]})
        finally:
            found.db.close()

    async def story() -> None:
        async with Library.open(root, db=tmp_path / "data" / "library.db") as library:
            await library.scan()
            await library.upload()
            assert [one.path for one in (await library.search("1934 wax")).citations]
            assert kept.exists()
            before = kept.stat().st_ino
            assert await count(library, 1934) == 1
            assert kept.stat().st_ino == before
            (root / "Talks - 1935 - Bread.txt").write_text("Bread rises.")
            await library.scan()
            await library.upload()
            assert await count(library, 1935) == 1
            for damage in (b"", b"SQLite format 3\0 or not", b"x" * 5_000):
                kept.write_bytes(damage)
                assert await count(library, 1935) == 1
            sqlite3.connect(kept).execute("UPDATE info SET version = 99").connection.commit()
            assert await count(library, 1935) == 1
            kept.unlink()
            kept.mkdir()  # nothing can be written there: the names are not kept, but known
            assert await count(library, 1935) == 1
            assert [path.name for path in kept.parent.glob("library.db.names?*")] == []

    asyncio.run(story())
