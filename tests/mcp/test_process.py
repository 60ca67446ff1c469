"""`objlib mcp` as a process: by the SDK's client, and by clients that behave badly."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mcp import Client
from objlib.filestore import Fault, Kind
from tests.cli.servers import server
from tests.mcp.conftest import called, environment, fill, objlib, process, refused

ENDS_WITHIN_S = 60  # it takes a second; a machine may be busy
HELLO = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    """A call of a tool, as a message."""
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": tool, "method": "tools/call", "params": params}


def started(folder: Path, *arguments: str, url: str | None = None) -> subprocess.Popen[bytes]:
    """The plug, with pipes to its three streams."""
    return subprocess.Popen(
        [sys.executable, "-m", "objlib", "mcp", *arguments],
        cwd=folder,
        env=environment(url),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def say(plug: subprocess.Popen[bytes], *messages: Any) -> None:
    """Send messages, each on its line."""
    assert plug.stdin is not None
    for message in messages:
        line = message if isinstance(message, bytes) else json.dumps(message).encode()
        plug.stdin.write(line + b"\n")
    plug.stdin.flush()


def hear(plug: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The next message."""
    assert plug.stdout is not None
    message: dict[str, Any] = json.loads(plug.stdout.readline())
    return message


def test_a_client_lists_searches_and_fetches(library: Path) -> None:
    """The SDK's own client starts the process, and it answers."""

    async def use() -> None:
        async with Client(process(library, "--page", "http://127.0.0.1:9/")) as client:
            found = await called(client, "search", query="arches")
            best = found["results"][0]
            assert best["url"].startswith("http://127.0.0.1:9/passage/")
            assert "arches" in (await called(client, "fetch", id=best["id"]))["text"]
            assert (await called(client, "ask", question="arches"))["is_backed"]
            assert "no file" in await refused(client, "fetch", id="none")

    asyncio.run(use())


def test_nothing_but_the_protocol_is_on_standard_output(library: Path) -> None:
    """Garbage is passed over, errors and logs go to standard error, each line is a message."""
    plug = started(library, "-vv")
    say(plug, HELLO, READY, b"no json at all", b"\xff\xfe", b"[]", b"", call("fetch", id="none"))
    say(plug, b"{" * 100_000, call("search", query="arches"))
    heard: list[dict[str, Any]] = []
    while not {"fetch", "search"} <= {one.get("id") for one in heard}:
        heard.append(hear(plug))
    out, _ = plug.communicate(timeout=ENDS_WITHIN_S)
    heard += [json.loads(line) for line in out.splitlines()]
    assert all(one["jsonrpc"] == "2.0" for one in heard)
    assert plug.returncode == 0


def test_what_a_library_prints_does_not_meet_the_protocol(library: Path) -> None:
    """Whatever is written to descriptor 1 meanwhile comes out of standard error."""
    code = (
        "import asyncio, os, sys\n"
        "from objlib.mcp.wire import standard_wire\n"
        "async def main():\n"
        "    async with standard_wire() as wire:\n"
        "        os.write(1, b'stray')\n"
        "        assert os.read(0, 9) == b''\n"
        "        async for line in wire: await wire.write(line + '!\\n')\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=b"one\ntwo\n", capture_output=True)
    assert (done.stdout, done.stderr) == (b"one!\ntwo!\n", b"stray")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_although_the_client_is_silent(library: Path, number: int) -> None:
    """It does not wait for a line that nobody will send."""
    plug = started(library)
    say(plug, HELLO)
    assert hear(plug)["result"]["serverInfo"]["name"] == "objlib"
    plug.send_signal(number)
    assert plug.wait(ENDS_WITHIN_S) == 0
    plug.communicate()


def test_a_client_that_goes_in_the_middle_of_a_call_is_not_waited_for(workplace: Path) -> None:
    """A store that never answers holds up nothing."""
    fill(workplace)
    with server(workplace / "over-there.db") as url:
        objlib(workplace, "scan", "--library", "library", url=url)
        objlib(workplace, "sync", "--yes", url=url)
    with socket.create_server(("127.0.0.1", port_of(url))):  # takes a connection, says nothing
        plug = started(workplace, url=url)
        say(plug, HELLO, READY, call("search", query="arches"), call("library_status"))
        hear(plug)
        assert hear(plug)["id"] == "library_status"
        close(plug)


def test_a_client_that_goes_in_the_middle_of_a_sync_leaves_no_file_taken(workplace: Path) -> None:
    """The process ends, no row is leased, and the next run does the rest."""
    fill(workplace)
    objlib(workplace, "scan", "--library", "library")
    with server(workplace / "over-there.db", Fault(Kind.LATENCY, seconds=0.5)) as url:
        plug = started(workplace, "--allow-write", url=url)
        say(plug, HELLO, READY, call("plan_sync"))
        hear(plug)
        plan = hear(plug)["result"]["structuredContent"]
        sync = call("sync", plan_id=plan["plan_id"])
        sync["params"]["_meta"] = {"progressToken": 1}
        say(plug, sync)
        assert hear(plug)["method"] == "notifications/progress"
        close(plug)
    with closing(sqlite3.connect(workplace / "data" / "library.db")) as catalog:
        rows = catalog.execute("SELECT gemini_state, lease_owner FROM files").fetchall()
    assert {state for state, _ in rows} - {"indexed"}, "it was in the middle"
    assert not [row for row in rows if row[1] and row[0] in ("uploading", "processing")], rows
    with server(workplace / "over-there.db", port=port_of(url)) as url:
        objlib(workplace, "sync", "--yes", url=url)
    with closing(sqlite3.connect(workplace / "data" / "library.db")) as catalog:
        assert catalog.execute("SELECT DISTINCT gemini_state FROM files").fetchall() == [
            ("indexed",)
        ]


def port_of(url: str) -> int:
    """The port of an address."""
    return int(url.rsplit(":", 1)[1])


def close(plug: subprocess.Popen[bytes]) -> None:
    """Go, as a client does, and wait for the end of the process: clean, and without a word."""
    assert plug.stdin is not None and plug.stdout is not None and plug.stderr is not None
    plug.stdin.close()
    assert plug.wait(ENDS_WITHIN_S) == 0
    plug.stdout.close()
    assert b"Traceback" not in plug.stderr.read()
    plug.stderr.close()


def test_a_client_that_does_not_read_holds_up_nothing(library: Path) -> None:
    """Answers that nobody takes are given up once the client has closed its side."""
    plug = started(library)
    say(plug, HELLO, READY, *(call("list_files") for _ in range(200)))
    hear(plug)
    close(plug)


def test_a_client_that_closes_its_ear_ends_it(library: Path) -> None:
    """An answer that cannot be written is the end, without a traceback."""
    plug = started(library)
    say(plug, HELLO, READY)
    hear(plug)
    assert plug.stdout is not None
    plug.stdout.close()
    say(plug, call("library_status"))
    assert plug.wait(ENDS_WITHIN_S) == 0
    assert plug.stdin is not None and plug.stderr is not None
    assert b"Traceback" not in plug.stderr.read()
    plug.stdin.close()
    plug.stderr.close()


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_without_standard_input_or_output_it_says_so(library: Path, closed: str) -> None:
    """One line, and the exit code of wrong usage."""
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m objlib mcp {closed}"],
        cwd=library,
        env=environment(),
        capture_output=True,
    )
    assert done.returncode == 2
    assert b"no standard input or output" in done.stderr and done.stderr.count(b"\n") == 1


def test_without_the_extra_one_line_says_how_to_get_it(workplace: Path) -> None:
    """The right one for pip, and for an installation by pipx."""
    code = (
        "import importlib.metadata as installed\n"
        "installed.version = {'google-genai': '3.4.0'}.get\n"
        "from objlib.cli.main import main\n"
        "sys.exit(main(['mcp']))"
    )
    for marker, command in ((None, b"pip install 'objlib[mcp]'"), ("x", b"pipx inject objlib")):
        prefix = f"sys.prefix = {str(workplace)!r}; " if marker else ""
        (workplace / "pipx_metadata.json").write_text("{}")
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; {prefix}{code}"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 2 and done.stdout == b""
        assert command in done.stderr and done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("page", ["nonsense", "http://["])
def test_a_page_that_is_no_address_is_refused(workplace: Path, page: str) -> None:
    """Before anything is served."""
    plug = started(workplace, "--page", page)
    _, said = plug.communicate(timeout=ENDS_WITHIN_S)
    assert plug.returncode == 2 and b"--page takes an address" in said
