"""Ignore rules: the cases in which gitignore surprises people. Expectations were read off git."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objlib.errors import ConfigurationError
from objlib.library.ignore import IgnoreRules, read_ignore_file
from objlib.library.walk import walk


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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_the_mark_of_an_ignore_file_tells_its_encoding(tmp_path: Path, encoding: str) -> None:
    """PowerShell writes UTF-16 with `>`."""
    file = tmp_path / ".objlibignore"
    file.write_bytes("*.tmp\r\nPrivé/\r\n*.bak".encode(encoding))

    rules = IgnoreRules().within("", read_ignore_file(file))

    assert rules.ignores("a.tmp")
    assert rules.ignores("Privé", is_folder=True)
    assert rules.ignores("a.bak")
    assert not rules.ignores("a.txt")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"*.tmp\ncaf\xe9\n*.bak", 2),
        (b"*\0.\0t\0", 1),
        (b"a\nb\n\0", 3),
        (b"\xff\xfea", 1),
        (b"a\n[z-a]\n", 2),
        (b"!\n", 1),
    ],
)
def test_rules_that_cannot_be_understood_stop_the_walk(
    tmp_path: Path, content: bytes, line: int
) -> None:
    """Each is named with its line: without the rules something private would go out."""
    (tmp_path / ".objlibignore").write_bytes(content)
    with pytest.raises(ConfigurationError, match=rf"objlibignore: line {line} is no "):
        list(walk(tmp_path, IgnoreRules()))


ENTRY = st.text("aZ09_-. ~", min_size=1, max_size=4).filter(lambda name: name.strip(". ") != "")
PIECES = st.sampled_from(
    ["a", "Z", "0", "*", "?", "-", "[[:upper:]]", "[![:digit:]]", "[a[:digit:]]", "[[:punct:]]"]
)


@given(st.lists(PIECES, min_size=1, max_size=4).map("".join), st.sets(ENTRY, min_size=1))
@settings(max_examples=60)
def test_classes_of_characters_match_as_in_git(pattern: str, names: set[str]) -> None:
    """For all patterns and names `git check-ignore` gives the same answer."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "-q", folder], check=True)
        Path(folder, ".git", "info", "exclude").write_text(f"{pattern}\n", "utf-8")
        asked = subprocess.run(
            ["git", "check-ignore", "-z", "--stdin"],
            input="\0".join(names).encode(),
            capture_output=True,
            cwd=folder,
            check=False,
        )
    by_git = {name for name in asked.stdout.decode().split("\0") if name}
    rules = IgnoreRules().within("", [pattern])
    assert {name for name in names if rules.ignores(name)} == by_git
