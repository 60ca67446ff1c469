"""Keys and values of the metadata of indexed files."""

from __future__ import annotations

import asyncio
from pathlib import Path

from objlib import Library
from objlib.catalog.facets import Facet, count_indexed, facets_of, metadata_pages


def test_values_are_counted_over_indexed_files(tmp_path: Path) -> None:
    """Lists item by item, text and numbers apart; files that are not in the store do not count."""
    root = tmp_path / "library"
    (root / "Talks").mkdir(parents=True)
    for year in (1934, 1935):
        path = root / "Talks" / f"Talks - {year} - Bees.txt"
        path.write_text("Wax.")
        path.with_name(f"{path.name}.meta.toml").write_text('topics = ["wax", "1934"]\n')

    async def story() -> None:
        async with Library.open(root, db=tmp_path / "data" / "library.db") as library:
            await library.scan()
            assert await facets_of(library.catalog) == []
            await library.upload(limit=1)
            assert await count_indexed(library.catalog) == 1
            await library.upload()
            found = await facets_of(library.catalog)
            assert Facet("collection", "Talks", 2) in found
            assert Facet("year", 1934, 1) in found
            assert Facet("topics", "1934", 2) in found
            assert [one.key for one in found] == sorted(one.key for one in found)
            whole = [page async for page in metadata_pages(library.catalog)]
            assert [len(page) for page in whole] == [2]
            by_one = [page async for page in metadata_pages(library.catalog, 1)]
            assert [text for page in by_one for text in page] == whole[0]

    asyncio.run(story())
