"""`--help` as a page of a manual: what a command does, its options, exit codes, examples, see also.

The parts are given to the command, not written into its docstring, so that tests can run the
examples and the reference can be made from them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

#: What exit codes mean where a command does not say more about them.
EXIT_CODES: Mapping[int, str] = {
    0: "done",
    2: "wrong usage or configuration; the message says what to change",
}
TALKS_TO_A_STORE: Mapping[int, str] = {
    3: "the store cannot be reached, or refuses the key",
}
CAN_BE_INTERRUPTED: Mapping[int, str] = {
    130: "interrupted; the next run goes on from there",
}

#: Wider lines are hard to read; narrower ones have what is explained above its explanation.
_WIDEST, _NARROW = 100, 64


class _Page(click.HelpFormatter):
    """Fits the terminal, from 40 columns on."""

    def __init__(self) -> None:
        columns = shutil.get_terminal_size().columns
        super().__init__(width=max(30, min(columns, _WIDEST) - 2))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        super().write_dl([*rows], 4 if self.width < _NARROW else col_max, col_spacing)


class _Manual(click.Command):
    """The part that commands and groups have in common."""

    def __init__(
        self,
        *arguments: Any,
        examples: Sequence[str] = (),
        exit_codes: Mapping[int, str] = {},
        see_also: Sequence[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        #: Lines that can be typed as they stand.
        self.examples = tuple(examples)
        self.exit_codes = dict(sorted({**EXIT_CODES, **exit_codes}.items()))
        #: Names of commands.
        self.see_also = tuple(see_also)

    def get_help(self, ctx: click.Context) -> str:
        page = _Page()
        self.format_help(ctx, page)
        return page.getvalue().rstrip("\n")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        shared = {parameter.name for parameter in ctx.find_root().command.params}
        help_names = set(ctx.help_option_names)
        own: list[tuple[str, str]] = []
        common: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                is_shared = parameter.name in shared or help_names & {*parameter.opts}
                is_common = ctx.parent is not None and is_shared
                (common if is_common else own).append(record)
        for title, records in (("Options", own), ("Options of every command", common)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), what) for code, what in self.exit_codes.items()])
        if self.examples:
            with formatter.section("Examples"):
                # Never wrapped: they are there to be copied.
                formatter.write("".join(f"  {line}\n" for line in self.examples))
        if self.see_also:
            with formatter.section("See also"):
                formatter.write_text(", ".join(f"objlib {name}" for name in self.see_also))


class Manual(_Manual):
    """A command with a page of its own."""


class ManualGroup(_Manual, click.Group):
    """A command that is a family of commands."""
