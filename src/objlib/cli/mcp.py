"""objlib mcp"""

from __future__ import annotations

import asyncio
import importlib.metadata
import sys
from pathlib import Path
from urllib.parse import urlsplit

import click

from objlib.cli import terminal
from objlib.cli.interrupts import interruptible
from objlib.cli.manual import Manual
from objlib.cli.options import Invocation, common_options
from objlib.errors import ConfigurationError

SDK = "mcp>=2.0,<3"
USUAL_PAGE = "http://127.0.0.1:8470"


@click.command(
    "mcp",
    cls=Manual,
    examples=["objlib mcp", "objlib mcp --page http://127.0.0.1:8080"],
    see_also=["web", "search", "ask"],
)
@click.option(
    "--page",
    metavar="URL",
    default=USUAL_PAGE,
    help=f"Where `objlib web` shows the passages that are cited [{USUAL_PAGE}].",
)
@click.option(
    "--allow-write", is_flag=True, help="Let the assistant plan a sync and, agreed to, do it."
)
@common_options
def command(invocation: Invocation, page: str, allow_write: bool) -> int:
    """Give the library to an assistant, over the Model Context Protocol on standard input.

    An assistant starts it: docs/assistants.md has the line for Claude, Gemini CLI and VS Code. It
    can search, ask, read and list; nothing is written without --allow-write. Needs objlib[mcp].
    """
    if terminal.is_cut_off():
        raise ConfigurationError("there is no standard input or output to speak the protocol on")
    if not _is_sdk(_version_of_sdk()):
        raise ConfigurationError(f"`objlib mcp` needs the extra of that name: {_installing()}")
    if not _is_address(page):
        raise ConfigurationError(f"--page takes an address such as {USUAL_PAGE}, not {page!r}")
    from objlib.mcp.serving import serve

    settings = invocation.settings()
    if terminal.can_ask() and not invocation.quiet:
        invocation.notices().say(
            "waiting for an assistant on standard input: it starts this command itself"
            " (docs/assistants.md); Ctrl-C stops"
        )
    with invocation.traced():
        asyncio.run(serve(settings, page, may_write=allow_write, ending=interruptible))
    return 0


def _version_of_sdk() -> str | None:
    try:
        return importlib.metadata.version("mcp")
    except importlib.metadata.PackageNotFoundError:
        return None


def _is_sdk(version: str | None) -> bool:
    """Return True for a version that was tried: 2 and not 3."""
    return version is not None and version.split(".")[0] == "2"


def _installing() -> str:
    """Return what installs the extra where objlib is: pipx keeps it apart from everything else."""
    is_of_pipx = Path(sys.prefix, "pipx_metadata.json").exists()
    return f"pipx inject objlib '{SDK}'" if is_of_pipx else "pip install 'objlib[mcp]'"


def _is_address(page: str) -> bool:
    try:
        parts = urlsplit(page)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)
