"""The words of the page."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from objlib.web import words
from objlib.web.marking import unwrapped

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (None, "never"),
        ("", "never"),
        ("2026-01-01T22:00:00+00:00", "2 h ago"),
        ("2026-01-01T22:00:00", "2 h ago"),
        ("2026-01-01T23:00:00+01:00", "2 h ago"),
        ("2030-01-01T00:00:00Z", "just now"),
        ("yesterday", "yesterday"),
    ],
)
def test_a_moment_is_told_as_an_age(moment: str | None, said: str) -> None:
    """Whoever wrote it, and however; the future is now."""
    assert words.when(moment, NOW) == said


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        (
            "Three in July means you must\ntreat; one may wait.",
            "Three in July means you must treat; one may wait.",
        ),
        ("A paragraph.\n\nanother one", "A paragraph.\n\nanother one"),
        ("- one\n- two", "- one\n- two"),
        ("1. one\n2. two", "1. one\n2. two"),
        ("Tyger Tyger,\nBurning bright", "Tyger Tyger,\nBurning bright"),
        ("trailing \n  words", "trailing words"),
        ("", ""),
    ],
)
def test_broken_lines_are_joined(text: str, joined: str) -> None:
    """What was broken to fit a page; paragraphs, lists and verses stay."""
    assert unwrapped(text) == joined
