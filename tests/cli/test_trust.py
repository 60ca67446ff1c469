"""A library that somebody sent must not lead the key away."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from objlib.config import ANYBODY_MAY_SET, all_settings
from tests.conftest import Cli

#: A value for each setting, as a file would say it.
VALUES = {
    "base_url": '"https://example.com"',
    "follow_links_to": '["/"]',
    "library": '"/home/somebody"',
    "store": '"another"',
    "model": '"a-dear-one"',
    "embedding_model": '"a-dear-one"',
    "db": '"/home/somebody/data/library.db"',
    "tier": '"1"',
    "templates": '["{title}{ext}"]',
    "requests_per_minute": "60.0",
}
DEFAULTS = {setting.name: setting.default for setting in all_settings()}
SETTINGS = sorted(DEFAULTS)


def line_of(name: str) -> str:
    """A line that sets it."""
    default = DEFAULTS[name]
    return f"{name} = {VALUES.get(name) or json.dumps(default)}\n"


@pytest.mark.parametrize("name", [name for name in SETTINGS if name not in ANYBODY_MAY_SET])
def test_a_settings_file_that_is_merely_found_may_not_lead_away(
    cli: Cli, library: Path, name: str
) -> None:
    """One line names file, setting and the ways; nothing is scanned, made or sent."""
    Path("objlib.toml").write_text(line_of(name))

    for arguments in (["status"], ["scan", "--library", library], ["config", "show"]):
        outcome = cli(*arguments)
        assert outcome.exit_code == 2
        assert outcome.err.count("\n") == 1
        assert f"objlib.toml sets {name!r}" in outcome.err
        assert f"OBJLIB_{name.upper()}" in outcome.err
        assert "objlib config trust" in outcome.err
    assert not Path("data").exists()


@pytest.mark.parametrize("name", sorted(ANYBODY_MAY_SET))
def test_a_settings_file_that_is_merely_found_may_say_what_harms_nobody(
    cli: Cli, workplace: Path, name: str
) -> None:
    """How texts are described, and how fast they go."""
    Path("objlib.toml").write_text(line_of(name))
    assert cli("config", "show", "--json").json["settings"][name]["from"] == "objlib.toml"


def test_the_users_own_files_may_set_everything(cli: Cli, library: Path, workplace: Path) -> None:
    """One that was named, one that was trusted, the one in the user's folder, one of `init`."""
    text = "".join(line_of(name) for name in SETTINGS)
    Path("objlib.toml").write_text(text)

    def origin(*arguments: str) -> str:
        shown = cli("config", "show", "--json", *arguments)
        return str(shown.json["settings"]["store"]["from"]) if shown.out else shown.err

    refused = origin()
    assert all(repr(name) in refused for name in SETTINGS if name not in ANYBODY_MAY_SET)
    assert origin("--config", "objlib.toml") == "objlib.toml"
    trusted = cli("config", "trust")
    assert trusted.exit_code == 0
    assert "base_url" in trusted.out
    assert origin() == "objlib.toml"
    Path("objlib.toml").unlink()
    own = workplace / ".config" / "objlib" / "objlib.toml"
    own.write_text('store = "of mine"\n')
    assert origin() == str(own)
    with contextlib.chdir(own.parent):  # found there, it is still the user's own
        own.write_text('model = "gemini-x"\n')
        assert cli("config", "show").exit_code == 0
        own.write_text('store = "of mine"\n')
    Path("objlib.toml").write_text("concurrency = 2\n")
    assert origin() == str(own)
    Path("objlib.toml").unlink()
    own.unlink()
    cli("init", "--library", library)
    assert cli("scan").exit_code == 0


def test_a_copy_of_a_trusted_file_is_not_trusted(cli: Cli, workplace: Path) -> None:
    """Trust is in the place; a name with a line break forges no other."""
    for folder in ("mine", 'sent\n"', "sent"):
        (workplace / folder).mkdir()
        (workplace / folder / "objlib.toml").write_text('store = "s"\n')
    assert cli("--config", workplace / "mine" / "objlib.toml", "config", "trust").exit_code == 0
    assert cli("--config", workplace / 'sent\n"' / "objlib.toml", "config", "trust").exit_code == 0
    for folder, code in (("mine", 0), ('sent\n"', 0), ("sent", 2)):
        with contextlib.chdir(workplace / folder):
            assert cli("config", "show").exit_code == code
    assert cli("config", "trust").exit_code == 2


def test_without_a_home_nobody_is_trusted(
    cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder named "~" in a library is no home."""
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.setattr(Path, "expanduser", _no_home)
    own = workplace / "~" / ".config" / "objlib"
    own.mkdir(parents=True)
    (own / "objlib.toml").write_text('store = "s"\n')
    assert cli("config", "show", "--json").json["settings"]["store"]["from"] == "default"
    Path("objlib.toml").write_text('store = "s"\n')
    assert cli("config", "trust").exit_code == 2
    assert cli("config", "show").exit_code == 2


def _no_home(path: Path) -> Path:
    if path.parts[:1] == ("~",):
        raise RuntimeError("Could not determine home directory.")
    return path


@pytest.mark.parametrize("host", ["files.example.com", "10.0.0.7:8000", "127.0.0.1.example.com"])
def test_no_key_goes_over_plain_http(
    cli: Cli, library: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """Beyond this machine everybody on the way could read it."""
    monkeypatch.setenv("GEMINI_API_KEY", "a-key-of-nobody")
    monkeypatch.setenv("OBJLIB_BASE_URL", f"http://{host}")

    outcome = cli("sync", "--library", library, "--yes")

    assert outcome.exit_code == 2
    assert "unencrypted" in outcome.err


@pytest.mark.parametrize("command", ["search", "ask"])
def test_a_document_cannot_steer_the_terminal(cli: Cli, library: Path, command: str) -> None:
    """Colour, title, clipboard, cursor and bidi controls of a text are shown, not obeyed."""
    hostile = "Quinces \x1b]0;owned\x07 \x1b[2J \x9b31m \u202egnp.exe \u2066 ripen in lofts late."
    (library / "Quinces.md").write_text(hostile, encoding="utf-8")
    cli("sync", "--library", library, "--yes")

    outcome = cli(command, "Where do quinces ripen late?")

    assert "uinces" in outcome.out
    controls = "\x1b\x07\x9b\r\u202e\u2066"
    assert not [one for one in outcome.out + outcome.err if one in controls]
