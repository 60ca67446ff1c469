"""Answers as models give them: blocked, cut, thought of, with odd grounding. Through the SDK."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli, Outcome
from tests.search.scripted import candidate, chunk, scripted, support

Ask = Callable[..., Outcome]
Script = list[tuple[int, dict[str, Any]]]


@pytest.fixture
def script() -> Script:
    """The answers to come."""
    return []


@pytest.fixture
def asked(
    cli: Cli, library: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch, script: Script
) -> Iterator[Cli]:
    """A library that is in the store of a server with a script."""
    with scripted(workplace / "served.db", script) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        cli("scan", "--library", library)
        assert cli("fsm-upload").exit_code == 0
        yield cli


CITED: dict[str, Any] = {"groundingChunks": [chunk("a"), chunk("b")]}


def test_segments_without_text_or_with_bytes_alone(asked: Cli, script: Script) -> None:
    """`search` and `ask` answer with either, and with grounding that has no chunks."""
    said = "Alpha is good. Alpha is old."
    supports = [support(1, startIndex=15, endIndex=20), support(0), {"groundingChunkIndices": [0]}]
    answer = candidate(said, groundingSupports=supports, **CITED)
    script += [(200, answer), (200, answer), (200, candidate(said, groundingSupports=supports))]
    assert asked("search", "alpha").out.count(said) == 1
    assert "Alpha is good. Alpha [2] is old." in asked("ask", "alpha").out
    outcome = asked("ask", "alpha")
    assert (outcome.exit_code, "Not from your library" in outcome.out) == (1, True)


@pytest.mark.parametrize(
    "reason", ["RECITATION", "SAFETY", "PROHIBITED_CONTENT", "SOMETHING_UNHEARD_OF"]
)
def test_a_blocked_answer_is_said_to_be_blocked(asked: Cli, script: Script, reason: str) -> None:
    """Even with passages: exit code 1, and the reason."""
    blocked = {"candidates": [{"finishReason": reason, "groundingMetadata": CITED}]}
    script += [(200, blocked), (200, blocked), (200, {"promptFeedback": {"blockReason": reason}})]
    for command in ("search", "ask"):
        outcome = asked(command, "alpha")
        assert outcome.exit_code == 1
        assert f"The answer was blocked ({reason})" in outcome.out
        assert "[1] a (not ours)" in outcome.out
    outcome = asked("ask", "alpha", "--json")
    assert (outcome.exit_code, outcome.json["outcome"]) == (1, "blocked")
    assert outcome.json["reason"] == reason


def test_an_answer_that_is_cut_or_empty_is_said_to_be(asked: Cli, script: Script) -> None:
    """What was cut may still be backed; what is empty is no answer."""
    script += [
        (200, candidate("Half of", finish="MAX_TOKENS", **CITED)),
        (200, {"candidates": [{"finishReason": "STOP"}]}),
    ]
    outcome = asked("ask", "alpha")
    assert (outcome.exit_code, "cut short (MAX_TOKENS)" in outcome.out) == (0, True)
    outcome = asked("ask", "alpha")
    assert (outcome.exit_code, "gave no answer" in outcome.out) == (1, True)


def test_thoughts_are_not_shown_and_later_parts_are_cited_in_their_place(
    asked: Cli, script: Script
) -> None:
    """Bytes count within a part."""
    parts: list[str | dict[str, Any]] = [{"text": "Hm, öl.", "thought": True}, "One é. ", "Two."]
    supports = [
        support(0, partIndex=2, endIndex=4),
        support(1, partIndex=0, endIndex=3),
        support(1, partIndex=9, endIndex=3),
    ]
    script += [(200, candidate(*parts, groundingSupports=supports, **CITED))]
    out = asked("ask", "alpha").out
    assert "One é. Two. [1]\n" in out
    assert "Hm" not in out


def test_a_page_is_told(asked: Cli, script: Script) -> None:
    """By both commands, in JSON too."""
    paged = candidate("So.", groundingChunks=[chunk("bridges.pdf", pageNumber=2)])
    script += [(200, paged)] * 3
    assert "bridges.pdf (not ours), p. 2\n" in asked("search", "arch").out
    assert "bridges.pdf (not ours), p. 2\n" in asked("ask", "arch").out
    assert asked("search", "arch", "--json").json["citations"][0]["page"] == 2


def test_a_header_that_the_model_repeats_is_not_shown(asked: Cli, script: Script) -> None:
    """Numbers stay where they belong."""
    said = "[objlib:1]\ntitle: A\n[/objlib]\n\nSo it is."
    supports = [support(0, endIndex=len(said))]
    script += [(200, candidate(said, groundingSupports=supports, **CITED))] * 2
    assert asked("ask", "alpha").out.startswith("So it is. [1]\n\nFrom the store:\n[1] a ")
    assert "objlib:1" not in asked("search", "alpha", "--json").out


def test_a_thousand_passages_are_all_told(asked: Cli, script: Script) -> None:
    """Each with its number."""
    chunks = [chunk(f"t{number}") for number in range(1000)]
    supports = [support(*range(1000), endIndex=3)]
    script += [(200, candidate("So.", groundingChunks=chunks, groundingSupports=supports))]
    out = asked("ask", "alpha").out
    assert "[1000] t999 (not ours)" in out
    assert "[999] [1000]\n" in out


def test_verify_blames_no_file_for_an_answer_that_was_blocked(asked: Cli, script: Script) -> None:
    """It asks again, and when that does not help says that there is no verdict."""
    blocked = (200, {"candidates": [{"finishReason": "RECITATION"}]})
    script += [blocked] * 2
    assert asked("verify", "--limit", "1").out == "Asked about 1 file\n        1  cited\n"
    script += [blocked] * 3
    outcome = asked("verify", "--limit", "1")
    assert outcome.exit_code == 0
    assert outcome.out.startswith("no verdict ")
