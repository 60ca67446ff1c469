"""objlib web"""

from __future__ import annotations

import asyncio

import click

from objlib.cli import terminal
from objlib.cli.manual import Manual
from objlib.cli.options import Invocation, common_options


@click.command(
    "web",
    cls=Manual,
    examples=["objlib web", "objlib web --port 8080"],
    see_also=["search", "sync", "status"],
)
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", help="Where to listen [127.0.0.1].")
@click.option(
    "--port", metavar="N", type=click.IntRange(0, 65535), default=8470, help="0: any free [8470]."
)
@click.option(
    "--token", metavar="SECRET", help="Needed with --host; without it one is made, for one use."
)
@common_options
def command(invocation: Invocation, host: str, port: int, token: str | None) -> int:
    """Show the library in a browser: search, read, browse, and watch a sync.

    Prints an address that works once and lets in the browser that opens it. Only this machine can
    reach the page; another --host needs a --token, which anybody who knows it comes in with. The
    page never changes a file. Ctrl-C stops it.
    """
    from objlib.web.app import show

    settings = invocation.settings()

    def say(address: str) -> None:
        terminal.say(f"your library is at {address} (Ctrl-C stops)")

    with invocation.traced():
        asyncio.run(show(settings, host=host, port=port, token=token, on_listening=say))
    return 0
