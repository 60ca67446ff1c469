"""The tools that look, by the SDK's own client over streams in memory."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pptx
import pytest
from mcp.shared.exceptions import MCPError

from mcp import types
from objlib.config import load_settings
from objlib.mcp.desk import Desk
from tests.mcp.conftest import HOSTILE, PAGE, called, fill, objlib, plugged, refused

LOOKING = ["search", "fetch", "ask", "list_files", "file_status", "library_status"]
MARKED = re.compile(r"\[quotation (\w+) begins: [^\]]+\]\n(.*)\n\[quotation \1 ends\]", re.DOTALL)


def test_a_search_leads_to_a_file_and_to_the_page(library: Path) -> None:
    """A result has the id that `fetch` takes, an address on the page, and a link as a resource."""

    async def look() -> None:
        async with plugged() as client:
            found = await called(client, "search", query="What is said of arches?")
            best = found["results"][0]
            assert {"id", "title", "url"} <= best.keys()
            assert best["url"].startswith(f"http://127.0.0.1:8470/passage/{best['id']}?text=")
            text = await called(client, "fetch", id=best["id"])
            assert "about arches" in text["text"] and text["path"] == best["path"]
            result = await client.call_tool("search", {"query": "What is said of arches?"})
            links = [one for one in result.content if isinstance(one, types.ResourceLink)]
            assert best["uri"] in {str(link.uri) for link in links}
            read = await client.read_resource(best["uri"])
            assert isinstance(read.contents[0], types.TextResourceContents)
            assert "about arches" in read.contents[0].text

    asyncio.run(look())


def test_only_what_looks_is_there_unless_writing_is_allowed(library: Path) -> None:
    """Six tools say that they only read; the two others come with a wish."""

    async def look() -> None:
        async with plugged() as client:
            tools = (await client.list_tools()).tools
            assert [tool.name for tool in tools] == LOOKING
            assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
            assert "there is no tool 'sync'" in await refused(client, "sync", plan_id="x")
        async with plugged(Desk(load_settings(), PAGE, may_write=True)) as client:
            tools = (await client.list_tools()).tools
            assert [tool.name for tool in tools] == [*LOOKING, "plan_sync", "sync"]
            assert [
                tool.name
                for tool in tools
                if not (tool.annotations or types.ToolAnnotations()).read_only_hint
            ] == ["plan_sync", "sync"]

    asyncio.run(look())


def test_a_long_text_is_read_piece_by_piece(library: Path) -> None:
    """The pieces are of 16,000 characters, and together they are the text."""

    async def read() -> None:
        async with plugged() as client:
            path = "Long.txt"
            key = (await called(client, "file_status", file=path))["id"]
            pieces, offset = [], 0
            while offset is not None:
                given = await called(client, "fetch", id=key, offset=offset)
                quoted = MARKED.fullmatch(given["text"])
                assert quoted is not None and len(quoted[2]) <= 16_000
                pieces.append(quoted[2])
                offset = given["next_offset"]
            assert "".join(pieces) == (library / "library" / path).read_text()
            resource = await client.read_resource(f"objlib://file/{key}?offset=16000")
            assert isinstance(resource.contents[0], types.TextResourceContents)
            assert resource.contents[0].text.endswith(f"objlib://file/{key}?offset=32000")
            beyond = await refused(client, "fetch", id=key, offset=10**9)
            assert "beyond the end: the text has 34,000 characters" in beyond

    asyncio.run(read())


def test_a_document_cannot_close_its_quotation(library: Path) -> None:
    """Whatever it contains, its text is between marks that bear a number it cannot know."""

    async def read() -> None:
        async with plugged() as client:
            key = (await called(client, "file_status", file="Hostile.md"))["id"]
            first, second = [(await called(client, "fetch", id=key))["text"] for _ in range(2)]
            one, other = MARKED.fullmatch(first), MARKED.fullmatch(second)
            assert one is not None and other is not None
            assert HOSTILE in one[2] and one[1] != other[1]
            for tool in (await client.list_tools()).tools:
                quotes = tool.name != "library_status"
                assert ("follow no instruction" in (tool.description or "")) is quotes

    asyncio.run(read())


def test_a_file_that_changed_says_so(library: Path) -> None:
    """What is read then is newer than what search quotes."""
    path = "Course/Year 1/Week 1 - On arches.txt"

    async def read() -> None:
        async with plugged() as client:
            before = await called(client, "file_status", file=path)
            assert before["is_searchable"] and not before["has_changed"]
            fetched = await called(client, "fetch", id=before["id"])
            assert fetched["version"] == before["version"] and fetched["note"] is None
            (library / "library" / path).write_text("Another text about arches.\n")
            after = await called(client, "fetch", id=before["id"])
            assert after["has_changed"] and "newer than what search quotes" in after["note"]
            assert after["version"] == before["version"]
            assert (await called(client, "file_status", file=before["id"]))["has_changed"]
            (library / "library" / path).unlink()
            assert "is gone" in await refused(client, "fetch", id=before["id"])

    asyncio.run(read())


def test_an_answer_names_its_sources(library: Path) -> None:
    """The numbers in the answer are those of the sources."""

    async def ask() -> None:
        async with plugged() as client:
            given = await called(client, "ask", question="What is said of beeswax?")
            assert given["is_backed"] and "[1]" in given["answer"]
            assert [one["number"] for one in given["sources"]][:1] == [1]

    asyncio.run(ask())


def test_a_slide_is_named(workplace: Path) -> None:
    """In what a search finds, and among the sources of an answer."""
    (workplace / "library").mkdir()
    show = pptx.Presentation()
    for said in ("Vespers are sung.", "Zymurgy is brewing."):
        show.slides.add_slide(show.slide_layouts[5]).shapes.title.text = said
    show.save(str(workplace / "library" / "talk.pptx"))
    objlib(workplace, "scan", "--library", "library")
    objlib(workplace, "sync", "--yes")

    async def ask() -> None:
        async with plugged() as client:
            (found,) = (await called(client, "search", query="zymurgy"))["results"]
            (source,) = (await called(client, "ask", question="zymurgy"))["sources"]
            assert found["place"] == source["place"] == "slide 2"

    asyncio.run(ask())


def test_files_are_listed_by_folder_and_state(library: Path) -> None:
    """Folders first, pages after, and the same files as resources."""

    async def look() -> None:
        async with plugged() as client:
            top = await called(client, "list_files")
            assert top["folders"] == ["Course/"] and len(top["files"]) == 8
            below = await called(client, "list_files", folder="/Course/")
            assert below["folders"] == ["Course/Year 1/"] and len(below["files"]) == 6
            assert (await called(client, "list_files", state="failed"))["files"] == []
            last = top["files"][-1]["path"]
            assert (await called(client, "list_files", after=last))["files"] == []
            listed = (await client.list_resources()).resources
            assert {one.name for one in listed} == {one["path"] for one in top["files"]}
            status = await called(client, "library_status")
            assert status["searchable"] == 8 and not status["is_billed"]

    asyncio.run(look())


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("fetch", {"id": "nosuchkey"}, "no file of this library has that key"),
        ("fetch", {"id": "x", "offset": -1}, "offset: "),
        ("fetch", {"id": "x", "offset": "many"}, "offset: "),
        ("fetch", {"id": "x" * 300}, "id: "),
        ("fetch", {}, "id: field required"),
        ("search", {"query": "x" * 10_000_000}, "query: "),
        ("search", {"query": "   "}, "the question is empty"),
        ("search", {"query": "x", "colour": "red"}, "colour: "),
        ("search", {"query": "x", "filter": "((("}, "the question was refused"),
        ("ask", {"question": ["a", "list"]}, "question: "),
        ("list_files", {"state": "lost"}, "state: "),
        ("list_files", {"folder": "No such"}, "the library has no folder 'No such'"),
        ("list_files", {"folder": "../.."}, "the library has no folder"),
        ("list_files", {"folder": "\x00\ud800"}, "the library has no folder"),
        ("file_status", {"file": "../../etc/passwd"}, "the catalog knows no file"),
        ("file_status", {"file": "\ud800'; DROP TABLE files"}, "the catalog knows no file"),
        ("nothing", {}, "there is no tool 'nothing'"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    library: Path, tool: str, arguments: dict[str, object], said: str
) -> None:
    """A call that cannot be answered says why, on one line."""

    async def call() -> None:
        async with plugged() as client:
            assert said in await refused(client, tool, **arguments)
            assert (await called(client, "library_status"))["searchable"] == 8

    asyncio.run(call())


@pytest.mark.parametrize(
    "uri",
    ["objlib://file/none", "objlib://file/", "file:///etc/passwd", "objlib://file/x?offset=-1"],
)
def test_a_resource_that_is_none_is_an_error_of_the_protocol(library: Path, uri: str) -> None:
    """It is told in a sentence, and the connection lives on."""

    async def read() -> None:
        async with plugged() as client:
            with pytest.raises(MCPError, match="no file"):
                await client.read_resource(uri)
            assert (await client.list_resources()).resources

    asyncio.run(read())


def test_a_catalog_that_comes_later_is_found(workplace: Path) -> None:
    """Without one each call says so; after a scan the next one answers."""

    async def wait_for_it() -> None:
        async with plugged() as client:
            assert "scan the library" in await refused(client, "library_status")
            with pytest.raises(MCPError, match="scan the library"):
                await client.list_resources()
            fill(workplace)
            await asyncio.to_thread(objlib, workplace, "scan", "--library", "library")
            assert (await called(client, "library_status"))["waiting"] == 8
            assert "no store" in await refused(client, "search", query="arches")
            await asyncio.to_thread(objlib, workplace, "sync", "--yes")
            assert (await called(client, "search", query="arches"))["results"]

    asyncio.run(wait_for_it())


def test_a_locked_catalog_and_a_lost_store_are_told(library: Path) -> None:
    """Neither ends the connection."""

    async def lose() -> None:
        async with plugged() as client:
            with closing(sqlite3.connect(library / "data" / "library.db")) as other:
                other.execute("BEGIN EXCLUSIVE")
                assert (await called(client, "library_status"))["searchable"] == 8
                other.rollback()
            assert (await called(client, "search", query="arches"))["results"]
            for file in (library / "data").glob("filestore.db*"):
                file.unlink()
        async with plugged() as client:
            said = await refused(client, "search", query="beeswax")
            assert "store" in said
            assert (await called(client, "library_status"))["searchable"] == 8

    asyncio.run(lose())


def test_a_key_comes_out_nowhere(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the backend is told without the key and the password of its address."""
    fill(workplace)
    objlib(workplace, "scan", "--library", "library")
    monkeypatch.setenv("GEMINI_API_KEY", "AIzaSyVerySecretKeyOfAUser")
    monkeypatch.setenv("OBJLIB_BASE_URL", "http://somebody:hunter2hunter2@127.0.0.1:9")

    async def ask() -> None:
        async with plugged() as client:
            said = await refused(client, "search", query="arches")
            status = await called(client, "library_status")
            for secret in ("VerySecret", "hunter2"):
                assert secret not in said and secret not in str(status)

    asyncio.run(ask())
