"""objlib serve"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from objlib.cli import terminal
from objlib.cli.manual import Manual
from objlib.cli.options import Invocation, common_options
from objlib.service import servers

KEY_VARIABLE = "OBJLIB_SERVE_KEY"


@click.command(
    "serve",
    cls=Manual,
    examples=[
        "objlib serve --port 8471",
        "objlib serve --port 0 --faults typical --latency 0.2",
    ],
    see_also=["status"],
)
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", help="Where to listen [127.0.0.1].")
@click.option(
    "--port", metavar="N", type=click.IntRange(0, 65535), default=8471, help="0: any free [8471]."
)
@click.option(
    "--public-url",
    metavar="URL",
    help="The address of a proxy before it; uploads go there [what was reached].",
)
@click.option(
    "--data",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Its data [filestore.db beside the catalog].",
)
@click.option(
    "--faults",
    metavar="PROFILE|FILE",
    help="Trouble on purpose: calm, typical, bad-day, overload, or a fault file [none].",
)
@click.option(
    "--latency",
    type=click.FloatRange(min=0, max=3600),
    default=0.0,
    metavar="SECONDS",
    help="What every request takes at least [0].",
)
@click.option("--semantic", is_flag=True, help="Search by meaning too; needs objlib[semantic].")
@common_options
def command(
    invocation: Invocation,
    host: str,
    port: int,
    public_url: str | None,
    data: Path | None,
    faults: str | None,
    latency: float,
    semantic: bool,
) -> int:
    """Run the File Search server on a port, for any client of the Gemini File Search API.

    Without --data it serves the embedded store: filestore.db beside the catalog. A key that clients
    must give is read from OBJLIB_SERVE_KEY; without one only this machine is let in. Ctrl-C stops.

    With --faults or --latency it misbehaves as the service was seen to; docs/emulator.md says how.
    """
    settings = invocation.settings()
    key = os.environ.get(KEY_VARIABLE) or None

    def say(url: str, file: Path) -> None:
        terminal.say(f"listening on {url}, data in {file} (Ctrl-C stops)")
        if faults is not None or latency > 0:
            terminal.say(f"trouble is on: {url}/debug/faults shows it")

    asyncio.run(
        servers.serve(
            settings,
            data,
            host=host,
            port=port,
            key=key,
            public_url=public_url,
            faults=faults,
            latency_s=latency,
            semantic=semantic,
            on_listening=say,
        )
    )
    return 0
