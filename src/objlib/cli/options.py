"""The options every command takes, before or after its name; and those that several take."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import click

from objlib.cli import logs, terminal
from objlib.errors import ConfigurationError, RateLimited

if TYPE_CHECKING:
    from objlib import MaxDelete
    from objlib.cli.screen import Screen
    from objlib.config import Settings


@dataclass(slots=True)
class Invocation:
    """The options of a call, said before or after the command, and its outputs."""

    said: dict[str, Any] = field(default_factory=dict)

    def hear(self, **options: Any) -> None:
        """Take note of options; what is said later (after the command's name) wins."""
        self.said.update({name: value for name, value in options.items() if value is not None})

    @property
    def json(self) -> bool:
        """True if the result goes to standard output as one JSON document."""
        return bool(self.said.get("as_json"))

    @property
    def quiet(self) -> bool:
        """True if only results and errors are shown."""
        return bool(self.said.get("quiet"))

    @property
    def verbosity(self) -> int:
        """The number of times that -v was given."""
        return int(self.said.get("verbose") or 0)

    @property
    def log_json(self) -> bool:
        """True if standard error is for a machine: JSON lines, and nobody to ask."""
        return bool(self.said.get("log_json"))

    def settings(self, **flags: Any) -> Settings:
        """The settings of this invocation, flags on top."""
        from objlib.config import load_settings

        db = self.said.get("db")
        store = self.said.get("store")
        return load_settings(self.said.get("config"), db=db, store=store, **flags)

    def traced(self) -> AbstractContextManager[None]:
        """Around what talks to a store: a span, where telemetry is wanted."""
        from objlib import telemetry

        def warn(line: str) -> None:
            self.notices().say(line)

        return telemetry.traced(click.get_current_context().command_path, warn)

    def name_the_store(self, settings: Settings) -> None:
        """The first line of every command that talks to a store says which one."""
        from objlib.service.servers import description

        self.notices().say(f"Store: {description(settings)}")

    def says_that_it_waits(self, error: Exception, attempt: int, wait_s: float) -> None:
        """Say that the store refuses for now, and when it is asked again."""
        what = "too many requests" if isinstance(error, RateLimited) else "no answer"
        again = f"asking again in {max(1, round(wait_s))} s"
        self.notices().say(f"The store is busy ({what}, attempt {attempt}); {again}")

    def console(self) -> Screen:
        """Standard output, for results."""
        from objlib.cli.screen import Screen

        return Screen()

    def notices(self) -> Screen:
        """Standard error, for everything that is not a result."""
        from objlib.cli.screen import Screen

        if self.log_json:
            lines = cast(IO[str], logs.NoticesAsJson())
            return Screen(file=lines, force_terminal=False, quiet=self.quiet)
        return Screen(is_for_notices=True, quiet=self.quiet)

    def ask(self) -> None:
        """Ask whether to go on.

        Raises:
            ConfigurationError: there is nobody to ask.
            click.Abort: the answer was no.
        """
        if self.json or self.log_json or not terminal.can_ask():
            raise ConfigurationError(
                "there is nobody to ask; say --yes to go on, or --dry-run to look"
            )
        terminal.ask_to_go_on("Go on?")

    async def question(self, settings: Settings, accept_home: bool) -> None:
        """Ask whether a home directory or a whole disk is to be a library; once, for each.

        Raises:
            ConfigurationError: there is nobody to ask.
            click.Abort: the answer was no.
        """
        from objlib.service.homes import question_about

        problem = None if accept_home else await question_about(settings)
        if problem is None:
            return
        if self.json or self.log_json or not terminal.can_ask():
            raise problem
        terminal.ask_to_go_on(f"{problem}. Go on?")


def common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the global options to a command, or to the group."""

    @click.option(
        "--db",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The catalog [data/library.db].",
    )
    @click.option("--store", metavar="NAME", help="The store's display name [objectivism-library].")
    @click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The settings [objlib.toml, where there is one].",
    )
    @click.option(
        "--json",
        "as_json",
        is_flag=True,
        default=None,
        help="The result as one JSON document on standard output.",
    )
    @click.option(
        "-v", "--verbose", count=True, default=None, help="Say more; -vv shows tracebacks."
    )
    @click.option(
        "-q", "--quiet", is_flag=True, default=None, help="Say nothing but results and errors."
    )
    @click.option(
        logs.JSON_OPTION,
        "log_json",
        is_flag=True,
        default=None,
        envvar=logs.JSON_VARIABLE,
        help="Notices and errors as JSON lines.",
    )
    @click.pass_context
    @functools.wraps(function)
    def wrapper(ctx: click.Context, /, **options: Any) -> Any:
        invocation = ctx.ensure_object(Invocation)
        names = ("db", "store", "config", "as_json", "verbose", "quiet", "log_json")
        invocation.hear(**{name: options.pop(name) for name in names})
        logs.set_up(invocation.verbosity, as_json=invocation.log_json)
        if isinstance(ctx.command, click.Group):
            return function(**options)
        return function(invocation, **options)

    return wrapper


# What several commands take

top_k_option = click.option(
    "--top-k",
    metavar="N",
    type=click.IntRange(1, 100),
    help="About how many passages to look for [5].",
)
filter_option = click.option(
    "--filter",
    "metadata_filter",
    metavar="FILTER",
    help="Only in files with such metadata, for instance 'year > 1960'.",
)


def _max_delete(_ctx: click.Context, _parameter: click.Parameter, text: str) -> MaxDelete:
    from objlib import MaxDelete  # with it comes the catalog

    try:
        return MaxDelete.parse(text)
    except ConfigurationError as error:
        message = f"--max-delete takes a count or a percentage, not {text!r}"
        raise ConfigurationError(message) from error


new_library_option = click.option(
    "--new-library",
    is_flag=True,
    help="Send also what the store has under another library's id; that is remembered.",
)
new_store_option = click.option(
    "--new-store",
    is_flag=True,
    help="The store is gone: upload everything into a new one.",
)
yes_option = click.option("--yes", is_flag=True, help="Go on without asking, as a script must.")
hidden_option = click.option(
    "--hidden", is_flag=True, default=None, help="Take in hidden files and folders, too."
)
exclude_option = click.option(
    "--exclude",
    metavar="PATTERN",
    multiple=True,
    help="Leave out what matches, this time only; written as in .objlibignore.",
)
include_option = click.option(
    "--include",
    metavar="PATTERN",
    multiple=True,
    help="Take only what matches, this time.",
)
max_size_option = click.option(
    "--max-size", metavar="SIZE", help="Leave out larger files, this time only: 500k, 10M, 1.5G."
)
max_delete_option = click.option(
    "--max-delete",
    callback=_max_delete,
    metavar="AMOUNT",
    default="10%",
    help="Delete nothing if more documents than that would go: a count or a share [10%].",
)
checksum_option = click.option(
    "--checksum",
    is_flag=True,
    help="Read every file, whatever its size and times say.",
)
accept_home_option = click.option(
    "--accept-home",
    is_flag=True,
    help="The library is a home directory or a whole disk, and that is right.",
)
accept_device_option = click.option(
    "--accept-device",
    is_flag=True,
    help="The library lies on another disk than last time, and that is right.",
)
tier_option = click.option(
    "--tier",
    type=click.Choice(["free", "1", "2", "3"]),
    help="Your quota tier at Google [the rate is found out].",
)
