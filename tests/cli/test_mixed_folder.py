"""A folder as people have it: every kind of document, broken ones and private things among them."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from objlib.library.mime import MAX_DOCUMENT_BYTES
from tests.conftest import Cli
from tests.formats.compound import Tree, compound
from tests.formats.pdfs import encrypted, pdf_of
from tests.formats.test_formats import epub_of, zipped

SECRET = "zqesecret"

#: Name -> content of what must not go out, in the places where people have such things.
PRIVATE = (
    ".env",
    ".ssh/id_ed25519",
    ".git/COMMIT_EDITMSG",
    "web/node_modules/kit/readme.md",
    "keys/server.pem",
    "Letters/~$Will.docx",
    "Letters/Will.txt~",
    "Downloads/film.txt.crdownload",
)
#: Words that only a developer understands.
JARGON = re.compile(
    r"exception|traceback|errno|mime|null|stack|utf-8|octet|0x|objlib\.|\{|<class", re.I
)


def broken() -> dict[str, tuple[bytes, str]]:
    """Name -> content, and what its reason must say."""
    half = b"PK\x03\x04" + b"\0" * 200
    locked: Tree = {"EncryptedPackage": b"x" * 99}
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 9))
    bomb = f'<?xml version="1.0"?><!DOCTYPE F [<!ENTITY l0 "lol">{laughs}]><FictionBook>&l8;'
    return {
        "Broken/half a download.docx": (half, "get it again"),
        "Broken/half a scan.pdf": (pdf_of("Stones press.")[:120], "damaged"),
        "Broken/under a password.docx": (compound(locked), "without a password"),
        "Broken/under a password.pdf": (encrypted(pdf_of("Stones."), "secret"), "save it without"),
        "Broken/only pictures.pdf": (pdf_of(""), "scan"),
        "Broken/protected.epub": (epub_of(**{"META-INF/rights.xml": "<r/>"}), "protected"),
        "Broken/laughs.fb2": (f"{bomb}</FictionBook>".encode(), "damaged"),
        "Broken/bomb.odp": (
            zipped({
                "mimetype": "application/vnd.oasis.opendocument.presentation",
                "content.xml": "0" * (80 * 1024 * 1024),
            }),
            "too large once it is unpacked",
        ),
        "Broken/deep.fb2": (b"<?xml version='1.0'?>" + b"<FictionBook>" * 9_000, "none in it"),
        "Broken/empty.txt": (b"", "empty"),
        "Broken/noise.txt": (bytes(range(256)) * 40, "not a text"),
        "Broken/not a page.html": (b"\x89PNG\r\n\x1a\n" + bytes(900), "not a text"),
        "Broken/song.mp3": (b"ID3\x04" + bytes(99), "add a transcript"),
        "Broken/all.zip": (zipped({"a.txt": "a"}), "unpack it"),
        "Broken/old.doc": (compound({"WordDocument": b"x" * 99}), "An older Word document"),
        "Broken/old.xls": (compound({"Workbook": b"x" * 99}), "save it in a newer format"),
        "Broken/talk.ppt": (compound({"PowerPoint Document": b"x" * 99}), "save it as .pptx"),
    }  # fmt: skip


@pytest.fixture
def folder(workplace: Path) -> tuple[Path, dict[str, frozenset[str]]]:
    """The folder; and of each good document the words in it."""
    formats_made = pytest.importorskip("benchmarks.formats_made")
    root = workplace / "My things"
    words: dict[str, frozenset[str]] = {}
    files = {f"Papers/{made.name}": made.content for made in formats_made.made()}
    words |= {f"Papers/{made.name}": made.words for made in formats_made.made()}
    for name, text, encoding in (
        ("Letters/Will.txt", "zqewillold, Élève, où étais-tu ? Ça coûte cher", "cp1252"),
        ("Letters/Notes v1.o", "zqenotesdot", "utf-16-le"),
        ("Letters/About PDF.txt", "%PDF-1.7 is how each begins, zqeaboutpdf says.", "utf-8"),
        ("Letters/Crash.txt", "A crash left this one\0 in zqecrash, no more.", "utf-8"),
        ("Letters/Diary.md", "---\ntitle: zqediarytitle\nby: @ada\n---\nzqediarytext", "utf-8"),
    ):
        files[name] = text.encode(encoding)
        words[name] = frozenset(re.findall(r"zqe\w+", text))
    files |= {name: content for name, (content, _) in broken().items()}
    files |= {name: f"{SECRET} {name}".encode() for name in PRIVATE}
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with (root / "Broken" / "huge.txt.pdf").open("wb") as huge:  # takes no room on the disk
        huge.write(b"%PDF-1.7\n")
        huge.truncate(100 * MAX_DOCUMENT_BYTES)
    (root / "Broken" / "lost.txt").symlink_to(root / "nowhere")
    return root, words


def objlib(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, as somebody does who has just installed it."""
    return subprocess.run(
        [sys.executable, "-m", "objlib", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OBJLIB_SETTLE_S": "180"},  # nothing may wait for it
        timeout=300,
    )


def stored() -> str:
    """All text that is in the store."""
    with closing(sqlite3.connect("data/filestore.db")) as store:
        return "\n".join(text for (text,) in store.execute("SELECT text FROM chunks"))


def test_a_mixed_folder_syncs_in_one_go(
    cli: Cli, folder: tuple[Path, dict[str, frozenset[str]]]
) -> None:
    """Every word is in the store, every file that is not has a reason in plain words, and nothing
    private went out."""
    root, words = folder
    synced = objlib("sync", "--library", root, "--yes", "--json")
    assert synced.returncode == 1, synced.stderr
    said: dict[str, Any] = json.loads(synced.stdout)
    assert said["upload"]["indexed"] == len(words)

    text = stored().casefold()
    assert [word for found in words.values() for word in found if word.casefold() not in text] == []
    for path, found in words.items():
        word = min(found)
        cited = cli("search", word, "--json").json["citations"]
        assert cited[0]["path"] == path, word

    reasons = {
        path: group["reason"] for group in cli("failures", "--json").json for path in group["paths"]
    }
    expected = {name: reason for name, (_, reason) in broken().items()}
    expected |= {"Broken/huge.txt.pdf": "100 MB", "Broken/lost.txt": "broken symbolic link"}
    assert reasons.keys() == expected.keys()
    odd = {
        path: reasons[path]
        for path, part in expected.items()
        if part not in reasons[path] or JARGON.search(reasons[path])
    }
    assert odd == {}, "said otherwise, or not in plain words"

    assert SECRET not in text
    assert sum(said["scan"]["left_out"].values()) >= 6
    with closing(sqlite3.connect("data/library.db")) as catalog:
        rows = {path for (path,) in catalog.execute("SELECT file_path FROM files")}
    assert rows == words.keys() | expected.keys()

    again = objlib("sync", "--yes", "--json")
    assert json.loads(again.stdout)["upload"]["indexed"] == 0
