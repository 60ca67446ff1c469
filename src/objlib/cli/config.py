"""objlib config show"""

from __future__ import annotations

import click

from objlib.cli import terminal
from objlib.cli.manual import Manual, ManualGroup
from objlib.cli.options import Invocation, common_options
from objlib.config import key_origin, origins, shown


@click.group(
    "config",
    cls=ManualGroup,
    examples=[
        "objlib config show",
    ],
    see_also=["init"],
)
def command() -> None:
    """Show the settings and where each one comes from."""


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

    Options go before OBJLIB_* in the environment, that before objlib.toml, and that before the
    defaults. The key is never shown, only where it is found, and addresses are shown without their
    user and password.
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
