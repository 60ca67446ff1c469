"""objlib ask"""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click

from objlib import Library
from objlib.cli import terminal
from objlib.cli.manual import TALKS_TO_A_STORE, Manual
from objlib.cli.options import Invocation, common_options, filter_option, top_k_option
from objlib.cli.passages import print_answer, print_citation, print_line_between
from objlib.errors import ConfigurationError


@click.command(
    "ask",
    cls=Manual,
    exit_codes={1: "no file backs the answer, or it was blocked", **TALKS_TO_A_STORE},
    examples=[
        'objlib ask "Why does an arch stand?"',
    ],
    see_also=["search"],
)
@click.argument("question", nargs=-1, required=True)
@top_k_option
@filter_option
@common_options
def command(
    invocation: Invocation,
    question: tuple[str, ...],
    top_k: int | None,
    metadata_filter: str | None,
) -> int:
    """Ask the model that reads the store; each statement bears the number of its source.

    What has no number is not backed by any file. The embedded store has no model: there the answer
    is made of sentences that answer best.
    """
    asked = " ".join(question)
    if not asked.strip():
        raise ConfigurationError("the question is empty")
    with invocation.traced():
        return asyncio.run(_ask(invocation, asked, top_k, metadata_filter))


async def _ask(
    invocation: Invocation, question: str, top_k: int | None, metadata_filter: str | None
) -> int:
    settings = invocation.settings()
    invocation.name_the_store(settings)
    async with Library.open(settings=settings) as library:
        result = await library.ask(
            question,
            top_k=top_k,
            metadata_filter=metadata_filter,
            on_retry=invocation.says_that_it_waits,
        )
        root = (await library.bound()).root
    if invocation.json:
        terminal.say_json({"question": question, **asdict(result)})
        return 0 if result.is_backed else 1
    console = invocation.console()
    print_answer(console, result, result.cited_answer)
    if result.citations:
        print_line_between(console, result.citations)
    for number, citation in enumerate(result.citations, start=1):
        print_citation(console, number, citation, root, question, passage=False)
    return 0 if result.is_backed else 1
