"""objlib init"""

from __future__ import annotations

import json
from pathlib import Path

import click

from objlib.cli import terminal
from objlib.cli.manual import Manual
from objlib.cli.options import Invocation, common_options
from objlib.config import CONFIG_FILE, all_settings, trust
from objlib.errors import ConfigurationError
from objlib.service.files import check_folder

_HEAD = """\
# Settings of objlib. What is commented out has the value that is shown.
# OBJLIB_<NAME> in the environment goes before this file, and options go before both. The key is no
# setting: it comes from GEMINI_API_KEY, or from the system's keyring.
"""

#: What a setting without a value would look like with one.
_EXAMPLES = {
    "library": "/home/ada/Lectures",
    "base_url": "http://127.0.0.1:8471",
    "embedding_model": "gemini-embedding-2",
    "tier": "1",
    "requests_per_minute": 600.0,
}


@click.command(
    "init",
    cls=Manual,
    examples=[
        "objlib init --library ~/Lectures",
        "objlib init --config talks.toml",
    ],
    see_also=["config show", "sync"],
)
@click.option(
    "--library",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The library's folder; written into the file.",
)
@common_options
def command(invocation: Invocation, library: Path | None) -> int:
    """Write a settings file with every setting explained.

    The file is objlib.toml in this folder, or wherever --config says. Each setting is there with a
    line about it and its default, commented out; change what you want to be otherwise. An existing
    file is left alone.
    """
    path = Path(invocation.said.get("config") or CONFIG_FILE)
    if library is not None:
        check_folder(library)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(_text(library))
    except FileExistsError as error:
        raise ConfigurationError(f"{path} is there already; nothing was changed") from error
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error
    try:
        trust(path)
    except ConfigurationError as error:
        invocation.notices().say(f"{error}; name the settings with --config")
    following = "objlib sync" if library else "objlib sync --library DIR"
    if invocation.json:
        terminal.say_json({"config": str(path), "next": following})
        return 0
    invocation.console().say(f"Wrote {path}")
    invocation.console().say(f"Next: {following}")
    return 0


def _text(library: Path | None) -> str:
    parts = [_HEAD]
    for setting in all_settings():
        name = setting.name
        is_chosen = name == "library" and library is not None
        value = str(library.resolve()) if is_chosen and library else setting.default
        shown = _EXAMPLES.get(name) if value is None else value
        mark = "" if is_chosen else "# "
        parts.append(f"# {setting.about.description}\n{mark}{name} = {_toml(shown)}\n")
    return "\n".join(parts)


def _toml(value: object) -> str:
    """A value as TOML; for these types that is how JSON writes it."""
    plain = str(value) if isinstance(value, Path) else value
    return json.dumps(list(plain) if isinstance(plain, tuple) else plain, ensure_ascii=False)
