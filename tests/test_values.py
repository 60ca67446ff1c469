"""How values of files and of the environment become those of settings."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.values import About, Setting

Kind = Literal["free", "1"]


def setting(kind: Any, **bounds: float) -> Setting:
    """A setting of some kind."""
    return Setting.of("one", Annotated[kind, About("It is one.", **bounds)], None)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (str, "a", "a"),
        (str | None, None, None),
        (Path, "a/b", Path("a/b")),
        (Path | None, Path("a"), Path("a")),
        (bool, "Yes", True),
        (bool, " off ", False),
        (bool, 1, True),
        (bool, False, False),
        (int, "8", 8),
        (int, 8.0, 8),
        (float, "0.5", 0.5),
        (float, 3, 3.0),
        (float | None, "60", 60.0),
        (Kind | None, "1", "1"),
        (tuple[str, ...], ["a", "b"], ("a", "b")),
        (tuple[Path, ...], ("a",), (Path("a"),)),
    ],
)
def test_a_value_becomes_what_the_setting_is(kind: Any, value: object, expected: object) -> None:
    """In kind as in worth: `True` is not 1, and 8 is no float."""
    found = setting(kind).converted(value)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (str, 3, "it must be a text"),
        (str, "", "it must not be empty"),
        (str, None, "it must be a text"),
        (Path, 3, "it must be a path"),
        (Path, "a\0b", "it must be a path"),
        (bool, "maybe", "it must be true or false"),
        (bool, 2, "it must be true or false"),
        (bool, 1.0, "it must be true or false"),
        (int, "lots", "it must be a whole number"),
        (int, 2.5, "it must be a whole number"),
        (int, True, "it must be a whole number"),
        (int, "1e400", "it must be a whole number"),
        (float, "nan", "it must be a number"),
        (float, "inf", "it must be a number"),
        (float, 10**400, "it must be a number"),
        (float, [1], "it must be a number"),
        (Kind, "2", 'it must be one of "free", "1"'),
        (Kind, 1, 'it must be one of "free", "1"'),
        (Kind, ["1"], 'it must be one of "free", "1"'),
        (tuple[str, ...], "a", "it must be a list"),
        (tuple[str, ...], [1], "it must be a text"),
    ],
)
def test_a_wrong_value_is_answered_with_what_it_must_be(
    kind: Any, value: object, message: str
) -> None:
    """Never with Python's own words."""
    with pytest.raises(ValueError) as raised:
        setting(kind).converted(value)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("bounds", "right", "wrong", "message"),
    [
        ({"least": 1}, 1, 0, "it must be 1 or more"),
        ({"above": 0}, 0.1, 0, "it must be more than 0"),
        ({"most": 1000}, 1000, 1000.5, "it must be 1000 or less"),
    ],
)
def test_bounds_hold(bounds: dict[str, float], right: float, wrong: float, message: str) -> None:
    """Each end by itself."""
    assert setting(float, **bounds).converted(right) == right
    with pytest.raises(ValueError) as raised:
        setting(float | None, **bounds).converted(wrong)
    assert str(raised.value) == message


def test_a_list_of_the_environment_is_json() -> None:
    """Anything else is refused with an example; texts of other kinds are left as they are."""
    paths = setting(tuple[Path, ...])
    assert paths.converted(paths.parsed('["a", "b"]')) == (Path("a"), Path("b"))
    with pytest.raises(ValueError, match="in the environment a list is written as JSON: OBJLIB_"):
        paths.parsed("a, b")
    assert setting(str).parsed("[1]") == "[1]"


_KINDS = st.sampled_from(
    [str, Path, bool, int, float, Kind, tuple[str, ...], tuple[Path, ...], str | None, float | None]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)


@given(_KINDS, _VALUES)
def test_no_value_is_a_bug(kind: Any, value: object) -> None:
    """Whatever TOML can say is a value of the kind, or a `ValueError`; converting twice is once."""
    one = setting(kind)
    try:
        found = one.converted(value)
    except ValueError:
        return
    assert one.converted(found) == found
    assert not (isinstance(found, float) and not math.isfinite(found))


@given(st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6))
def test_numbers_survive_being_written_down(number: float) -> None:
    """What `config show --json` writes is what the environment reads."""
    assert setting(float).converted(json.dumps(number)) == number
