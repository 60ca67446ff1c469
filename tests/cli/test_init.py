"""objlib init: a settings file to begin with."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from objlib.config import all_settings, load_settings
from tests.conftest import Cli


def test_the_file_explains_every_setting_and_changes_none(cli: Cli, workplace: Path) -> None:
    """As it is, and with every comment mark taken away."""
    assert cli("init").exit_code == 0
    text = (workplace / "objlib.toml").read_text()
    assert tomllib.loads(text) == {}
    settings = re.sub(r"^# (?=\w+ = )", "", text, flags=re.MULTILINE)
    assert tomllib.loads(settings).keys() == {setting.name for setting in all_settings()}
    (workplace / "objlib.toml").write_text(settings)
    loaded = load_settings(Path("objlib.toml"))
    unset = {"library", "base_url", "embedding_model", "tier", "requests_per_minute"}
    for setting in all_settings():
        name = setting.name
        assert setting.about.description
        if name not in unset and not name.endswith("_s"):  # the tests have waits of their own
            assert getattr(loaded, name) == setting.default


def test_the_library_it_is_told_is_used(cli: Cli, library: Path) -> None:
    """`objlib sync` needs no option after it."""
    assert cli("init", "--library", library).out.endswith("Next: objlib sync\n")
    assert cli("sync", "--yes").exit_code == 0


def test_a_script_is_told_where_the_file_is(cli: Cli, workplace: Path) -> None:
    """And what comes next."""
    said = cli("init", "--config", "talks.toml", "--json").json
    assert said == {"config": "talks.toml", "next": "objlib sync --library DIR"}
    assert (workplace / "talks.toml").is_file()


def test_a_file_that_is_there_is_left_alone(cli: Cli, workplace: Path) -> None:
    """No question, no loss."""
    (workplace / "objlib.toml").write_text('store = "mine"\n')
    outcome = cli("init")
    assert outcome.exit_code == 2
    assert "there already" in outcome.err
    assert (workplace / "objlib.toml").read_text() == 'store = "mine"\n'


def test_a_library_that_is_none_is_refused(cli: Cli, workplace: Path) -> None:
    """Before anything is written."""
    assert cli("init", "--library", "nowhere").exit_code == 2
    assert not (workplace / "objlib.toml").exists()
