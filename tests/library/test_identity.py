"""Identity: the header goes on and comes off, the key is a function of what it covers alone."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from objlib.library.identity import (
    identity_header,
    strip_identity_header,
    upload_key,
)

VALUES = st.text(max_size=20) | st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9)
METADATA = st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True), VALUES)
PLAIN_TEXTS = st.text().filter(lambda text: "objlib" not in text)
KEY_PARTS = st.tuples(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5), METADATA)


def test_the_header_is_a_short_readable_block() -> None:
    """Title first, other fields by name, the path last, and an empty line before the text."""
    metadata: dict[str, str | int | float] = {
        "week": 3,
        "title": "Mud",
        "course": "Tides",
        "empty": "",
    }

    assert identity_header("Tides/Week 3 - Mud.txt", metadata) == (
        "[objlib:1]\ntitle: Mud\ncourse: Tides\nweek: 3\npath: Tides/Week 3 - Mud.txt\n"
        "[/objlib]\n\n"
    )


@given(st.text(), METADATA, PLAIN_TEXTS)
@example("a [/objlib] b\n\nc.txt", {"title": "[objlib:1]"}, "text")
def test_what_was_put_on_comes_off(
    path: str, metadata: dict[str, str | int | float], text: str
) -> None:
    """For all names and texts, however odd, the text comes back to the letter."""
    header = identity_header(path, metadata)

    assert strip_identity_header(header + text) == text
    assert (header.count("[objlib:"), header.count("[/objlib]")) == (1, 1)


@given(PLAIN_TEXTS)
def test_a_text_without_header_is_left_alone(text: str) -> None:
    """For all texts that hold no marker, stripping changes nothing."""
    assert strip_identity_header(text) == text


@given(st.lists(st.sampled_from(["[objlib:1]", "[/objlib]", "\n", "\n\n", "a: b", " "])))
def test_stripping_twice_is_stripping_once(pieces: list[str]) -> None:
    """For all heaps of markers, the first stripping leaves nothing for a second."""
    once = strip_identity_header("".join(pieces))

    assert strip_identity_header(once) == once


@given(st.integers(0, 100), st.integers(1, 100))
def test_a_header_cut_off_at_a_space_comes_off_too(start: int, length: int) -> None:
    """For all chunks that hold a marker, wherever they begin and end, no header is left over."""
    header = identity_header("Tides/Week 3 - Mud.txt", {"title": "Mud and Silt", "week": 3})
    tokens = re.findall(r"\S+\s*", header + "Mud comes in with every tide.\n\nIt stays.")
    chunk = "".join(tokens[start : start + length])
    header_tokens = re.findall(r"\S+\s*", header)
    text = "".join(tokens[max(start, len(header_tokens)) : start + length])

    if "objlib" in chunk:
        assert strip_identity_header(chunk) == text


def test_a_header_whose_lines_were_joined_comes_off() -> None:
    """A chunker that turns white space into single spaces does not hide the header."""
    header = identity_header("a.txt", {"title": "Mud"})
    passage = " ".join((header + "Mud comes in.").split())

    assert strip_identity_header(passage) == "Mud comes in."


@pytest.mark.parametrize(
    "text",
    [
        "Headers begin with [objlib:1] and end with [/objlib].",
        "About headers.\n\nThey end with [/objlib].",
        "[objlib:1] opens a header.\n\nNothing closes this one.",
    ],
)
def test_a_marker_in_the_midst_of_a_text_is_text(text: str) -> None:
    """A text about the header keeps its words."""
    assert strip_identity_header(text) == text


def test_the_key_of_a_known_file_stands_for_ever() -> None:
    """A changed encoding of keys would upload every library again; this test says so first."""
    key = upload_key("lib", "Essays/Über.txt", "00ff", {"title": "Über", "week": 3}, "text:1")

    assert key == "7gx5en4lmibdqommgb64zyoekk"


@given(KEY_PARTS, st.text(max_size=5))
def test_keys_fit_a_file_name_and_do_not_depend_on_order(
    parts: tuple[str, str, str, dict[str, str | int | float]], treatment: str
) -> None:
    """For all files, the key has 26 characters of a-z and 2-7, however the metadata are ordered."""
    library_id, path, content_hash, metadata = parts
    turned = dict(reversed(metadata.items()))

    key = upload_key(library_id, path, content_hash, metadata, treatment)

    assert re.fullmatch("[a-z2-7]{26}", key)
    assert key == upload_key(library_id, path, content_hash, turned, treatment)


@given(KEY_PARTS, KEY_PARTS)
def test_two_files_have_one_key_only_if_they_are_one(
    first: tuple[str, str, str, dict[str, str | int | float]],
    second: tuple[str, str, str, dict[str, str | int | float]],
) -> None:
    """For all pairs, keys are equal exactly when all that they cover is."""
    is_same = repr(first[:3]) == repr(second[:3]) and (
        sorted(map(repr, first[3].items())) == sorted(map(repr, second[3].items()))
    )

    assert (upload_key(*first, "t") == upload_key(*second, "t")) is is_same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ab", "c", "h", {}, "t"), ("a", "bc", "h", {}, "t")),
        (("a", "b", "h", {}, "t"), ("a", "b", "h", {}, "u")),
        (("a", "b", "h", {"x": "1"}, "t"), ("a", "b", "h", {"x": 1}, "t")),
        (("a", "é", "h", {}, "t"), ("a", "e\u0301", "h", {}, "t")),
        (("a", "b", "h", {"x": "y"}, "t"), ("a", "b", "h", {"y": "x"}, "t")),
    ],
)
def test_what_looks_alike_has_another_key(
    one: tuple[str, str, str, dict[str, str | int | float], str],
    other: tuple[str, str, str, dict[str, str | int | float], str],
) -> None:
    """Borders between the parts, kinds of values and normal forms all count."""
    assert upload_key(*one) != upload_key(*other)
