"""store-sync: what each document is to the catalog, and what a repair does about it."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from objlib.catalog.queries import set_info
from objlib.documents.payload import KEY, LIBRARY, PATH
from objlib.errors import ConfigurationError, Transient
from objlib.filestore import Fault, Kind
from objlib.search.query import search
from objlib.sync.apply import Repair, RepairReport
from objlib.sync.classify import DocumentClass
from objlib.sync.listing import SyncReport, ghosts, missing, verdicts_of
from objlib.sync.plan import MaxDelete
from tests.upload.world import LIBRARY_ID, World, make_world

LISTING = "GET *documents"
EVERYTHING = MaxDelete(share=1.0)


def story(tmp_path: Path, tell: Callable[[World], Awaitable[None]], **options: object) -> None:
    """A world in which six files are indexed, and what happens then."""

    async def scenes() -> None:
        async with make_world(tmp_path, **options) as world:  # type: ignore[arg-type]
            await world.upload()
            await tell(world)

    asyncio.run(scenes())


async def add_document(world: World, name: str, **metadata: str) -> str:
    """A document that no row knows, of a time before the trail recorded keys."""
    await set_info(world.catalog, keys_recorded_since="9999-01-01T00:00:00+00:00")
    raw = await world.client.upload_file(
        io.BytesIO(b"A text about something else."), name=name, mime_type="text/plain"
    )
    operation = await world.client.import_file(
        world.store_name, file_name=raw.name, metadata=metadata
    )
    return operation.name.replace("/operations/", "/documents/")


async def mend(
    world: World, max_delete: MaxDelete = EVERYTHING, *, accept_device: bool = False, **options: Any
) -> RepairReport:
    """Survey and repair."""
    repair = Repair(
        world.catalog,
        world.client,
        await world.survey(),
        root=world.root,
        waits=world.waits,
        **options,
    )
    await repair.check(max_delete, accept_device=accept_device)
    return await repair.carry_out()


def counts(report: SyncReport) -> dict[str, int]:
    """The classes that occur, by name."""
    return {kind.name: number for kind, number in report.documents.items() if number}


def test_a_store_that_holds_what_the_catalog_says_is_clean(tmp_path: Path) -> None:
    """Six files, six canonical documents, nothing to repair."""

    async def tell(world: World) -> None:
        report = await world.survey()
        assert counts(report) == {"CANONICAL": 6}
        assert report.is_clean
        assert await mend(world) == RepairReport()

    story(tmp_path, tell)


def test_what_objlib_did_not_make_is_foreign_and_stays(tmp_path: Path) -> None:
    """Documents without a key and documents of other libraries are reported and never deleted."""

    async def tell(world: World) -> None:
        await add_document(world, "handmade")
        await add_document(world, "theirs", **{KEY: "k", LIBRARY: "another", PATH: "a.txt"})
        report = await world.survey()
        assert counts(report) == {"CANONICAL": 6, "FOREIGN": 2}
        assert report.is_clean
        await mend(world)
        assert len(await world.documents()) == 8

    story(tmp_path, tell)


def test_a_second_document_for_the_same_key_is_a_duplicate_and_goes(tmp_path: Path) -> None:
    """The one the row points at stays."""

    async def tell(world: World) -> None:
        (key, path, kept), *_ = await world.catalog.fetch_all(
            "SELECT upload_key, file_path, gemini_store_doc_id FROM files ORDER BY file_path"
        )
        await add_document(world, "again", **{KEY: key, LIBRARY: LIBRARY_ID, PATH: path})
        assert counts(await world.survey()) == {"CANONICAL": 6, "DUPLICATE": 1}
        assert (await mend(world)).deleted == 1
        assert kept in {document.name for document in await world.documents()}
        assert counts(await world.survey()) == {"CANONICAL": 6}

    story(tmp_path, tell)


def test_a_document_of_an_older_version_is_an_orphan_and_goes(tmp_path: Path) -> None:
    """It carries our library and a path we know, but a key no row has."""

    async def tell(world: World) -> None:
        path = "Course/Year 1/Week 1 - On arches.txt"
        await add_document(world, "older", **{KEY: "old", LIBRARY: LIBRARY_ID, PATH: path})
        assert counts(await world.survey()) == {"CANONICAL": 6, "ORPHAN": 1}
        await mend(world)
        assert counts(await world.survey()) == {"CANONICAL": 6}

    story(tmp_path, tell)


def test_a_document_deleted_behind_our_back_is_a_ghost_and_comes_again(tmp_path: Path) -> None:
    """Its row goes back to untracked, and the next upload brings the document back."""

    async def tell(world: World) -> None:
        gone = (await world.documents())[2]
        await world.client.delete_document(gone.name)
        report = await world.survey()
        assert (report.ghosts, counts(report)) == (1, {"CANONICAL": 5})
        assert not report.is_clean
        named = [row.gemini_store_doc_id async for row in ghosts(report.verdicts)]
        assert named == [gone.name]
        assert (await mend(world)).sent_round_again == 1
        assert await world.states() == {"indexed": 5, "untracked": 1}
        await world.upload()
        assert counts(await world.survey()) == {"CANONICAL": 6}

    story(tmp_path, tell)


def test_an_indexed_document_that_turned_failed_is_replaced(tmp_path: Path) -> None:
    """The broken one is kept until the new one is active, and then goes."""

    async def tell(world: World) -> None:
        with world.store.transaction():
            world.store.all("UPDATE documents SET is_failed = 1 WHERE position = 1")
        report = await world.survey()
        assert counts(report) == {"CANONICAL": 5, "BROKEN": 1}
        assert report.ghosts == 1
        await mend(world)
        await world.upload()
        assert counts(await world.survey()) == {"CANONICAL": 6}
        assert len(await world.documents()) == 6

    story(tmp_path, tell)


def test_documents_of_files_in_flight_are_left_alone(tmp_path: Path) -> None:
    """A repair beside a running upload deletes nothing of it."""

    async def tell(world: World) -> None:
        path = next(world.root.rglob("*arches*"))
        path.write_text("Another text.")
        await world.scan()
        (before,) = [d for d in await world.documents() if "arches" in str(d.metadata[PATH])]
        report = await world.survey()
        assert counts(report) == {"CANONICAL": 5, "IN_FLIGHT": 1}
        assert report.missing == 1
        await mend(world)
        assert before.name in {document.name for document in await world.documents()}

    story(tmp_path, tell)


class FirstPageOnly(httpx2.AsyncBaseTransport):
    """Listings of documents end after their first page, with nothing wrong to be seen."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if not request.url.path.endswith("/documents"):
            return response
        page = json.loads(await response.aread())
        page.pop("nextPageToken", None)
        return httpx2.Response(200, json=page)


def test_a_listing_that_ends_early_proves_nothing(tmp_path: Path) -> None:
    """Twenty of thirty documents listed: an error, not ten ghosts."""

    async def tell(world: World) -> None:
        with pytest.raises(Transient, match="nothing was concluded"):
            await world.survey()
        assert await world.states() == {"indexed": 30}

    story(tmp_path, tell, files=30, wrap=FirstPageOnly)


def test_an_empty_page_in_the_middle_is_not_the_end(tmp_path: Path) -> None:
    """What comes after it is listed all the same."""

    async def tell(world: World) -> None:
        assert counts(await world.survey()) == {"CANONICAL": 30}

    story(tmp_path, tell, files=30, faults=[Fault(Kind.EMPTY_PAGE, route=LISTING, times=1)])


def test_a_listing_that_does_not_advance_is_given_up(tmp_path: Path) -> None:
    """Empty pages for ever are an error, not a command that never ends."""

    async def tell(world: World) -> None:
        with pytest.raises(Transient, match="does not advance"):
            await world.survey()

    story(tmp_path, tell, faults=[Fault(Kind.EMPTY_PAGE, route=LISTING)])


def test_more_orphans_than_allowed_stop_the_repair_before_it_begins(tmp_path: Path) -> None:
    """Not even the ghosts are touched."""

    async def tell(world: World) -> None:
        for number, path in enumerate(sorted(world.root.rglob("*.txt"))):
            if number < 3:
                path.unlink()
        await world.scan()
        with pytest.raises(ConfigurationError, match="nothing was deleted"):
            await mend(world, MaxDelete(count=2))
        assert len(await world.documents()) == 6
        assert (await mend(world, MaxDelete(count=3))).deleted == 3
        assert counts(await world.survey()) == {"CANONICAL": 3}

    story(tmp_path, tell)


def test_a_deleted_file_that_comes_back_is_uploaded_again(tmp_path: Path) -> None:
    """After its document is gone the row starts over."""

    async def tell(world: World) -> None:
        path = next(world.root.rglob("*arches*"))
        text = path.read_text()
        path.unlink()
        await world.scan()
        await mend(world)
        path.write_text(text)
        await world.scan()
        await world.upload()
        assert counts(await world.survey()) == {"CANONICAL": 6}

    story(tmp_path, tell)


def test_every_document_and_every_missing_file_has_its_line(tmp_path: Path) -> None:
    """What a report is written from covers all documents once and all rows not in the store."""

    async def tell(world: World) -> None:
        await add_document(world, "handmade")
        (world.root / "new.txt").write_text("A new text.")
        await world.scan()
        found = (await world.survey()).verdicts
        signs = [verdict.document_class async for verdict in verdicts_of(found)]
        assert sorted(sign.value for sign in signs) == ["=", "=", "=", "=", "=", "=", "?"]
        assert [row.file_path async for row in missing(found)] == ["new.txt"]
        only = [v async for v in verdicts_of(found, DocumentClass.FOREIGN)]
        assert [verdict.reason for verdict in only] == ["objlib did not make it"]

    story(tmp_path, tell)


def test_a_passage_of_a_foreign_document_is_cited_as_such(tmp_path: Path) -> None:
    """It has no path, and is not passed off as a file of ours."""

    async def tell(world: World) -> None:
        await add_document(world, "handmade")
        result = await search(
            world.client,
            world.catalog,
            store_name=world.store_name,
            query="something else",
            model="gemini-3.5-flash",
            library_id=LIBRARY_ID,
        )
        assert [(c.path, c.title) for c in result.citations if c.path is None] == [
            (None, "handmade")
        ]

    story(tmp_path, tell)


@pytest.mark.parametrize(
    ("text", "deletions", "documents", "allowed"),
    [
        ("10%", 1, 3, True),  # one always may, or a small store could never lose a file
        ("10%", 2, 3, False),
        ("10%", 10, 100, True),
        ("10%", 11, 100, False),
        ("0%", 1, 100, True),
        ("0", 1, 100, False),
        ("5", 5, 6, True),
        ("5", 6, 6, False),
    ],
)
def test_how_much_a_repair_may_delete(
    text: str, deletions: int, documents: int, allowed: bool
) -> None:
    """A count is taken literally, a share is of all documents."""
    assert MaxDelete.parse(text).allows(deletions, documents) is allowed


@pytest.mark.parametrize("kind", [Kind.ERROR, Kind.DROP_BEFORE, Kind.TRUNCATED_BODY])
def test_one_bad_page_does_not_begin_the_listing_anew(tmp_path: Path, kind: Kind) -> None:
    """It is asked for again: of a hundred pages one is always bad."""
    bad = Fault(kind, route=LISTING, after=1, times=2)

    async def tell(world: World) -> None:
        for number in range(50):
            await add_document(world, f"foreign{number}")
        report = await world.survey()
        assert sum(counts(report).values()) == 56
        assert world.count("/documents") == 3 + 2

    story(tmp_path, tell, faults=[bad])
