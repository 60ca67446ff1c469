"""What is sent about a file: sidecar before front matter before path, with kinds kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from objlib.library.described import (
    FRONT_MATTER,
    PATH,
    SIDECAR,
    SIDECAR_BYTES_MAX,
    BadSidecar,
    describe,
    read_sidecar,
    sidecar_of,
)
from objlib.library.front_matter import front_matter_of
from objlib.library.metadata import METADATA_KEYS_MAX

MARKDOWN = "text/markdown"


def test_the_sidecar_wins_over_front_matter_and_both_over_the_path() -> None:
    """The title first, then each source in its order."""
    result = describe(
        "Ethics/Week 3 - On Honesty.md",
        front_matter={"speaker": "Ada", "course": "Morals", "year": 1961},
        sidecar={"speaker": "Ada Byron"},
    )
    assert list(result.metadata.items()) == [
        ("title", "On Honesty"),
        ("speaker", "Ada Byron"),
        ("course", "Morals"),
        ("year", 1961),
        ("week", 3),
    ]
    assert list(result.origins.values()) == [PATH, SIDECAR, FRONT_MATTER, FRONT_MATTER, PATH]


def test_kinds_are_kept() -> None:
    """Numbers stay numbers; dates and booleans become text; lists become lists of text."""
    yaml = (
        b"---\nyear: 1961\nrating: 4.5\ndate: 1961-01-20\ndraft: false\ntags: [oath, 2]\n---\nText"
    )
    said = describe("a.md", front_matter=front_matter_of(yaml, MARKDOWN).entries).metadata
    assert said == {
        "title": "a",
        "year": 1961,
        "rating": 4.5,
        "date": "1961-01-20",
        "draft": "false",
        "tags": ["oath", "2"],
    }
    assert isinstance(said["year"], int)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("objlib_key", "x", "are taken"),
        ("größe", 3, "no name"),
        ("place", {"city": "Ulm"}, "no text, number, date"),
        ("empty", " ", "it is empty"),
        ("nothing", None, "it is empty"),
        ("long", "x" * 10_001, "longer than 10,000 characters"),
        ("longs", ["x" * 2_000] * 6, "longer than 10,000 characters"),
        ("nan", float("nan"), "no text, number, date"),
        ("mixed", ["a", {"b": 1}], "no text, number, date"),
        ("half", "a\ud800", "no text, number, date"),
        ("halves", ["a", "\udfff"], "no text, number, date"),
    ],
)
def test_what_cannot_be_sent_is_named_with_its_reason(
    name: str, value: object, reason: str
) -> None:
    """Nothing is left out in silence, and nothing of the sort reaches the API."""
    result = describe("a.md", sidecar={name: value})
    assert reason in result.left_out[name]
    assert list(result.metadata) == ["title"]


def test_a_name_that_is_no_text_can_be_printed() -> None:
    """JSON can write half of a surrogate pair, in names as well."""
    assert list(describe("a.md", sidecar={"k\ud800": 1}).left_out) == ["k\\ud800"]


def test_names_become_keys() -> None:
    """As people write them in front matter."""
    said = describe("a.md", front_matter={"Publish Date": "x", "reading-time": 3}).metadata
    assert list(said) == ["title", "publish_date", "reading_time"]


def test_of_two_names_that_are_one_key_the_first_counts() -> None:
    """And the other is named."""
    result = describe("a.md", front_matter={"Read-Time": 3, "read time": 4})
    assert result.metadata["read_time"] == 3
    assert "'Read-Time' is the same name" in result.left_out["read time"]


def test_what_comes_after_the_sixteenth_gives_way() -> None:
    """First what the path says, then the end of the front matter."""
    front_matter = {f"k{number}": number for number in range(20)}
    result = describe("Ethics/Week 3 - x.md", front_matter=front_matter, sidecar={"z": 1})
    assert len(result.metadata) == METADATA_KEYS_MAX
    assert list(result.metadata)[:3] == ["title", "z", "k0"]
    assert list(result.left_out) == ["k14", "k15", "k16", "k17", "k18", "k19", "course", "week"]


def test_a_sidecar_is_told_by_its_name() -> None:
    """The whole name of the file, then the suffix."""
    assert sidecar_of("a.txt.meta.toml") == "a.txt"
    assert sidecar_of("a.txt.META.JSON") == "a.txt"
    assert sidecar_of("a.meta.txt") is None
    assert sidecar_of(".meta.toml") is None


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.meta.toml", b"year = ", "does not parse"),
        ("a.meta.json", b"[1]", "holds no entries"),
        ("a.meta.json", b"[" * 60_000, "does not parse"),
        ("a.meta.toml", b"a = '\xff'", "not UTF-8"),
        ("a.meta.toml", b"#" * (SIDECAR_BYTES_MAX + 1), "larger than 64 kB"),
    ],
)
def test_a_damaged_sidecar_says_why(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    """One line for people."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadSidecar, match=problem):
        read_sidecar(tmp_path / name)
