"""The root folder of a library: one look, and no guess."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from objlib.errors import LibraryGone
from objlib.library.root import identity_of, is_folder


def test_one_entry_of_a_folder_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library may have a hundred thousand in its root, and others wait."""
    (tmp_path / "a").write_text("a")
    monkeypatch.setattr(os, "listdir", lambda *_: pytest.fail("all of it is listed"))
    found = tmp_path.stat()
    assert identity_of(tmp_path) == (found.st_dev, found.st_ino)
    (tmp_path / "a").unlink()
    assert identity_of(tmp_path) == (found.st_dev, found.st_ino)
    with pytest.raises(LibraryGone):
        identity_of(tmp_path / "a")


def test_a_folder_is_there_or_not(tmp_path: Path) -> None:
    """No name is an error."""
    (tmp_path / "file").write_text("a")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to(tmp_path)
    assert is_folder(tmp_path)
    assert is_folder(tmp_path / "link")
    for name in ("file", "file/below", "nothing", "loop", "a\0b", "n" * 300):
        assert not is_folder(tmp_path / name)


def test_a_disk_that_does_not_answer_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where Python, from 3.14 on, takes any error for "no folder"."""

    def dead(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "is_dir", lambda _self: False)
    monkeypatch.setattr(Path, "stat", dead)
    with pytest.raises(LibraryGone, match="input/output error"):
        is_folder(tmp_path)
