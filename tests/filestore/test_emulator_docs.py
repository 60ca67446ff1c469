"""What `docs/emulator.md` says is true: its programs run, its tables are complete."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx2
import pytest
from google import genai

from objlib.filestore import Fault, Kind
from objlib.filestore.declared import PROFILES, read_faults
from objlib.filestore.testing import emulator

PAGE = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The code of a language on the page."""
    return re.findall(
        rf"^```{language}(?: title=[^\n]*)?\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL
    )


def first_column(heading: str) -> list[str]:
    """What the first column of the table below a header row names."""
    table = PAGE.partition(heading)[2].partition("\n\n")[0]
    return re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)


def test_every_kind_and_every_profile_is_in_its_table() -> None:
    """Once each, in their order."""
    assert first_column("| kind | what happens |") == [str(kind) for kind in Kind]
    assert first_column("| profile | imitates |") == list(PROFILES)


def test_the_fault_file_of_the_page_can_be_read() -> None:
    """As it stands."""
    (block,) = blocks("toml")
    assert len(read_faults(tomllib.loads(block)).faults) == 3


def test_the_fixture_of_the_page_works(tmp_path: Path) -> None:
    """In a folder of its own, with a test that uses it."""
    fixture, _ = blocks("python")
    (tmp_path / "test_theirs.py").write_text(
        fixture
        + "\n\ndef test_it(file_search_url):\n    assert file_search_url.startswith('http')\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_script_of_the_page_runs(tmp_path: Path) -> None:
    """And prints the name of a store."""
    _, script = blocks("python")
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("fileSearchStores/talks-")


def shell(script: str, url: str) -> list[str]:
    """The lines that a script of the page prints, asked of another URL."""
    ran = subprocess.run(
        [
            "bash",
            "-e",
            "-c",
            script.replace("http://127.0.0.1:8471", url).replace("; curl", "\ncurl"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_PROXY": "*"},
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.replace("}{", "}\n{").splitlines()


def test_the_curl_commands_of_the_page_work() -> None:
    """A store, a document in it, an answer from it."""
    (script,) = [block for block in blocks("sh") if "generateContent" in block]
    with emulator() as url:
        operation, listed, answer = map(json.loads, shell(script, url))
    assert "/upload/operations/" in operation["name"]
    (document,) = listed["documents"]
    assert document["mimeType"] == "text/plain"
    (candidate,) = answer["candidates"]
    assert candidate["content"]["parts"][0]["text"] == "Arches stand by their keystone."
    assert candidate["groundingMetadata"]["groundingChunks"]


def test_the_commands_of_the_page_about_faults_work() -> None:
    """Shown, replaced, ended."""
    (script,) = [block for block in blocks("sh") if "/debug/faults" in block]
    with emulator(faults=[Fault(Kind.LATENCY, seconds=0.0)]) as url:
        shown, replaced, ended = map(json.loads, shell(script, url))
    assert [fault["kind"] for fault in shown["fault"]] == ["latency"]
    assert replaced["fault"] == [{"kind": "error", "times": 3, "hits": 0}]
    assert ended["fault"] == []


# The emulator itself


def test_each_block_has_a_server_of_its_own() -> None:
    """Empty at first and gone afterwards; two at once do not share anything."""
    with emulator() as one, emulator(key="secret") as other:
        httpx2.post(f"{one}/v1beta/fileSearchStores", json={})
        headers = {"x-goog-api-key": "secret"}
        assert httpx2.get(f"{other}/v1beta/fileSearchStores", headers=headers).json() == {}
        assert httpx2.get(f"{other}/v1beta/fileSearchStores").status_code == 403
    for url in (one, other):
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{url}/v1beta/fileSearchStores")


def test_a_block_that_fails_stops_its_server_too() -> None:
    """The error comes out as it is."""
    with pytest.raises(ZeroDivisionError), emulator() as url:
        raise ZeroDivisionError
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(url)


def test_faults_and_delays_are_at_work() -> None:
    """Through the SDK's synchronous client."""
    lists_once = Fault(Kind.EMPTY_LIST, times=1)
    with emulator(faults=[lists_once], indexing_delay_s=3600.0) as url:
        options = {"base_url": url, "api_version": "v1beta"}
        with genai.Client(api_key="any", vertexai=False, http_options=options) as client:  # type: ignore[arg-type]
            store = client.file_search_stores.create()
            assert list(client.file_search_stores.list()) == []
            assert [found.name for found in client.file_search_stores.list()] == [store.name]
