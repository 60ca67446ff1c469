"""Texts into chunks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.filestore.chunking import TOKENS_MAX, TOKENS_MIN, Chunking, chunks, sentences
from objlib.language.words import terms

SMALL = Chunking(max_tokens=21, overlap_tokens=0)

WORD = st.sampled_from(
    "arch λόγος война हिन्दी مدرسة 哲学史 ปลาทู 東京タワー 3.14 don't e.g. foo_bär — … ".split()
)
GAP = st.sampled_from([" ", " ", " ", "\n", "\n\n", ". ", '." ', "! ", "。", "， ", "\t", "? \n"])
TEXTS = st.lists(st.tuples(WORD, GAP), max_size=150).map(
    lambda pairs: "".join(word + gap for word, gap in pairs)
)
LIMITS = st.integers(TOKENS_MIN, 60).flatmap(
    lambda size: st.builds(Chunking, st.just(size), st.integers(0, size - 1))
)


def prose(count: int, words: int = 6) -> str:
    """Numbered sentences of so many words."""
    return " ".join(f"Sentence {n} {'word ' * (words - 3)}ends." for n in range(count))


def is_subsequence(needle: list[str], haystack: list[str]) -> bool:
    """Whether the one can be had from the other by leaving things out."""
    rest = iter(haystack)
    return all(item in rest for item in needle)


@given(TEXTS, LIMITS)
def test_every_term_of_a_text_is_in_some_chunk_in_order(text: str, chunking: Chunking) -> None:
    """For all texts and limits: nothing is lost, and what follows follows."""
    found = [term for chunk in chunks(text, chunking) for term in terms(chunk)]

    assert is_subsequence(terms(text), found)


@given(TEXTS)
def test_without_an_overlap_the_chunks_say_a_text_exactly_once(text: str) -> None:
    """For all texts: the terms of the chunks, one after the other, are the terms of the text."""
    assert [term for chunk in chunks(text, SMALL) for term in terms(chunk)] == terms(text)


@given(st.one_of(TEXTS, st.text(max_size=400)), LIMITS)
def test_no_chunk_is_larger_than_asked_for(text: str, chunking: Chunking) -> None:
    """For all texts and limits: the terms of a chunk are at most `max_tokens`, and at least one."""
    assert all(1 <= len(terms(chunk)) <= chunking.max_tokens for chunk in chunks(text, chunking))


@given(st.text(max_size=400))
def test_no_character_is_lost_from_any_text_with_words(text: str) -> None:
    """For all texts: white space at the seams apart, the chunks are the text."""
    whole = "".join(text.split())
    said = "".join("".join(chunk.split()) for chunk in chunks(text, SMALL))
    assert said == (whole if terms(text) else "")


@given(st.text(max_size=300))
def test_sentences_together_are_the_text(text: str) -> None:
    """For all texts: cutting changes nothing."""
    assert "".join(sentences(text)) == text


def in_pieces(text: str, cuts: list[int]) -> list[str]:
    """A text cut at these places."""
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return [text[begin:end] for begin, end in pairwise(places)]


@given(TEXTS, LIMITS, st.lists(st.integers(0, 400), max_size=6))
def test_a_text_in_pieces_has_the_chunks_of_the_whole(
    text: str, chunking: Chunking, cuts: list[int]
) -> None:
    """For all texts, wherever the pieces end: within a word, a space, or the mark of a sentence."""
    assert list(sentences(in_pieces(text, cuts))) == list(sentences(text))
    assert list(chunks(in_pieces(text, cuts), chunking)) == list(chunks(text, chunking))


@pytest.mark.parametrize("unit", ["word ", "x", "天地玄黄", "a，b", " ", '."', "\n"])
def test_of_a_text_without_an_end_no_more_is_held_than_a_long_sentence(unit: str) -> None:
    """The parts of an endless sentence come while it is read."""
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield unit * 1_000

    said = sentences(endless())
    for number in range(1, 40):
        assert len(next(said)) <= 64 * 1024
        assert read * len(unit) * 1_000 <= (number + 2) * 64 * 1024


@given(TEXTS, LIMITS)
def test_chunks_overlap_by_no_more_than_asked_for(text: str, chunking: Chunking) -> None:
    """For all texts and limits: what is said twice is at most `overlap_tokens` a chunk."""
    pieces = list(chunks(text, chunking))
    said = sum(len(terms(piece)) for piece in pieces)
    assert said <= len(terms(text)) + chunking.overlap_tokens * max(0, len(pieces) - 1)


def test_the_last_sentences_of_a_chunk_begin_the_next() -> None:
    """With sentences of six terms, an overlap of thirteen repeats two of them."""
    first, second, *_ = chunks(prose(30), Chunking(max_tokens=30, overlap_tokens=13))

    assert list(sentences(first))[-2:] == [
        "Sentence 3 word word word ends. ",
        "Sentence 4 word word word ends.",
    ]
    assert second.startswith("Sentence 3 word word word ends. Sentence 4 word word word ends. ")


@pytest.mark.parametrize("overlap_tokens", range(30))
def test_an_overlap_leaves_room_for_the_next_sentence(overlap_tokens: int) -> None:
    """However much may overlap, the limit holds and every chunk says something new."""
    pieces = list(
        chunks(prose(40, words=7), Chunking(max_tokens=30, overlap_tokens=overlap_tokens))
    )

    assert max(len(terms(piece)) for piece in pieces) <= 30
    assert len({piece.split()[-6] for piece in pieces}) == len(pieces)


@pytest.mark.parametrize("size", range(20, 120))
def test_a_run_cut_into_parts_and_put_together_stays_below_the_limit(size: int) -> None:
    """Two parts put together again have a pair more than each for itself."""
    assert all(len(terms(piece)) <= 21 for piece in chunks("天地玄黄" * size, SMALL))
    assert all(len(terms(piece)) <= 21 for piece in chunks("天" * size + " 地玄黄", SMALL))


def test_chunks_are_cut_at_sentence_ends() -> None:
    """A text of whole sentences gives chunks of whole sentences."""
    assert all(chunk.endswith("ends.") for chunk in chunks(prose(100), Chunking()))


def test_a_sentence_too_long_is_cut_between_words() -> None:
    """A text without an end of sentence is cut, and no word in two."""
    text = " ".join(f"internationalisation{n}" for n in range(100))

    pieces = list(chunks(text, SMALL))

    assert " ".join(pieces) == text
    assert len(pieces) == 5


def test_a_run_without_spaces_is_cut_anywhere_and_stays_below_the_limit() -> None:
    """A long line of Chinese becomes several chunks that together are the line."""
    text = "天地玄黄宇宙洪荒日月盈昃辰宿列张" * 20

    pieces = list(chunks(text, SMALL))

    assert "".join(pieces) == text
    assert max(len(terms(piece)) for piece in pieces) <= 21


def test_a_long_chinese_sentence_is_cut_at_its_commas() -> None:
    """Commas are the places where cutting splits no pair of characters."""
    clause = "天地玄黄宇宙洪荒"

    pieces = list(chunks(f"{clause}，" * 12, SMALL))

    assert all(piece.endswith("，") for piece in pieces)


@pytest.mark.parametrize("text", ["", " \n\n ", "... — !", "---\n***"])
def test_a_text_without_words_has_no_chunks(text: str) -> None:
    """There is nothing to find in it."""
    assert list(chunks(text, Chunking())) == []


@pytest.mark.parametrize(
    ("max_tokens", "overlap_tokens"), [(20, 0), (513, 0), (21, 21), (100, -1), (0, 0), (-5, -6)]
)
def test_limits_beyond_those_of_the_service_are_refused(
    max_tokens: int, overlap_tokens: int
) -> None:
    """Chunks have 21 to 512 tokens and overlap by less than one chunk."""
    with pytest.raises(ValueError, match="must be"):
        Chunking(max_tokens, overlap_tokens)
    Chunking(TOKENS_MIN, TOKENS_MIN - 1)
    Chunking(TOKENS_MAX, 0)


def test_cutting_takes_time_in_proportion_to_the_text() -> None:
    """A megabyte without any end of sentence, word or line is cut all the same."""
    blob = list(chunks("x" * 1_000_000, Chunking()))
    assert "".join(blob) == "x" * 1_000_000
    assert max(map(len, blob)) < 50_000
    assert len(list(chunks("\n" * 500_000 + "word", Chunking()))) == 1
    assert len(list(chunks('."' * 300_000 + "word", Chunking()))) >= 1


@pytest.mark.parametrize(
    "sentence", ["Mr. Speaker, Mrs. Lee and Dr. Who met.", "John F. Kennedy spoke at St. Paul."]
)
def test_a_title_or_an_initial_ends_no_sentence(sentence: str) -> None:
    """The full stop behind it belongs to the word."""
    assert list(sentences(f"{sentence} Then they left.")) == [f"{sentence} ", "Then they left."]


def test_a_heading_shares_its_chunk_with_what_follows() -> None:
    """However long the next sentence is: a heading alone would outrank its own text."""
    for separator in ("\n\n", ". "):
        text = "On Arches" + separator + " ".join(f"word{n}" for n in range(300)) + "."
        first, *rest = chunks(text, Chunking(max_tokens=100, overlap_tokens=0))
        assert len(terms(first)) == 100
        assert first.startswith("On Arches")
        assert [term for chunk in [first, *rest] for term in terms(chunk)] == terms(text)


@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=12),
    overlap_tokens=st.integers(0, 20),
)
def test_no_chunk_but_the_last_is_less_than_half_full(
    sizes: list[int], overlap_tokens: int
) -> None:
    """Sentences of any length, none too large, nothing lost."""
    text = " ".join(" ".join(["word"] * size) + "." for size in sizes)
    found = list(chunks(text, Chunking(max_tokens=100, overlap_tokens=overlap_tokens)))
    assert all(50 <= len(terms(chunk)) <= 100 for chunk in found[:-1])
    if overlap_tokens == 0:
        assert sum(len(terms(chunk)) for chunk in found) == sum(sizes)
