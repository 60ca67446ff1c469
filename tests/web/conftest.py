"""A running `objlib web`, as a process, and a client that has come in by its address."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.conftest import FOREIGN_ENVIRONMENT, SHORT_WAITS, write_library

#: Names and texts that would be markup, if anybody let them.
HOSTILE_NAME = "<img src=x onerror=alert(1)>&amp;'\".md"
HOSTILE_TEXT = (
    "---\ntitle: <script>alert('title')</script>\n---\n"
    '# Quoins\n\nA quoin is <script>alert(1)</script> a cornerstone & "more".\n'
)
TOKEN = "a-token-of-the-tests"


@dataclass(frozen=True, slots=True)
class Site:
    """A running page."""

    #: Without the token.
    address: str
    #: The address as it was printed.
    printed: str
    folder: Path
    process: subprocess.Popen[str]

    @contextmanager
    def inside(self) -> Iterator[httpx2.Client]:
        """A client that has the cookie."""
        with httpx2.Client(base_url=self.address, timeout=60) as client:
            entered = client.get("/", params={"token": TOKEN})
            assert entered.status_code == 303
            yield client


def environment() -> dict[str, str]:
    """The environment of the process: no keys of ours, short waits."""
    own = {name: value for name, value in os.environ.items() if name not in FOREIGN_ENVIRONMENT}
    return {**own, **SHORT_WAITS}


def objlib(folder: Path, *arguments: str, **more: str) -> None:
    """Run a command to its end, with more variables of the environment."""
    command = [sys.executable, "-m", "objlib", *arguments]
    own = {**environment(), **more}
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr


@contextmanager
def running(folder: Path, *arguments: str, **more: str) -> Iterator[Site]:
    """Start the page in a folder, and stop it as Ctrl-C does.

    Args:
        more: variables of the environment.
    """
    command = [sys.executable, "-m", "objlib", "web", "--port", "0", *arguments]
    process = subprocess.Popen(
        command, cwd=folder, env={**environment(), **more}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.search(r"(http://[\d.]+:\d+)/\?token=\S+", said)
        assert found, said
        yield Site(found[1], found[0], folder, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            assert process.wait(60) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert process.stdout is not None
        process.stdout.close()


def fill(folder: Path) -> None:
    """A library of six texts and a hostile one."""
    write_library(folder / "library", 6)
    (folder / "library" / HOSTILE_NAME).write_text(HOSTILE_TEXT)
    (folder / "library" / "empty.txt").write_text("")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The page of a library that is in its store. For tests that only look."""
    folder = tmp_path_factory.mktemp("site")
    fill(folder)
    objlib(folder, "scan", "--library", "library")
    objlib(folder, "sync", "--yes")
    with running(folder, "--token", TOKEN) as site:
        yield site


@pytest.fixture
def client(site: Site) -> Iterator[httpx2.Client]:
    """A client that has come in."""
    with site.inside() as client:
        yield client


@pytest.fixture
def new_site(tmp_path: Path) -> Iterator[Site]:
    """The page of a library that was scanned, and of which nothing is in the store yet."""
    fill(tmp_path)
    objlib(tmp_path, "scan", "--library", "library")
    with running(tmp_path, "--token", TOKEN) as site:
        yield site


Start = Callable[..., Site]


def chromium() -> str:
    """Return the browser of the system; without one the test is skipped, in CI it fails."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("there is no chromium; CI installs it")
        pytest.skip("there is no chromium; install it to test the page in a browser")
    return found
