"""Pictures in a library: some stores take them."""

from __future__ import annotations

from pathlib import Path

import pytest

from objlib.cli.main import main
from tests.conftest import Cli, Query
from tests.formats.test_pictures import jpeg, png

STORED = "SELECT file_path, mime_type FROM files WHERE gemini_state = 'indexed' ORDER BY 1"


@pytest.fixture
def album(workplace: Path) -> Path:
    """A text, pictures of several kinds, and things that pass for pictures."""
    root = workplace / "album"
    root.mkdir()
    (root / "notes.txt").write_text("Arches stand because stones press.\n")
    (root / "Keystone.png").write_bytes(png())
    (root / "photo.JPG").write_bytes(jpeg())
    (root / "scan").write_bytes(jpeg())
    (root / "really a jpeg.png").write_bytes(jpeg())
    (root / "huge.png").write_bytes(png(5000, 1))
    (root / "half.jpg").write_bytes(jpeg()[:22])
    (root / "letter.txt").write_bytes(png())
    (root / "drawing.gif").write_bytes(b"GIF89a" + bytes(90))
    return root


def reasons(cli: Cli) -> dict[str, str]:
    """Path -> why it is not in the store."""
    return {
        path: group["reason"] for group in cli("failures", "--json").json for path in group["paths"]
    }


def test_a_store_for_texts_gets_no_picture_and_the_scan_says_so(
    cli: Cli, album: Path, rows: Query
) -> None:
    """With the reason, in words of its owner."""
    assert cli("sync", "--library", album, "--yes").exit_code == 0
    assert rows(STORED) == [("notes.txt", "text/plain")]
    why = reasons(cli)
    for name in ("Keystone.png", "photo.JPG", "scan", "huge.png"):
        assert "only a store that is made for pictures takes it" in why[name]


def test_a_store_for_pictures_gets_them(
    cli: Cli, album: Path, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PNG and JPEG, whatever their names; not those that are too large, damaged, or not what they
    are called. A picture is found, and its citation leads to it."""
    monkeypatch.setenv("OBJLIB_EMBEDDING_MODEL", "gemini-embedding-2")
    assert cli("sync", "--library", album, "--yes").exit_code == 0
    assert rows(STORED) == [
        ("Keystone.png", "image/png"),
        ("notes.txt", "text/plain"),
        ("photo.JPG", "image/jpeg"),
        ("really a jpeg.png", "image/jpeg"),
        ("scan", "image/jpeg"),
    ]
    why = reasons(cli)
    assert "5,000 x 1 pixels" in why["huge.png"]
    assert "damaged" in why["half.jpg"]
    assert "whatever its name .txt says" in why["letter.txt"]
    assert cli("search", "Keystone", "--json").json["citations"][0]["path"] == "Keystone.png"
    assert cli("metadata", "Keystone.png", "--json").json["mime_type"] == "image/png"
    assert cli("verify").exit_code == 0


def test_what_the_store_takes_is_remembered(
    cli: Cli, album: Path, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store that there is decides, not a setting for new ones: a scan asks nobody."""
    monkeypatch.setenv("OBJLIB_EMBEDDING_MODEL", "gemini-embedding-2")
    cli("sync", "--library", album, "--yes")
    monkeypatch.delenv("OBJLIB_EMBEDDING_MODEL")
    (album / "new.png").write_bytes(png(8, 8))
    assert cli("sync", "--yes").exit_code == 0
    assert ("new.png", "image/png") in rows(STORED)


def test_a_store_for_texts_stays_one(
    cli: Cli, album: Path, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model of a store is chosen when it is made."""
    cli("sync", "--library", album, "--yes")
    monkeypatch.setenv("OBJLIB_EMBEDDING_MODEL", "gemini-embedding-2")
    assert cli("sync", "--yes").exit_code == 0
    assert len(rows(STORED)) == 1


def test_pictures_go_into_a_store_that_was_found(
    cli: Cli, album: Path, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another library has made it: the first sync learns what it takes, the next one sends."""
    monkeypatch.setenv("OBJLIB_EMBEDDING_MODEL", "gemini-embedding-2")
    (album.parent / "other").mkdir()
    (album.parent / "other" / "a.txt").write_text("Bridges hang.\n")
    assert main(["sync", "--library", str(album.parent / "other"), "--yes"]) == 0
    (album.parent / "data" / "library.db").unlink()
    monkeypatch.delenv("OBJLIB_EMBEDDING_MODEL")
    assert cli("sync", "--library", album, "--yes").exit_code == 0
    assert len(rows(STORED)) == 1
    assert cli("sync", "--yes").exit_code == 0
    assert len(rows(STORED)) == 5
