"""A listing proves absence only when it is coherent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from objlib.documents.listing import EMPTY_PAGES_MAX, complete_pages
from objlib.errors import Transient
from objlib.filestore import Fault, Kind
from objlib.filestore.documents import delete_document
from objlib.gemini.resources import Document
from tests.upload.world import World, make_world

IMPORT = "POST *:importFile"

#: Rewrites the pages of documents that a server answers with.
Rewrite = Callable[[dict[str, str], dict[str, Any]], dict[str, Any] | None]


class Librarian(httpx2.AsyncBaseTransport):
    """Hands on every request; pages of documents are rewritten first."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self.rewrite: Rewrite = lambda _query, _page: None
        self.asked = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if request.method != "GET" or not request.url.path.endswith("/documents"):
            return response
        self.asked += 1
        page = json.loads(await response.aread())
        changed = self.rewrite(dict(request.url.params), page)
        return response if changed is None else httpx2.Response(200, json=changed)

    async def aclose(self) -> None:
        await self._inner.aclose()


def told(folder: Path, tell: Callable[[World, Librarian], Any], **how: Any) -> None:
    """Tell a story in a world of its own."""
    librarians: list[Librarian] = []

    def wrap(inner: httpx2.AsyncBaseTransport) -> httpx2.AsyncBaseTransport:
        librarians.append(Librarian(inner))
        return librarians[-1]

    async def story() -> None:
        async with make_world(folder, wrap=wrap, **how) as world:
            await tell(world, librarians[-1])

    asyncio.run(story())


async def listed(world: World) -> list[Document]:
    """Everything that a complete listing gives."""
    store = await world.client.get_store(world.store_name)
    return [one async for page in complete_pages(world.client, store) for one in page]


def test_a_whole_listing_gives_every_document(tmp_path: Path) -> None:
    """Three pages in order, each document once."""

    async def tell(world: World, librarian: Librarian) -> None:
        await world.upload()
        assert len({document.name for document in await listed(world)}) == 45
        assert librarian.asked == 3

    told(tmp_path, tell, files=45)


def test_a_page_that_comes_twice_proves_nothing(tmp_path: Path) -> None:
    """Page 2 repeats page 1: the number of documents is right, and one half was never shown."""

    async def tell(world: World, librarian: Librarian) -> None:
        await world.upload()
        first: dict[str, Any] = {}

        def repeat(query: dict[str, str], page: dict[str, Any]) -> dict[str, Any] | None:
            if "pageToken" not in query:
                first.update(page)
                return None
            return {"documents": first["documents"]}

        librarian.rewrite = repeat
        with pytest.raises(Transient, match=r"gave .* twice"):
            await listed(world)

    told(tmp_path, tell, files=40)


def test_tokens_that_go_round_in_circles_end_the_listing(tmp_path: Path) -> None:
    """A -> B -> A: three requests, not one after the other for ever."""

    async def tell(world: World, librarian: Librarian) -> None:
        await world.upload()

        def circle(query: dict[str, str], _page: dict[str, Any]) -> dict[str, Any]:
            return {"nextPageToken": "B" if query.get("pageToken") == "A" else "A"}

        librarian.rewrite = circle
        with pytest.raises(Transient, match="came twice"):
            await listed(world)
        assert librarian.asked == 3

    told(tmp_path, tell)


def test_empty_pages_without_end_end_the_listing(tmp_path: Path) -> None:
    """Each page is empty and names a new token."""

    async def tell(world: World, librarian: Librarian) -> None:
        await world.upload()

        def nothing(_query: dict[str, str], _page: dict[str, Any]) -> dict[str, Any]:
            return {"nextPageToken": f"t{librarian.asked}"}

        librarian.rewrite = nothing
        with pytest.raises(Transient, match="does not end"):
            await listed(world)
        assert librarian.asked == EMPTY_PAGES_MAX + 1

    told(tmp_path, tell)


def test_a_deletion_between_two_pages_proves_nothing(tmp_path: Path) -> None:
    """Tokens are offsets: what moves across the border of a page is not shown on either side."""

    async def tell(world: World, librarian: Librarian) -> None:
        await world.upload()
        documents = await world.documents()
        deleted = False

        def shifted(query: dict[str, str], page: dict[str, Any]) -> dict[str, Any] | None:
            nonlocal deleted
            if "pageToken" in query and not deleted:
                deleted = True
                name = documents[0].name.rpartition("/")[2]
                store_id = world.store_name.rpartition("/")[2]
                delete_document(world.store, store_id, name, force=True)
                return {**page, "documents": page["documents"][1:]}
            return None

        librarian.rewrite = shifted
        with pytest.raises(Transient, match="nothing was concluded"):
            await listed(world)

    told(tmp_path, tell, files=40)


@pytest.mark.parametrize("lie", ["repeated", "shifted"])
def test_an_import_in_doubt_is_not_repeated_on_a_listing_that_lies(
    tmp_path: Path, lie: str
) -> None:
    """The answer to an import is lost and the first listing hides its document: no second one."""

    async def tell(world: World, librarian: Librarian) -> None:
        await world.upload(limit=30)
        first: dict[str, Any] = {}
        lies = 0

        def hide(query: dict[str, str], page: dict[str, Any]) -> dict[str, Any] | None:
            nonlocal lies
            if "pageToken" not in query:
                first.update(page)
                return None
            lies += 1
            if lies > 1:
                return None
            if lie == "repeated":
                return {"documents": first["documents"][: len(page["documents"])]}
            return {"documents": page["documents"][:-1]}

        librarian.rewrite = hide
        await world.upload()
        assert world.count(":importFile") == 31
        names = [document.metadata["objlib_path"] for document in await world.documents()]
        assert len(names) == len(set(names)) == 31

    faults = [Fault(Kind.DROP_AFTER, route=IMPORT, after=30, times=1)]
    told(tmp_path, tell, files=31, faults=faults)
