"""The walk: what it finds, in which order, and what it says of the rest."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objlib.errors import ConfigurationError
from objlib.library.ignore import IgnoreRules
from objlib.library.walk import FoundFile, SkippedPath, walk

ODD_NAMES = [
    "a", "a-b", "a.b", "a0", "A", " leading", "trailing ", "it's", '"quoted"', "two\nlines",
    "%_*?[]", "\\back", "שלום", "\u202eltr", "é", "e\u0301", "\uffee", "𝄞", "n" * 255, "ü" * 127,
]  # fmt: skip

NAMES = st.sampled_from(ODD_NAMES) | st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8
).filter(lambda name: name not in {".", "..", ".git"})

TREES = st.recursive(
    st.just("file"),
    lambda below: st.dictionaries(NAMES, below, max_size=6),
    max_leaves=25,
).filter(lambda tree: isinstance(tree, dict))


def plant(folder: Path, tree: dict[str, object]) -> None:
    folder.mkdir(exist_ok=True)
    for name, below in tree.items():
        if isinstance(below, dict):
            plant(folder / name, below)
        else:
            (folder / name).write_text("text")


def write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("text")


def paths_of(root: Path, ignore: IgnoreRules | None = None) -> list[str]:
    return [found.path for found in walk(root, ignore or IgnoreRules())]


def only_skip(root: Path) -> SkippedPath:
    skipped = [entry for entry in walk(root, IgnoreRules()) if isinstance(entry, SkippedPath)]
    assert len(skipped) == 1, skipped
    return skipped[0]


def refuse(monkeypatch: pytest.MonkeyPatch, folder: Path, error: OSError) -> None:
    """Root may read everything, so the refusal has to be played."""
    real: Callable[..., object] = os.scandir

    def scandir(path: str) -> object:
        if Path(path) == folder:
            raise error
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)


@settings(max_examples=60)
@given(TREES)
def test_paths_ascend_by_code_points_and_none_is_missing(tree: dict[str, object]) -> None:
    """For all trees, the walk yields exactly the files, sorted as strings, thus as in SQLite."""
    with TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        plant(root, tree)
        expected = [file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file()]

        walked = paths_of(root)

    assert walked == sorted(expected)
    assert walked == sorted(expected, key=lambda path: path.encode())


def test_a_folders_contents_come_where_its_slash_sorts(tmp_path: Path) -> None:
    """`a-b` precedes `a/x`, and `a0` follows it, although `a` alone would precede both."""
    write(tmp_path, "a0", "a/x", "a-b")

    assert paths_of(tmp_path) == ["a-b", "a/x", "a0"]


def test_a_found_file_carries_what_stat_says(tmp_path: Path) -> None:
    """Size, times, inode and device are those of the file on disk."""
    write(tmp_path, "folder/file.txt")
    expected = (tmp_path / "folder/file.txt").stat()

    assert list(walk(tmp_path, IgnoreRules())) == [
        FoundFile(
            "folder/file.txt", 4, expected.st_mtime, expected.st_ino, expected.st_ctime_ns,
            expected.st_dev,
        )
    ]  # fmt: skip


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    """A linked file counts with the size and inode of its target."""
    write(tmp_path, "target.txt")
    (tmp_path / "link.txt").symlink_to("target.txt")

    link, target = walk(tmp_path, IgnoreRules())

    assert isinstance(link, FoundFile)
    assert isinstance(target, FoundFile)
    assert (link.path, link.size_bytes, link.inode) == ("link.txt", 4, target.inode)


def test_a_link_to_a_folder_is_reported_and_not_followed(tmp_path: Path) -> None:
    """A link to the folder above it ends neither in a loop nor in silence."""
    write(tmp_path, "folder/file.txt")
    (tmp_path / "folder/up").symlink_to(tmp_path, target_is_directory=True)

    skipped = only_skip(tmp_path)

    assert paths_of(tmp_path) == ["folder/file.txt", "folder/up/"]
    assert skipped.is_folder
    assert "symbolic link to a folder" in skipped.reason


@pytest.mark.parametrize(("target", "word"), [("nowhere", "broken"), ("link", "itself")])
def test_a_link_that_leads_nowhere_is_reported(tmp_path: Path, target: str, word: str) -> None:
    """A broken link and a link to itself say what they are."""
    (tmp_path / "link").symlink_to(target)

    skipped = only_skip(tmp_path)

    assert (skipped.path, skipped.is_folder) == ("link", False)
    assert word in skipped.reason


def test_an_unreadable_folder_is_reported_where_its_files_would_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permission denied costs that folder alone, keeps the order, and says what to do."""
    write(tmp_path, "a/x", "a-b", "a0", "z")
    refuse(monkeypatch, tmp_path / "a", PermissionError(13, "Permission denied"))

    assert paths_of(tmp_path) == ["a-b", "a/", "a0", "z"]
    assert "permission denied" in only_skip(tmp_path).reason
    assert "chmod" in only_skip(tmp_path).reason


def test_a_failing_disk_is_reported_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other error of a folder becomes a reason as well, with the system's words."""
    write(tmp_path, "a/x")
    refuse(monkeypatch, tmp_path / "a", OSError(5, "Input/output error"))

    assert "Input/output error" in only_skip(tmp_path).reason


def test_a_folder_that_vanishes_is_not_mentioned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder removed between listing and entering leaves no trace and no error."""
    write(tmp_path, "a/x", "b")
    refuse(monkeypatch, tmp_path / "a", FileNotFoundError(2, "No such file"))

    assert paths_of(tmp_path) == ["b"]


def test_a_file_that_vanishes_is_not_mentioned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file removed between listing and measuring leaves no trace and no error."""
    write(tmp_path, "a", "b", "c")

    def remove_b(rules: IgnoreRules, path: str, is_folder: bool = False) -> None:
        (tmp_path / "b").unlink(missing_ok=True)

    monkeypatch.setattr(IgnoreRules, "reason_against", remove_b)
    rules = IgnoreRules().within("", ["something"])

    assert paths_of(tmp_path, rules) == ["a", "c"]


def test_pipes_and_sockets_are_reported(tmp_path: Path) -> None:
    """What is neither file nor folder is named and never opened."""
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(".", os.O_RDONLY)
        os.chdir(tmp_path)  # a socket's path may have 108 bytes at most
        try:
            listener.bind("socket")
        finally:
            os.fchdir(here)
            os.close(here)

        pipe, bound = walk(tmp_path, IgnoreRules())

    assert isinstance(pipe, SkippedPath)
    assert isinstance(bound, SkippedPath)
    assert "pipe" in pipe.reason
    assert "socket" in bound.reason


def test_a_name_that_is_not_utf8_is_reported_in_print(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 appear escaped, under a name that nothing else has."""
    for name in (b"caf\xe9.txt", b"caf\\xe9.txt", b"z"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("text")
    os.mkdir(os.fsencode(tmp_path) + b"/\xff")  # noqa: PTH102 - pathlib takes no bytes

    entries = {entry.path: entry for entry in walk(tmp_path, IgnoreRules())}

    assert list(entries) == sorted(["caf\\xe9.txt", "caf\\xe9.txt?", "z", "\\xff/"])
    odd, folder = entries["caf\\xe9.txt?"], entries["\\xff/"]
    assert isinstance(odd, SkippedPath)
    assert "UTF-8" in odd.reason
    assert isinstance(folder, SkippedPath)
    assert folder.is_folder


def test_housekeeping_is_passed_over_in_silence(tmp_path: Path) -> None:
    """Files that programs keep for themselves, and git's folder, are no part of a library."""
    write(tmp_path, ".objlibignore", "objlib.toml", ".git/config", "a/.DS_Store", "a/Thumbs.db")
    write(tmp_path, "a/b.txt", ".hidden")

    assert paths_of(tmp_path) == [".hidden", "a/b.txt"]


def test_rules_of_nested_folders_apply_below_them_only(tmp_path: Path) -> None:
    """A deeper file adds to the rules above, wins over them, and ends with its folder."""
    write(tmp_path, "a.draft", "a/b.draft", "a/c.tmp", "a/d/e.draft", "b/c.tmp", "b/f.draft")
    (tmp_path / ".objlibignore").write_text("*.draft\n")
    (tmp_path / "a/.objlibignore").write_text("!b.draft\n*.tmp\n")

    assert paths_of(tmp_path) == ["a/b.draft", "b/c.tmp"]


def test_an_ignored_folder_is_never_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is ignored costs nothing and cannot fail."""
    write(tmp_path, "private/x", "y")
    refuse(monkeypatch, tmp_path / "private", PermissionError(13, "Permission denied"))

    assert paths_of(tmp_path, IgnoreRules().within("", ["private/"])) == ["y"]


def test_a_folder_whose_rules_cannot_be_read_is_kept_back(tmp_path: Path) -> None:
    """Without its rules a folder is skipped whole: what was to be ignored must not be published."""
    write(tmp_path, "a/secret", "b")
    (tmp_path / "a/.objlibignore").symlink_to("gone")

    assert paths_of(tmp_path) == ["a/", "b"]
    assert ".objlibignore" in only_skip(tmp_path).reason


@pytest.mark.parametrize("root", ["missing", "file", "ruled"])
def test_a_root_that_cannot_be_read_is_an_error(tmp_path: Path, root: str) -> None:
    """An empty answer would read as "everything was deleted", so there is none."""
    write(tmp_path, "file")
    (tmp_path / "ruled/.objlibignore").mkdir(parents=True)

    with pytest.raises(ConfigurationError, match="cannot read the library folder"):
        next(walk(tmp_path / root, IgnoreRules()))


def test_depth_has_no_limit_of_its_own(tmp_path: Path) -> None:
    """More nested folders than Python may nest calls are walked to the last."""
    depth = sys.getrecursionlimit() + 100
    folders = [tmp_path / ("d/" * level) for level in range(1, depth + 1)]
    for folder in folders:
        folder.mkdir()

    try:
        skipped_nothing = [*walk(tmp_path, IgnoreRules())] == []
        (folders[-1] / "file").write_text("text")
        walked = paths_of(tmp_path)
    finally:  # pytest's own way of clearing up is recursive
        (folders[-1] / "file").unlink(missing_ok=True)
        for folder in reversed(folders):
            folder.rmdir()

    assert skipped_nothing
    assert walked == ["d/" * depth + "file"]


def test_a_path_too_long_for_the_system_is_reported(tmp_path: Path) -> None:
    """Folders nested beyond what a path may name are said to be so, and the rest is walked."""
    write(tmp_path, "z")
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("n" * 250, dir_fd=here)
        below = os.open("n" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)

    assert "too long" in only_skip(tmp_path).reason
    assert paths_of(tmp_path)[-1] == "z"


def test_a_skipped_folder_without_its_slash_cannot_be_made() -> None:
    """The slash is what protects the files below, so its absence is a bug found at once."""
    with pytest.raises(ValueError, match="ends with '/'"):
        SkippedPath("folder", "reason", is_folder=True)
