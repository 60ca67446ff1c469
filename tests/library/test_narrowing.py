"""Files that one run leaves as they are."""

from __future__ import annotations

import pytest

from objlib.cli.narrowing import narrowing_of, parsed_size
from objlib.errors import ConfigurationError
from objlib.library.narrowing import Narrowing


@pytest.mark.parametrize(
    ("narrowing", "taken", "left_out"),
    [
        (Narrowing(exclude=("*.pdf",)), ["a.txt", "b/c.pdfx"], ["a.pdf", "b/c.pdf", "b.pdf/c.txt"]),
        (Narrowing(exclude=("Old/",)), ["Old", "Older/a"], ["Old/", "Old/a", "b/Old/c/d"]),
        (Narrowing(exclude=("./Old",)), ["b/Old"], ["Old", "Old/a.txt"]),
        (Narrowing(exclude=("*.txt", "!a.txt")), ["a.txt"], ["b.txt"]),
        (Narrowing(include=("*.pdf",)), ["a.pdf", "b/c.pdf", "b/"], ["a.txt", "b/c"]),
        (Narrowing(include=("/Talks/",)), ["Talks/a", "Talks/b/c"], ["a", "b/Talks/c"]),
        (Narrowing(include=("Talks/**",)), ["Talks/a", "Talks/b/c"], ["a"]),
        (Narrowing(("b/",), ("*.txt",)), ["a.txt"], ["b/a.txt", "a.pdf"]),
        (Narrowing(exclude=("*.txt",)), ["a.md//part 2"], ["a.txt//part 2"]),
    ],
)
def test_a_run_takes_what_is_included_and_not_excluded(
    narrowing: Narrowing, taken: list[str], left_out: list[str]
) -> None:
    """Rules are those of an ignore file at the top; a folder stands for all that is in it."""
    assert [path for path in taken if narrowing.leaves_out(path)] == []
    assert [path for path in left_out if not narrowing.leaves_out(path)] == []


def test_files_on_disk_may_be_too_large() -> None:
    """One of just that size is taken; of one that is gone the size counts for nothing."""
    narrowing = Narrowing(size_bytes_max=10)
    assert [narrowing.leaves_out("a.txt", size) for size in (10, 11, None)] == [False, True, False]


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("500", 500),
        ("1k", 1024),
        ("1.5G", 1_610_612_736),
        ("10 MB", 10_485_760),
        ("2MiB", 2_097_152),
        ("3t", 3 * 1024**4),
        (" 7B ", 7),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size_bytes: int) -> None:
    """With the units of 1,024 that the rest of objlib counts in."""
    assert parsed_size(text) == size_bytes


@pytest.mark.parametrize(
    "wishes",
    [
        {"max_size": "ten"},
        {"max_size": ""},
        {"max_size": "-1M"},
        {"max_size": "1e9"},
        {"exclude": [""]},
        {"exclude": ["#recycle"]},
        {"include": ["  "]},
        {"exclude": ["a[z-a]"]},
        {"exclude": ["!"]},
    ],
)
def test_what_cannot_be_meant_is_refused(wishes: dict[str, list[str]]) -> None:
    """A rule that would leave nothing out is no rule that anybody wants to hold."""
    with pytest.raises(ConfigurationError):
        narrowing_of(**wishes)  # type: ignore[arg-type]


def test_nothing_asked_for_is_no_narrowing() -> None:
    """Then a run is a whole one."""
    assert narrowing_of() is None
