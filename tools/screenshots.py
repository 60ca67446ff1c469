"""Take pictures of the page as it is, in a real Chromium: `make screenshots [INTO=DIR]`.

The library of `examples/` is brought into a store, some of it proven, and one file broken. Each
picture is taken of the running page, with 256 colours, into `docs/images/`.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
QUESTION = "How many mites in July mean that bees must be treated?"
BYTES_MAX = 200_000
CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture: the page in one of the sites, in a window of a size."""

    name: str
    address: str
    #: `library`, `empty` (nothing was scanned yet) `new`, `slow` or `working` (see below).
    site: str = "library"
    #: What is clicked on, one after the other.
    clicks: tuple[str, ...] = ()
    width: int = 1120
    height: int = 760
    scheme: str = "light"
    #: Waited for before the picture is taken.
    until: str | None = None


#: Clicks that begin a sync; and its figures, once a file is done.
SYNC = ("button[value=plan]", "button[value=start]")
MOVING = ".figures div:first-child dd:not(:text-is('0'))"

#: Those of the documentation.
SHOWN = (
    Picture("page-search", f"/?q={QUESTION.replace(' ', '+')}"),
    Picture("page-passage", f"/?q={QUESTION.replace(' ', '+')}", clicks=(".hit h3 a",), height=880),
    Picture("page-files", "/files?f=course:Bees+and+Their+Keepers"),
    Picture("page-first-run", "/", "empty", height=560),
    Picture(
        "page-plan",
        "/run",
        "new",
        clicks=("button[value=plan]",),
        until="text=The plan",
        height=560,
    ),
    Picture("page-sync", "/run", "slow", SYNC, height=640, until=MOVING),
    Picture("page-dark", f"/?q={QUESTION.replace(' ', '+')}", scheme="dark"),
)
#: Others to look at, when something was changed.
MORE = (
    Picture("working", "/run", "working", until=MOVING),
    Picture("home", "/"),
    Picture("home-dark", "/", scheme="dark"),
    Picture("nothing", "/?q=zyzzyva"),
    Picture("files", "/files"),
    Picture("files-dark", "/files", scheme="dark"),
    Picture("files-none", "/files?f=course:nothing"),
    Picture("file", "/file?path=Essays/The+Night+Ferry.md"),
    Picture("failures", "/failures"),
    Picture("proof", "/verify"),
    Picture("health", "/health"),
    Picture("idle", "/run"),
    Picture("problem", "/nothing"),
    Picture(
        "passage-dark", f"/?q={QUESTION.replace(' ', '+')}", clicks=(".hit h3 a",), scheme="dark"
    ),
    Picture("working-dark", "/run", "working", scheme="dark", until=MOVING),
    Picture("first-small", "/", "empty", width=320, height=640),
    Picture("search-small", f"/?q={QUESTION.replace(' ', '+')}", width=320, height=900),
    Picture("files-small", "/files", width=320, height=900),
    Picture("working-small", "/run", "working", width=320, height=700, until=MOVING),
    Picture("search-wide", f"/?q={QUESTION.replace(' ', '+')}", width=2560, height=1200),
    Picture("files-wide", "/files", width=2560, height=1200),
)


def main() -> int:
    """Take the pictures of the documentation, or with a folder all of them into it."""
    into = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    (into or IMAGES).mkdir(parents=True, exist_ok=True)
    wanted = SHOWN + MORE if into else SHOWN
    with tempfile.TemporaryDirectory() as work, sync_playwright() as driver:
        path = next((one for one in CHROMIUM if Path(one).exists()), None)
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for name, opened in SITES.items():
            with opened(Path(work) / name) as printed:
                for picture in wanted:
                    if picture.site == name:
                        _take(browser, printed, picture, into or IMAGES)
        browser.close()
    return 0


def _take(browser: Any, printed: str, picture: Picture, into: Path) -> None:
    context = browser.new_context(
        viewport={"width": picture.width, "height": picture.height},
        color_scheme=picture.scheme,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(printed)
    page.goto(printed.partition("/?")[0] + picture.address)
    for selector in picture.clicks:
        page.click(selector)
        page.wait_for_load_state()
    if picture.until:
        page.wait_for_selector(picture.until)
    page.evaluate("document.activeElement.blur()")
    taken = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
    context.close()
    file = into / f"{picture.name}.png"
    taken.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
    size = file.stat().st_size
    sys.stdout.write(f"{file.name}: {size / 1000:.0f} KB\n")
    if size > BYTES_MAX:
        raise SystemExit(f"{file} has {size:,} bytes, more than {BYTES_MAX:,}")


@contextmanager
def _library(folder: Path) -> Iterator[str]:
    """The page of a library that is in its store, some of it proven, with three problems."""
    _scanned(folder)
    _run(folder, "sync", "--yes")
    _run(folder, "verify", "--limit", "12")
    (folder / "library" / "Essays" / "Empty.md").write_text("")
    (folder / "library" / "Essays" / "Lanterns.txt").write_text("Lanterns are trimmed at dusk.\n")
    (folder / "library" / "Recording.mp3").write_bytes(b"ID3\x04\x00\x00\x00\x00\x00\x00" * 50)
    _run(folder, "scan")
    with _page(folder) as printed:
        yield printed


@contextmanager
def _empty(folder: Path) -> Iterator[str]:
    """The page where nothing was scanned yet."""
    folder.mkdir()
    with _page(folder) as printed:
        yield printed


@contextmanager
def _new(folder: Path) -> Iterator[str]:
    """The page of a library that was scanned, and of which nothing was sent."""
    _scanned(folder)
    with _page(folder) as printed:
        yield printed


@contextmanager
def _slow(folder: Path) -> Iterator[str]:
    """The page of a library of which nothing is in its store, a slow server."""
    with _at_slow_server(folder) as slow, _page(folder, **slow) as printed:
        yield printed


@contextmanager
def _working(folder: Path) -> Iterator[str]:
    """The same, and beside it the sync of a terminal."""
    sync = _objlib("sync", "--yes", "--json")
    with (
        _at_slow_server(folder) as slow,
        _page(folder, **slow) as printed,
        _started(sync, folder, **slow),
    ):
        yield printed


@contextmanager
def _at_slow_server(folder: Path) -> Iterator[dict[str, str]]:
    _scanned(folder)
    serve = _objlib("serve", "--port", "0", "--latency", "0.5", "--data", "served.db")
    with _started(serve, folder) as server:
        url = _said(server, r"http://[\w.:]+")
        yield {"OBJLIB_BASE_URL": url, "OBJLIB_CONCURRENCY": "3"}


SITES: dict[str, Callable[[Path], Any]] = {
    "library": _library,
    "empty": _empty,
    "new": _new,
    "slow": _slow,
    "working": _working,
}


def _scanned(folder: Path) -> None:
    shutil.copytree(ROOT / "examples" / "library", folder / "library")
    _run(folder, "scan", "--library", "library")


def _objlib(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "objlib", *arguments]


def _run(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        _objlib(*arguments), cwd=folder, env=_environment(), capture_output=True, text=True
    )
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)


@contextmanager
def _page(folder: Path, **more: str) -> Iterator[str]:
    command = _objlib("web", "--port", "0", "--token", "shown")
    with _started(command, folder, **more) as process:
        yield _said(process, r"http://\S+")


@contextmanager
def _started(command: list[str], folder: Path, **more: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**_environment(), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.communicate()


def _said(process: subprocess.Popen[str], pattern: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(pattern, line):
            return found[0]
    raise SystemExit("it ended before it said its address")


def _environment() -> dict[str, str]:
    """Without a key, so that nothing leaves this machine."""
    foreign = ("GEMINI_", "GOOGLE_", "OBJLIB_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


if __name__ == "__main__":
    sys.exit(main())
