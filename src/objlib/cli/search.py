"""objlib search"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from objlib import Library, SearchResult
from objlib.cli import terminal
from objlib.cli.errors import worded
from objlib.cli.manual import TALKS_TO_A_STORE, Manual
from objlib.cli.options import Invocation, common_options, filter_option, top_k_option
from objlib.cli.passages import open_file, print_answer, print_citation, print_line_between
from objlib.errors import ConfigurationError, ObjlibError

HISTORY_FILE = "search-history"
HISTORY_LINES = 1_000


@dataclass(frozen=True, slots=True)
class _How:
    """The wishes besides the question."""

    top_k: int | None
    metadata_filter: str | None
    opened: int | None


@click.command(
    "search",
    cls=Manual,
    exit_codes={1: "nothing was found, or the answer was blocked", **TALKS_TO_A_STORE},
    examples=[
        "objlib search nuclear power plants",
        'objlib search "How many mites mean that bees must be treated?" --top-k 3',
        'objlib search "keystone" --filter \'year >= 1 AND course = "The Craft of Bridges"\'',
    ],
    see_also=["ask", "metadata", "verify"],
)
@click.argument("query", nargs=-1)
@top_k_option
@filter_option
@click.option(
    "--open",
    "opened",
    type=int,
    is_flag=False,
    flag_value=1,
    metavar="N",
    help="Open the file of citation N, or of the first.",
)
@common_options
def command(
    invocation: Invocation,
    query: tuple[str, ...],
    top_k: int | None,
    metadata_filter: str | None,
    opened: int | None,
) -> int:
    """Search the store: passages that answer, and the files they are from.

    Every citation leads to a file of the library, by the path it has today. Without QUERY in a
    terminal it asks for one question after the other and keeps their history; a number opens the
    file of that citation.

    A filter compares metadata: =, !=, <, <=, >, >=, joined by AND and OR.
    """
    how = _How(top_k, metadata_filter, opened)
    question = " ".join(query)
    if not query and terminal.can_ask() and not invocation.json:
        with invocation.traced():
            return asyncio.run(_converse(invocation, how))
    if not question.strip():
        raise ConfigurationError("the question is empty")
    with invocation.traced():
        return asyncio.run(_search(invocation, question, how))


async def _search(invocation: Invocation, query: str, how: _How) -> int:
    settings = invocation.settings()
    invocation.name_the_store(settings)
    async with Library.open(settings=settings) as library:
        result = await _ask(invocation, library, query, how)
        root = (await library.bound()).root
    if invocation.json:
        terminal.say_json({"query": query, **asdict(result)})
    else:
        _print(invocation, result, query, root)
    if how.opened is not None:
        open_file(result.citations, how.opened, root)
    return 0 if result.is_backed else 1


async def _converse(invocation: Invocation, how: _How) -> int:
    """One question after the other, until the end of input."""
    settings = invocation.settings()
    invocation.name_the_store(settings)
    notices = invocation.notices()
    notices.say("A question, or the number of a citation to open its file; Ctrl-D ends")
    async with Library.open(settings=settings) as library:
        root = (await library.bound()).root
        result: SearchResult | None = None
        with _history(settings.db.parent / HISTORY_FILE):
            while (line := terminal.typed("? ")) is not None:
                if not line:
                    continue
                try:
                    if line.isdecimal() and result is not None:
                        open_file(result.citations, int(line), root)
                        continue
                    result = await _ask(invocation, library, line, how)
                    _print(invocation, result, line, root)
                except ObjlibError as error:
                    notices.say(f"objlib: {worded(error)}")
    return 0


async def _ask(invocation: Invocation, library: Library, query: str, how: _How) -> SearchResult:
    return await library.search(
        query,
        top_k=how.top_k,
        metadata_filter=how.metadata_filter,
        on_retry=invocation.says_that_it_waits,
    )


def _print(invocation: Invocation, result: SearchResult, query: str, root: Path) -> None:
    console = invocation.console()
    print_answer(console, result, result.answer)
    if not result.citations:
        return
    print_line_between(console, result.citations)
    for number, citation in enumerate(result.citations, start=1):
        print_citation(console, number, citation, root, query, passage=True)


@contextlib.contextmanager
def _history(path: Path) -> Iterator[None]:
    """Lines typed before are a key away, here and in the next session."""
    try:
        import readline
    except ImportError:  # not everywhere
        yield
        return
    with contextlib.suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(HISTORY_LINES)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            readline.write_history_file(path)
