"""Ignore rules: the cases in which gitignore surprises people. Expectations were read off git."""

from __future__ import annotations

from pathlib import Path

import pytest

from objlib.library.ignore import IgnoreRules, read_ignore_file


@pytest.mark.parametrize(
    ("lines", "path", "is_folder", "is_ignored"),
    [
        (["*.txt"], "a/b.txt", False, True),
        (["*.txt"], "a/b.TXT", False, False),
        (["/top.txt"], "top.txt", False, True),
        (["/top.txt"], "a/top.txt", False, False),
        (["a/b.txt"], "x/a/b.txt", False, False),
        (["**/a/b.txt"], "x/a/b.txt", False, True),
        (["build/"], "build", False, False),
        (["build/"], "x/build", True, True),
        (["*/"], "a/b", True, True),
        (["logs/**"], "logs", True, False),
        (["logs/**"], "logs/a", False, True),
        (["*", "!*/", "!*.txt"], "a", True, False),
        (["*", "!*/", "!*.txt"], "a/b.txt", False, False),
        (["*", "!*/", "!*.txt"], "a/b.pdf", False, True),
        (["*.txt", "!keep.txt"], "keep.txt", False, False),
        (["!keep.txt", "*.txt"], "keep.txt", False, True),
        (["# *.txt", "", "   "], "a.txt", False, False),
        (["\\#a"], "#a", False, True),
        (["\\!a"], "!a", False, True),
        (["a\\ "], "a ", False, True),
        (["Über*"], "Essays/Über das Brot.txt", False, True),
        (["[ab].txt"], "b.txt", False, True),
        (["!"], "a", False, False),
    ],
)
def test_rules_read_as_git_reads_them(
    lines: list[str], path: str, is_folder: bool, is_ignored: bool
) -> None:
    """Each line, path and kind of entry gives git's answer."""
    assert IgnoreRules().within("", lines).ignores(path, is_folder) is is_ignored


@pytest.mark.parametrize("rule", ["!logs/", "!logs"])
def test_a_folder_taken_back_in_does_not_take_its_files_with_it(rule: str) -> None:
    """`!logs` is about the folder; what lies in it is still subject to the rules above."""
    rules = IgnoreRules().within("", ["logs/", "*.tmp"]).within("a/", [rule])

    assert not rules.ignores("a/logs", is_folder=True)
    assert rules.ignores("a/logs/x.tmp")
    assert not rules.ignores("a/logs/x.txt")


def test_a_pattern_with_a_slash_is_anchored_in_its_own_folder() -> None:
    """`/x` in the rules of `a` means `a/x`, nothing deeper."""
    rules = IgnoreRules().within("a", ["/x"])

    assert rules.ignores("a/x")
    assert not rules.ignores("a/b/x")


def test_without_rules_nothing_is_added() -> None:
    """A file of comments leaves the rules as they were, so the walk need not ask them."""
    rules = IgnoreRules()

    assert rules.within("a", ["# nothing", ""]) is rules


def test_an_ignore_file_may_have_any_encoding_and_line_ending(tmp_path: Path) -> None:
    """A byte order mark, CRLF and stray bytes neither fail nor hide the other rules."""
    file = tmp_path / ".objlibignore"
    file.write_bytes(b"\xef\xbb\xbf*.tmp\r\ncaf\xe9\r\n*.bak")

    rules = IgnoreRules().within("", read_ignore_file(file))

    assert rules.ignores("a.tmp")
    assert rules.ignores("a.bak")
