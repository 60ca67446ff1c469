"""objlib config show"""

from __future__ import annotations

from pathlib import Path

import click

from objlib.cli import terminal
from objlib.cli.manual import Manual, ManualGroup
from objlib.cli.options import Invocation, common_options
from objlib.config import CONFIG_FILE, key_origin, origins, shown, trust


@click.group(
    "config",
    cls=ManualGroup,
    examples=[
        "objlib config show",
        "objlib config trust",
    ],
    see_also=["init"],
)
def command() -> None:
    """Show the settings and where each one comes from, and say which file is yours."""


@command.command(
    "show",
    cls=Manual,
    examples=[
        "objlib config show",
        "OBJLIB_STORE=talks objlib config show --json",
    ],
    see_also=["init"],
)
@common_options
def show(invocation: Invocation) -> int:
    """Show every setting, its value, and where the value comes from.

    Options go before OBJLIB_* in the environment, that before objlib.toml in this folder, that
    before ~/.config/objlib/objlib.toml, and that before the defaults. The key is never shown, only
    where it is found, and addresses are shown without their user and password.
    """
    settings = invocation.settings()
    said = {name: invocation.said.get(name) for name in ("db", "store")}
    where = origins(invocation.said.get("config"), said)
    values = shown(settings)
    key = key_origin(settings)
    if invocation.json:
        each = {name: {"value": values[name], "from": where[name]} for name in values}
        terminal.say_json({"settings": each, "key": key})
        return 0
    console = invocation.console()
    width = max(map(len, values))
    for name, value in values.items():
        text = "-" if value is None else str(value)
        style = "dim" if where[name] == "default" else None
        line = f"{name:<{width}}  {text}  ({where[name]})"
        console.say(line, style=style, whole=True)
    console.say(f"{'key':<{width}}  {'from ' + key if key else 'none'}")
    return 0


@command.command(
    "trust",
    cls=Manual,
    examples=[
        "objlib config trust",
    ],
    see_also=["config show", "init"],
)
@common_options
def trust_file(invocation: Invocation) -> int:
    """Say that the settings file in this folder, or the one of --config, is yours.

    A file that is merely found may have come with a library that somebody sent, so it may set no
    more than how texts are described and how fast they go. One that you trust may set everything,
    from now on, whatever it says later. `objlib init` trusts what it writes.
    """
    path = Path(invocation.said.get("config") or CONFIG_FILE)
    reserved = trust(path)
    if invocation.json:
        terminal.say_json({"trusted": str(path.resolve()), "sets": reserved})
        return 0
    what = f"; it sets {', '.join(reserved)}" if reserved else ""
    invocation.console().say(f"Trusted from now on: {path.resolve()}{what}", whole=True)
    return 0
