"""Fingerprints: right for files at rest, an error for files in motion."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objlib.library.hashing import FileChanged, Fingerprint, Look, look_into, sha256_file

PIECE = 256 * 1024


def write_while_reading(
    monkeypatch: pytest.MonkeyPatch, path: Path, content: bytes, mtime: int
) -> None:
    real = hashlib.sha256

    def sha256(head: bytes) -> Any:
        digest = real(head)
        path.write_bytes(content)
        os.utime(path, (mtime, mtime))
        return digest

    os.utime(path, (1, 1))
    monkeypatch.setattr(hashlib, "sha256", sha256)


def test_a_fingerprint_is_hash_size_and_time(tmp_path: Path) -> None:
    """The hash is SHA-256 in hex; size and time are the file's."""
    file = tmp_path / "file"
    file.write_bytes(b"abc")

    fingerprint = sha256_file(file)

    assert fingerprint == Fingerprint(
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        3,
        file.stat().st_mtime,
        fingerprint.ctime,
    )


@pytest.mark.parametrize(("content", "mtime"), [(b"old!", 2), (b"longer", 1)])
def test_a_file_written_to_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, mtime: int
) -> None:
    """A change is noticed by its time alone, and by its size alone."""
    file = tmp_path / "file"
    file.write_bytes(b"old.")
    write_while_reading(monkeypatch, file, content, mtime)

    with pytest.raises(FileChanged, match="changed while it was being read") as caught:
        sha256_file(file)
    assert caught.value.path == file


def test_a_pipe_neither_blocks_nor_passes_for_a_file(tmp_path: Path) -> None:
    """A file replaced by a pipe after the walk is an error at once."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(OSError, match="not a regular file"):
        sha256_file(tmp_path / "pipe")


def test_a_folder_in_its_place_is_an_error_and_is_closed(tmp_path: Path) -> None:
    """A file replaced by a folder after the walk costs no descriptor."""
    before = len(list(Path("/proc/self/fd").iterdir()))

    with pytest.raises(OSError, match="directory"):
        sha256_file(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_beginning_decides_whether_the_rest_is_read(tmp_path: Path) -> None:
    """What is not wanted has no fingerprint, and its beginning is known."""
    file = tmp_path / "file"
    file.write_bytes(b"abcdef")
    asked: list[bytes] = []

    def is_wanted(head: bytes) -> bool:
        asked.append(head)
        return False

    assert look_into(file, 3, is_wanted) == Look(b"abc", None)
    assert asked == [b"abc"]


@settings(max_examples=20)
@given(st.integers(0, 3), st.integers(-1, 1), st.integers(0, 2 * PIECE))
def test_the_pieces_make_one_hash(
    tmp_path_factory: pytest.TempPathFactory, pieces: int, more: int, head_bytes: int
) -> None:
    """For all sizes around those of the pieces, and all beginnings, the hash is the whole's."""
    content = bytes(max(0, pieces * PIECE + more))
    file = tmp_path_factory.mktemp("file") / "file"
    file.write_bytes(content)

    look = look_into(file, head_bytes, lambda _head: True)

    assert look.head == content[:head_bytes]
    assert look.fingerprint == sha256_file(file)
    assert sha256_file(file).sha256_hex == hashlib.sha256(content).hexdigest()
