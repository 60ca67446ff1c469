"""Write `docs/reference/` from the code: `python -m tools.reference`, or `make reference`.

Nothing in it is written by hand, and a test fails as long as it differs from what the code says.
"""

from __future__ import annotations

import inspect
import json
import re
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import click

from objlib import errors
from objlib.cli.errors import exit_code
from objlib.cli.main import COMMANDS, cli, main
from objlib.cli.manual import Manual, ManualGroup
from objlib.config import KEY_VARIABLES, all_settings
from objlib.states import TRANSITIONS, State

FOLDER = Path(__file__).parents[1] / "docs" / "reference"

_NOTICE = "<!-- Made from the code by `make reference`; what is written here is overwritten. -->"


def pages() -> dict[str, str]:
    """File name -> text of every page of the reference."""
    made = {
        "commands.md": _commands(),
        "settings.md": _settings(),
        "errors.md": _errors(),
        "states.md": _states(),
        "catalog.md": _catalog(),
    }
    return {name: f"{_NOTICE}\n\n{text.strip()}\n" for name, text in made.items()}


def _commands() -> str:
    top = click.Context(cli, info_name="objlib")
    common: set[str | None] = {option.name for option in cli.params}
    parts = [
        "# Commands",
        "`objlib COMMAND --help` says the same. `python -m objlib` is `objlib`.",
        "\n".join(f"- [`objlib {name}`](#objlib-{name}): {text}" for name, (_, text) in _named()),
        "## Options of every command",
        "They may stand before or after the command's name.",
        _options(cli, top, leave_out={"version"}),
    ]
    for name, _ in _named():
        command = cli.get_command(top, name)
        assert command is not None
        parts += _command(command, click.Context(command, info_name=name, parent=top), common)
    return "\n\n".join(parts)


def _named() -> Iterator[tuple[str, tuple[str, str]]]:
    yield from COMMANDS.items()


def _command(command: click.Command, context: click.Context, common: set[str | None]) -> list[str]:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    depth = "#" * (context.command_path.count(" ") + 1)
    parts = [f"{depth} {context.command_path}", f"```text\n{usage}\n```", *_help(command)]
    if own := _options(command, context, leave_out=common):
        parts.append(own)
    parts += _around(command)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            parts += _command(inner, click.Context(inner, info_name=name, parent=context), common)
    return parts


def _help(command: click.Command) -> Iterator[str]:
    """The paragraphs of a help text; those that click leaves as they are become blocks."""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if not paragraph.startswith("\b"):
            yield _escaped(" ".join(paragraph.split()))
            continue
        first, *lines = paragraph.removeprefix("\b").strip("\n").splitlines()
        if not lines or not first.endswith(":"):
            yield "```text\n" + "\n".join([first, *lines]) + "\n```"
        else:
            yield first
            yield "```text\n" + inspect.cleandoc("\n".join(["", *lines])) + "\n```"


def _around(command: click.Command) -> Iterator[str]:
    """What a page of the manual has besides: exit codes, examples, see also."""
    assert isinstance(command, Manual | ManualGroup)
    codes = (f"{code} {_escaped(what)}" for code, what in command.exit_codes.items())
    yield "Exit codes: " + "; ".join(codes) + "."
    yield "```text\n" + "\n".join(command.examples) + "\n```"
    if command.see_also:
        links = (
            f"[`objlib {name}`](#objlib-{name.replace(' ', '-')})" for name in command.see_also
        )
        yield f"See also {', '.join(links)}."


def _options(command: click.Command, context: click.Context, *, leave_out: set[str | None]) -> str:
    lines = []
    for option in command.get_params(context):
        if option is command.get_help_option(context) or option.name in leave_out:
            continue
        if isinstance(option, click.Option) and not option.hidden:
            record = option.get_help_record(context)
            assert record is not None
            lines.append(f"- `{record[0]}`: {_escaped(' '.join(record[1].split()))}")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Plain text as Markdown; what stands in backticks is code already."""
    pieces = text.split("`")
    pieces[::2] = [re.sub(r"([\\*_<\[\]])", r"\\\1", piece) for piece in pieces[::2]]
    return "`".join(pieces)


def _settings() -> str:
    lines = [
        "# Settings",
        "What an option says goes before the environment, that before `objlib.toml` in the current "
        "folder (or what `--config` names), that before "
        "`~/.config/objlib/objlib.toml`, and that before the default. `objlib init` writes the "
        "file with each setting explained; `objlib config show` says where each value comes from.",
        "In the environment its name has capitals and begins with `OBJLIB_`: `OBJLIB_STORE`.",
        "| setting | kind | default | |\n| --- | --- | --- | --- |",
    ]
    for setting in all_settings():
        default = "" if setting.default is None else f"`{_toml(setting.default)}`"
        description = _escaped(setting.about.description)
        lines[-1] += f"\n| `{setting.name}` | {_kind(setting.kind)} | {default} | {description} |"
    keys = " or ".join(f"`{variable}`" for variable in KEY_VARIABLES)
    lines += [
        f"The key is no setting and stands in no file: it comes from {keys}, or from the system's "
        "keyring. `GOOGLE_GEMINI_BASE_URL` stands for `base_url` where that is not set.",
    ]
    return "\n\n".join(lines)


_KINDS: dict[object, str] = {
    str: "text",
    Path: "path",
    int: "whole number",
    float: "number",
    bool: "true or false",
}


def _kind(annotation: Any) -> str:
    if annotation in _KINDS:
        return _KINDS[annotation]
    inner = [_argument for _argument in get_args(annotation) if _argument is not type(None)]
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{_toml(value)}`" for value in inner)
    if get_origin(annotation) is tuple:
        return "list of texts"
    if get_origin(annotation) is Mapping:
        return "table"
    if get_origin(annotation) is Union or type(annotation).__name__ == "UnionType":
        return _kind(inner[0])
    raise TypeError(f"{annotation} has no word in the reference yet")


def _toml(value: object) -> str:
    plain = str(value) if isinstance(value, Path) else value
    return json.dumps(list(plain) if isinstance(plain, tuple) else plain, ensure_ascii=False)


def _errors() -> str:
    head, _, rest = (errors.__doc__ or "").partition("\n\n")
    tree, _, close = rest.partition("\n\n")
    codes = re.findall(r"(\d+) ([^,.]+)[,.]", " ".join((main.__doc__ or "").split()))
    parts = [
        "# Exit codes and errors",
        "| exit code | means |\n| --- | --- |\n"
        + "\n".join(f"| {code} | {meaning} |" for code, meaning in codes),
        "An error is one line that begins with `objlib: `; "
        "[troubleshooting](../troubleshooting.md) explains each. With `-vv` a "
        "traceback comes with it.",
        "## Classes",
        " ".join(head.split()),
        f"```text\n{inspect.cleandoc(tree)}\n```",
        " ".join(close.split()),
    ]
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.ObjlibError):
            about = " ".join((kind.__doc__ or "").split())
            parts.append(f"- `{name}` (exit code {exit_code(kind)}): {_escaped(about)}")
    first = next(index for index, part in enumerate(parts) if part.startswith("- "))
    return "\n\n".join([*parts[:first], "\n".join(parts[first:])])


def _states() -> str:
    rows = [f"| {before} | {event} | {after} |" for (before, event), after in TRANSITIONS.items()]
    width = max(len(event) for _, event in TRANSITIONS)
    drawing: list[str] = []
    for state in State:
        moves = [
            (event, after) for (before, event), after in TRANSITIONS.items() if before == state
        ]
        drawing.append(str(state))
        for number, (event, after) in enumerate(moves, 1):
            corner = "└" if number == len(moves) else "├"
            drawing.append(f"  {corner}─ {event} {'─' * (width - len(event))}─> {after}")
    return "\n\n".join(
        [
            "# States of a file",
            "[The life of a file](../state-machine.md) explains them. Nothing else can happen: "
            "triggers made from this table make the catalog refuse it.",
            "```text\n" + "\n".join(drawing) + "\n```",
            "| from | event | to |\n| --- | --- | --- |\n" + "\n".join(rows),
        ]
    )


_COLUMN = re.compile(r"^    (\w+) +([A-Z]+)\b[^\n]*?(?:-- (.*))?$", re.MULTILINE)


def _catalog() -> str:
    script = resources.files("objlib.catalog.sqlite").joinpath("schema.sql").read_text("utf-8")
    parts = [
        "# Tables of the catalog",
        "The catalog is a SQLite database, `data/library.db` unless `--db` names another. Read it "
        "with whatever reads SQLite; leave writing to objlib, which guards it by triggers.",
    ]
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(script)
        tables = [
            str(row[0])
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for table in tables:
            declaration = script.partition(f"CREATE TABLE {table} (")[2].partition("\n);")[0]
            said = {name: about for name, _, about in _COLUMN.findall(declaration)}
            parts.append(f"## {table}")
            lines = ["| column | type | |", "| --- | --- | --- |"]
            for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({table})"):
                about = said.get(name, "").replace("|", "or")
                lines.append(f"| `{name}` | {kind} | {_escaped(about)} |".replace("|  |", "| |"))
            parts.append("\n".join(lines))
    return "\n\n".join(parts)


def write() -> None:
    """Write every page, and remove those that are no longer made."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = pages()
    for name, text in made.items():
        (FOLDER / name).write_text(text, "utf-8")
    for stray in FOLDER.glob("*.md"):
        if stray.name not in made:
            stray.unlink()
    sys.stdout.write(f"Wrote {len(made)} pages\n")


if __name__ == "__main__":
    write()
