"""objlib serve"""

from __future__ import annotations

import asyncio
import os

import click

from objlib import backend
from objlib.cli.options import Invocation, common_options

KEY_VARIABLE = "OBJLIB_SERVE_KEY"


@click.command("serve")
@click.option("--host", default="127.0.0.1", help="Where to listen [127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), default=8471, help="0: any free [8471].")
@common_options
def command(invocation: Invocation, host: str, port: int) -> int:
    """Run the File Search server on a port, for any client of the Gemini File Search API.

    Its data is that of the embedded store: `filestore.db` beside the catalog. A key that clients
    must give is read from OBJLIB_SERVE_KEY; without one only this machine is let in.

    \b
    Example:
      objlib serve --port 8471
      OBJLIB_BASE_URL=http://127.0.0.1:8471 objlib status
    """
    data = backend.embedded_data(invocation.settings())
    key = os.environ.get(KEY_VARIABLE) or None

    def say(url: str) -> None:
        click.echo(f"listening on {url}, data in {data} (Ctrl-C stops)")

    asyncio.run(backend.serve(data, host=host, port=port, key=key, on_listening=say))
    return 0
