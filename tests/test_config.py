"""Where settings come from, and what they may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from objlib.config import Settings, all_settings, load_settings, origins, shown
from objlib.errors import ConfigurationError


def test_what_is_said_by_an_option_goes_first_then_the_environment_then_the_file(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a variable counts in any case of its letters."""
    (workplace / "objlib.toml").write_text('store = "a"\nmodel = "b"\nconcurrency = 3\n')
    monkeypatch.setenv("objlib_Concurrency", "4")
    monkeypatch.setenv("OBJLIB_STORE", "c")
    settings = load_settings(Path("objlib.toml"), store="d", db=None)
    assert (settings.store, settings.concurrency, settings.model) == ("d", 4, "b")
    where = origins(Path("objlib.toml"), {"store": "d", "db": None})
    assert [where[name] for name in ("store", "concurrency", "model", "db")] == [
        "option",
        "OBJLIB_CONCURRENCY",
        "objlib.toml",
        "default",
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("concurrency = true", "concurrency"),
        ("concurrency = []", "concurrency"),
        ("db = {a = 1}", "db"),
        ("tier = 1", "tier"),
        ("stagger_s = nan", "stagger_s"),
        ('templates = "{title}"', "templates"),
        ('db = "a\\u0000b"', "db"),
        ("semantic = 1979-05-27", "semantic"),
        ('store = ""', "store"),
    ],
)
def test_a_value_of_another_kind_is_refused_by_name_and_place(
    workplace: Path, text: str, name: str
) -> None:
    """Whatever TOML can say."""
    (workplace / "objlib.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=f"the setting '{name}', from objlib.toml: it "):
        load_settings(Path("objlib.toml"))


def test_settings_that_a_program_makes_are_held_to_the_same_rules() -> None:
    """A bad number does not get as far as a run; the environment does not count."""
    assert Settings(concurrency=3).concurrency == 3
    with pytest.raises(ConfigurationError, match="the setting 'concurrency': it must be 1 or more"):
        Settings(concurrency=0)


def test_an_unknown_keyword_is_a_type_error() -> None:
    """As that of any call."""
    with pytest.raises(TypeError, match="concurency"):
        load_settings(concurency=3)


def test_a_variable_that_is_no_setting_is_left_alone(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some belong to other things, `OBJLIB_LOG_JSON` for one."""
    monkeypatch.setenv("OBJLIB_WHATEVER", "1")
    assert load_settings().store == "objectivism-library"


def test_every_setting_is_shown_as_json_has_it() -> None:
    """Paths as texts, lists as lists, no setting left out."""
    values = shown(Settings(follow_links_to=(Path("a"),)))
    assert list(values) == [one.name for one in all_settings()]
    assert values["follow_links_to"] == ["a"]
    assert values["db"] == "data/library.db"
