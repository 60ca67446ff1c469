"""objlib search"""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click

from objlib.api import Library
from objlib.cli.options import Invocation, common_options
from objlib.cli.render import one_line, print_json
from objlib.errors import ConfigurationError
from objlib.search.query import SearchResult

PASSAGE_CHARS = 280


@click.command("search")
@click.argument("query")
@click.option("--top-k", type=click.IntRange(1, 100), help="About how many passages [5].")
@click.option("--filter", "metadata_filter", help="By metadata, e.g. 'year > 1960'.")
@common_options
def command(
    invocation: Invocation, query: str, top_k: int | None, metadata_filter: str | None
) -> int:
    """Ask the store a question. The answer comes with passages and the files they are from.

    Exit code 1 when nothing was found.

    \b
    Example:
      objlib search "what does the speaker promise about the treasury?" --top-k 3
    """
    if not query.strip():
        raise ConfigurationError("the question is empty")
    return asyncio.run(_search(invocation, query, top_k, metadata_filter))


async def _search(
    invocation: Invocation, query: str, top_k: int | None, metadata_filter: str | None
) -> int:
    settings = invocation.settings()
    invocation.name_the_store(settings)
    async with Library.open(settings=settings) as library:
        result = await library.search(query, top_k=top_k, metadata_filter=metadata_filter)
    if invocation.json:
        print_json({"query": query, **asdict(result)})
    else:
        _print(invocation, result)
    return 0 if result.citations else 1


def _print(invocation: Invocation, result: SearchResult) -> None:
    console = invocation.console()
    console.print(result.answer, markup=False)
    if not result.citations:
        return
    console.print()
    for number, citation in enumerate(result.citations, start=1):
        where = one_line(citation.path) if citation.path else f"{citation.title} (not ours)"
        console.print(f"[{number}] {where}", markup=False, style="bold")
        console.print(f"    {_shortened(citation.text)}", markup=False)


def _shortened(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= PASSAGE_CHARS else flat[: PASSAGE_CHARS - 1].rstrip() + "…"
