"""The examples of docs/api.md run, word for word."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")
FIRST, BREAK, ROUND, BAR, LOOKS, SERVER = re.findall(
    r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL
)


#: What catalog and store hold, afterwards.
STANDING = """
import asyncio
from objlib import Library

async def main():
    async with Library.open() as library:
        status, survey = await library.status(), await library.survey()
        documents = sum(survey.documents.values())
        how = "clean" if survey.is_clean else "off"
        indexed = status.states["indexed"]["files"]
        print(f"{indexed} indexed, {documents} documents, {how}")

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def library(workplace: Path) -> None:
    """The bundled library, where the examples look for one."""
    shutil.copytree(ROOT / "examples" / "library", workplace / "library")


def lines_of(program: str) -> list[str]:
    """Run a program in a process of its own; the lines that it prints."""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stderr == ""
    return run.stdout.splitlines()


def test_the_first_example() -> None:
    """Scan, upload, survey, search."""
    lines = lines_of(FIRST)
    assert lines[0] == "31 new files"
    assert lines.count("FileIndexed") == 20
    assert lines[-2] == "clean"
    assert lines[-1].endswith("Varroa by Numbers.txt")


def test_break_and_a_second_run() -> None:
    """What the first run finished on its way out, the second one finds done.

    Nothing is left under way, and nothing was sent twice.
    """
    first, second = lines_of(BREAK)
    assert first.startswith("the first one is ")
    assert re.fullmatch(r"([1-9]|[12]\d|30) more, 0 failed", second)
    assert lines_of(STANDING) == ["31 indexed, 31 documents, clean"]


def test_a_round_of_sync() -> None:
    """The plan comes first, then each phase, then the verdict."""
    assert lines_of(ROUND) == [
        "31 files to upload, 0 documents to delete",
        "that costs about $0.0012",
        "uploading",
        "31 of 31 indexed",
        "surveying",
        "repairing",
        "clean",
    ]


def test_a_bar_of_ones_own() -> None:
    """It ends where it is full."""
    *_, full, summary = lines_of(BAR)
    assert full.endswith("#" * 20 + " 31/31")
    assert summary == "31 indexed, 0 calls repeated"


def test_looking_at_a_library() -> None:
    """A line each for status, failures, files, history and metadata."""
    status, *failures, files, history, metadata = lines_of(LOOKS)
    assert status == "31 files wait; upload"
    assert failures == []
    after = "Essays/On Walking to Work.md"
    assert files == f"['In Praise of the Index Card.md', 'On Walking to Work.md'] {after}"
    assert history == f"{after} []"
    assert metadata == "{'title': ('On Walking to Work', 'path'), 'folder': ('Essays', 'path')}"


def test_inside_a_web_server() -> None:
    """Started by one request, looked at by others, and searched meanwhile."""
    program: dict[str, Any] = {}
    exec(SERVER, program)
    app = program["app"]

    async def story() -> list[str]:
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app=app), base_url="http://test"
            ) as client,
        ):
            assert (await client.get("/progress")).json() == {"indexed": 0, "over": False}
            assert (await client.post("/upload")).status_code == 202
            await app.state.task
            assert (await client.get("/progress")).json() == {"indexed": 31, "over": True}
            found = await client.get("/search", params={"q": "When are bees treated for mites?"})
            paths: list[str] = found.json()
            return paths

    assert any("Varroa" in path for path in asyncio.run(story()))


def test_a_web_server_that_stops_drains_its_run() -> None:
    """The request that began the run is long over."""
    program: dict[str, Any] = {}
    exec(SERVER, program)
    app = program["app"]

    async def story() -> bool:
        begun = asyncio.Event()
        transport = httpx2.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://test") as client,
        ):
            await client.post("/upload")
            app.state.run.observable.subscribe(lambda _event: begun.set())
            await begun.wait()
        await app.state.task
        return bool(app.state.run.is_stopping)

    assert asyncio.run(story())
