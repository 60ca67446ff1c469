"""A library that somebody sent must not lead the key away."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Cli


@pytest.mark.parametrize("setting", ['base_url = "https://example.com"', 'follow_links_to = ["/"]'])
def test_a_settings_file_that_is_merely_found_may_not_lead_away(
    cli: Cli, library: Path, setting: str
) -> None:
    """One line names file, setting and the way; a file that was named is the user's own."""
    Path("objlib.toml").write_text(setting + "\n")

    outcome = cli("status")

    name = setting.partition(" ")[0]
    assert outcome.exit_code == 2
    assert f"objlib.toml sets {name!r}" in outcome.err
    assert f"OBJLIB_{name.upper()}" in outcome.err
    assert cli("--config", "objlib.toml", "config", "show").exit_code == 0


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
