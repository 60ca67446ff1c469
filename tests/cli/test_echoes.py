"""A server that repeats the key in every form, and a real process that tells it to nobody."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import urllib.request
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote

import pytest

from tests.cli.servers import answering, server
from tests.conftest import Cli

#: With characters that each way of writing escapes in its own manner.
KEY = 'AIza/Sy+of=some"body\\with&<odd>%41~letters'


def forms(key: str) -> list[str]:
    """The key as it is, URL-encoded, in base64, hex and escaped."""
    raw = key.encode()
    once = quote(key, safe="")
    return [
        key,
        once,
        once.lower(),
        quote(once, safe=""),
        quote(quote(once, safe=""), safe=""),
        "".join(f"%{byte:02X}" for byte in raw),
        json.dumps(key)[1:-1],
        json.dumps(json.dumps(key))[3:-3],
        "".join(f"\\u{byte:04x}" for byte in raw),
        key.replace("&", "\\u0026").replace("<", "\\u003c").replace("=", "\\u003d"),
        key.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;"),
        repr(raw),
        raw.hex(),
        *(base64.b64encode(b"\0" * skipped + raw).decode() for skipped in range(3)),
        base64.urlsafe_b64encode(raw).decode(),
        quote(base64.b64encode(raw).decode(), safe=""),
        f'"GET /v1beta/files?key={once} HTTP/1.1" 400',
    ]


#: Short pieces of what could be left of it, in any of these.
_PIECES = [
    piece
    for form in forms(KEY)
    for piece in (form[2:14], form[len(form) // 2 :][:12])
    if len(set(piece)) > 4 and "v1beta" not in piece
]


def assert_untold(*texts: str | bytes) -> None:
    """No piece of any form is in them."""
    for text in texts:
        shown = text.decode("latin-1") if isinstance(text, bytes) else text
        for piece in _PIECES:
            assert piece.lower() not in shown.lower(), shown[:2000]


class _Echo(BaseHTTPRequestHandler):
    """Finds the store, and repeats the key in whatever it says about anything else."""

    protocol_version = "HTTP/1.1"
    #: How it is repeated.
    way = "message"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        key = self.headers["x-goog-api-key"]
        said = " | ".join(forms(key))
        store = {"name": "fileSearchStores/s", "displayName": "objectivism-library"}
        if self.command == "GET" and self.path.startswith("/v1beta/fileSearchStores"):
            if "documents" in self.path:
                metadata = [{"key": key, "stringValue": said}]
                document = {"name": f"{store['name']}/documents/d", "displayName": said}
                documents = [{**document, "customMetadata": metadata}]
                self._say(200, json.dumps({"documents": documents}))
            else:
                self._say(200, json.dumps({**store, "fileSearchStores": [store]}))
            return
        match self.way:
            case "redirect":
                where = f"http://{quote(key, safe='')}.example/{quote(key)}?key={quote(key)}"
                self._say(302, "", Location=where)
            case "text":
                self._say(400, said, **{"content-type": "text/plain"})
            case "answer":
                part = {"text": said}
                chunk = {"retrievedContext": {"title": said, "text": said, "uri": said}}
                answer = {
                    "content": {"parts": [part], "role": "model"},
                    "groundingMetadata": {"groundingChunks": [chunk]},
                    "finishReason": "STOP",
                }
                self._say(200, json.dumps({"candidates": [answer]}))
            case _:
                details = [{"@type": "x", "reason": said, "metadata": {said: said}}]
                error = {"code": 400, "message": said, "status": said, "details": details}
                self._say(400, json.dumps({"error": error}), **{"x-echo": quote(key)})

    do_POST = do_DELETE = do_GET  # noqa: N815

    def _say(self, status: int, body: str, **headers: str) -> None:
        content = body.encode()
        self.send_response(status, quote(self.headers["x-goog-api-key"]))
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def echo(way: str) -> AbstractContextManager[str]:
    """Its address, while the context lasts."""
    return answering(type("Handler", (_Echo,), {"way": way}))


def told(*arguments: str) -> str:
    """All that a real process prints."""
    done = subprocess.run(
        [sys.executable, "-m", "objlib", *arguments], capture_output=True, env={**os.environ}
    )
    return (done.stdout + done.stderr).decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("way", ["message", "text", "redirect", "answer"])
def test_an_echo_of_the_key_is_told_to_nobody(
    cli: Cli, library: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Not on the terminal, in a log, an event, a report, the history or the catalog's bytes."""
    cli("scan", "--library", library)
    with echo(way) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        monkeypatch.setenv("GEMINI_API_KEY", KEY)
        files = ("--events", "events.jsonl", "--results", "results.jsonl")
        said = told("fsm-upload", "-vv", *files)
        assert_untold(said, told("fsm-upload", "--retry-failed", "--log-json", *files))
        assert "***" in said or way == "answer"
    for arguments in (["search", "arches"], ["ask", "arches", "--json", "-vv"]):
        with echo(way) as url:
            monkeypatch.setenv("OBJLIB_BASE_URL", url)
            assert_untold(told("--db", "other/library.db", *arguments), told(*arguments))
    assert_untold(told("failures", "-v"), told("status"), told("config", "show", "--json"))
    history = cli("history", "Course/Year 1/Week 1 - On arches.txt")
    assert_untold(history.out + history.err)
    for path in (*workplace.glob("*.jsonl"), *workplace.rglob("*.db*")):
        assert_untold(path.read_bytes())
    assert re.search(r"\w", (workplace / "events.jsonl").read_text())


def test_the_emulator_tells_no_key(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its own nor one that a client sends in a header or an address, right or wrong."""
    monkeypatch.setenv("OBJLIB_SERVE_KEY", KEY)
    with subprocess.Popen(
        [sys.executable, "-m", "objlib", "serve", "--port", "0", "--data", "served.db", "-vv"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        found = re.search(r"http://\S+?(?=,)", first)
        assert found, first
        answers = []
        for given in (KEY, f"{KEY}x", ""):
            for path in ("fileSearchStores", "fileSearchStores/s/documents", "nowhere"):
                asked = urllib.request.Request(
                    f"{found[0]}/v1beta/{path}?key={quote(given, safe='')}&pageSize=x",
                    headers={"x-goog-api-key": given},
                )
                try:
                    with urllib.request.urlopen(asked) as answer:
                        answers.append(answer.read())
                except HTTPError as error:
                    answers.append(error.read())
        process.terminate()
        said = first + process.stdout.read()
    assert_untold(said, *answers, *(path.read_bytes() for path in workplace.glob("served.db*")))


def test_no_password_of_an_address_is_told(
    cli: Cli, library: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes to the server, and to nobody else."""
    with server(workplace / "filestore.db") as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url.replace("//", f"//me:{quote(KEY, safe='')}@"))
        cli("scan", "--library", library)
        assert_untold(told("fsm-upload", "-vv"), told("store-sync", "--log-json"))
    assert_untold(*(path.read_bytes() for path in workplace.rglob("library.db*")))
