"""What is secret is in no output and no catalog."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.servers import server
from tests.conftest import Cli, Query


@pytest.mark.parametrize(
    "key", ["AIzaSy\nsecretsecret", "AIzaSy\x1bsecretsecret", "AIzaSy\u2028secret"]
)
def test_a_key_that_cannot_be_sent_is_refused_unseen(
    cli: Cli, library: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """One line that names where it came from, before anything is sent."""
    cli("scan", "--library", library)
    monkeypatch.setenv("GEMINI_API_KEY", key)
    for arguments in (["fsm-upload"], ["fsm-upload", "-vv"], ["config", "show"]):
        outcome = cli(*arguments)
        assert "secret" not in outcome.out + outcome.err
        assert "AIza" not in outcome.out + outcome.err
    assert "GEMINI_API_KEY" in cli("fsm-upload").err
    assert cli("fsm-upload").exit_code == 2


def test_user_and_password_of_an_address_are_neither_shown_nor_stored(
    cli: Cli, library: Path, rows: Query, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a catalog that stored them once forgets them."""
    with server(workplace / "filestore.db") as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url.replace("//", "//somebody:hunter2@"))
        cli("scan", "--library", library)
        outcome = cli("fsm-upload", "-vv")
        assert outcome.exit_code == 0, outcome.err
        assert "hunter2" not in outcome.out + outcome.err
        assert rows("SELECT value FROM catalog_info WHERE key = 'backend'") == [(url,)]
        stored = url.replace("//", "//somebody:hunter2@")
        rows("UPDATE catalog_info SET value = ? WHERE key = 'backend'", stored)
        assert cli("store-sync").exit_code == 0
        assert rows("SELECT value FROM catalog_info WHERE key = 'backend'") == [(url,)]
