"""Fingerprints: right for files at rest, an error for files in motion, in order and bounded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objlib.library.hashing import FileChanged, Fingerprint, sha256_file, sha256_many


def files(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number}.txt" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(b"%d" % number)
    return paths


def write_while_reading(
    monkeypatch: pytest.MonkeyPatch, path: Path, content: bytes, mtime: int
) -> None:
    real = hashlib.file_digest

    def file_digest(file: IO[bytes], name: str) -> Any:
        digest = real(file, name)  # type: ignore[arg-type]
        path.write_bytes(content)
        os.utime(path, (mtime, mtime))
        return digest

    os.utime(path, (1, 1))
    monkeypatch.setattr(hashlib, "file_digest", file_digest)


def test_a_fingerprint_is_hash_size_and_time(tmp_path: Path) -> None:
    """The hash is SHA-256 in hex; size and time are the file's."""
    file = tmp_path / "file"
    file.write_bytes(b"abc")

    assert sha256_file(file) == Fingerprint(
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        3,
        file.stat().st_mtime,
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


def test_errors_take_the_place_of_their_file(tmp_path: Path) -> None:
    """A missing file and a folder are values in the sequence; their neighbours are hashed."""
    first, last = files(tmp_path, 2)

    results = list(sha256_many([first, tmp_path / "gone", tmp_path, last], workers=2))

    assert isinstance(results[1], FileNotFoundError)
    assert isinstance(results[2], OSError)
    assert [results[0], results[3]] == [sha256_file(first), sha256_file(last)]


def test_a_file_in_motion_is_a_value_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FileChanged comes out of the sequence instead of ending it."""
    [file] = files(tmp_path, 1)
    write_while_reading(monkeypatch, file, b"new content", mtime=2)

    [result] = sha256_many([file], workers=1)

    assert isinstance(result, FileChanged)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 30), st.integers(1, 5))
def test_results_come_in_the_order_of_the_paths(
    tmp_path_factory: pytest.TempPathFactory, count: int, workers: int
) -> None:
    """For all numbers of files and workers, the nth result is that of the nth path."""
    paths = files(tmp_path_factory.mktemp("files"), count)

    results = list(sha256_many(paths, workers))

    assert results == [sha256_file(path) for path in paths]


def test_paths_are_pulled_only_as_far_as_the_lookahead(tmp_path: Path) -> None:
    """However many paths there are, at most four per worker are ahead of the consumer."""
    paths = files(tmp_path, 50)
    pulled: list[Path] = []

    def pulling() -> Iterator[Path]:
        for path in paths:
            pulled.append(path)
            yield path

    results = sha256_many(pulling(), workers=2)
    assert pulled == []
    for taken in range(1, 11):
        next(results)
        assert len(pulled) <= taken + 2 * 4


def test_no_workers_is_a_mistake() -> None:
    """A pool of nobody would wait for ever, so it is refused."""
    with pytest.raises(ValueError, match="at least 1"):
        next(sha256_many([], workers=0))
