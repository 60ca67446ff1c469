"""Answers as models give them: blocked, cut, thought of, with odd grounding. Through the SDK."""

from __future__ import annotations

import re
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


@pytest.mark.parametrize(
    "supports",
    [
        [support(0, startIndex=-7, endIndex=4)],
        [support(0, startIndex=0, endIndex=9_999_999)],
        [support(0, startIndex=9, endIndex=2)],
        [support(0, startIndex=0, endIndex=3), support(1, startIndex=1, endIndex=6)],
        [support(0, startIndex=2, endIndex=3)],  # in the middle of a character
        [support(-1, 99, startIndex=0, endIndex=4, text="Öl i")],
        [support(0, text="said nowhere"), {"segment": {}}, {"groundingChunkIndices": [7]}],
    ],
)
def test_citations_that_make_no_sense_lose_nothing(
    asked: Cli, script: Script, supports: list[dict[str, Any]]
) -> None:
    """Negative, too large, overlapping, cut in a character: all of the answer, and no traceback."""
    said = "Öl ist gut. Wein ist alt."
    script += [(200, candidate(said, groundingSupports=supports, **CITED))] * 3
    for command in ("search", "ask"):
        outcome = asked(command, "wein")
        assert outcome.exit_code == 0, outcome.err
        shown = re.sub(r" \[\d+\]", "", outcome.out)
        assert said in shown
        assert "bug" not in outcome.err
    assert asked("ask", "wein", "--json").json["answer"] == said


@pytest.mark.parametrize(
    "question", ["😀 🧱😀", "the", "კაცი და ბუნება", "\u200b", "a" * 30_000, "?! — …", "§§§ 🐝"]
)
def test_an_odd_question_is_a_clear_line(asked: Cli, question: str) -> None:
    """Of emoji, of a stop word, in a script that no file has: that nothing is found is said."""
    for command in ("search", "ask"):
        outcome = asked(command, question)
        assert outcome.exit_code in (1, 2)
        assert "bug" not in outcome.err
        assert "Traceback" not in outcome.err
        assert len((outcome.out + outcome.err).splitlines()) <= 5


def refusal(code: int, quota: str | None = None) -> tuple[int, dict[str, Any]]:
    """A refusal as Google words it."""
    details: list[dict[str, Any]] = [
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0s"}
    ]
    if quota is not None:
        failure = {"violations": [{"quotaId": quota, "quotaValue": "20"}]}
        details.append({"@type": "type.googleapis.com/google.rpc.QuotaFailure", **failure})
    status = "RESOURCE_EXHAUSTED" if code == 429 else "UNAVAILABLE"
    return code, {"error": {"code": code, "status": status, "message": "Wait.", "details": details}}


@pytest.mark.parametrize("command", ["search", "ask"])
def test_a_refusal_that_passes_is_met_by_asking_again(
    asked: Cli, script: Script, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Saying so each time; the quota of a day is told at once, unlike one by the minute."""
    monkeypatch.setenv("OBJLIB_BACKOFF_BASE_S", "0")
    answer = (200, candidate("So it is.", **CITED))
    script += [refusal(429, "GenerateRequestsPerMinutePerProject"), refusal(503), answer]
    outcome = asked(command, "alpha")
    assert outcome.exit_code == 0
    assert "So it is." in outcome.out
    assert outcome.err.count("asking again in") == 2
    assert ("too many requests" in outcome.err, "no answer" in outcome.err) == (True, True)
    script += [refusal(429, "GenerateRequestsPerDayPerProject")]
    outcome = asked(command, "alpha")
    assert outcome.exit_code not in (0, 1)
    assert "asking again in" not in outcome.err
    assert "day" in outcome.err
    assert script == []
