"""Texts that are too long for one document: where they are cut, and how a walk lists the parts."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.catalog.part_names import file_of, named, part_number, part_path, shown
from objlib.library import parts
from objlib.library.content import read_content
from objlib.library.ignore import IgnoreRules
from objlib.library.mime import HEAD_BYTES, MAX_DOCUMENT_BYTES
from objlib.library.parts import in_parts, parts_of
from objlib.library.walk import FoundFile, LeftOut, SkippedPath, walk

WINDOW, MARGIN, WHOLE = 256, 64, 1000

ENCODINGS = {
    "utf-8": b"",
    "utf-8-sig": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Parts of 256 bytes, ends looked for in the last 64, for texts of more than 1,000."""
    with monkeypatch.context() as small:
        small.setattr(parts, "WINDOW_BYTES", WINDOW)
        small.setattr(parts, "MARGIN_BYTES", MARGIN)
        small.setattr(parts, "WHOLE_BYTES_MAX", WHOLE)
        yield


def cut(content: bytes) -> list[bytes]:
    """The bytes of each part; they must follow one another and be all there is."""
    found, end = [], 0
    for number, part in enumerate(parts_of(io.BytesIO(content)), start=1):
        assert (part.number, part.offset) == (number, end)
        end += part.size_bytes
        found.append(content[part.offset : end])
    assert end == len(content)
    return found


def encoded(text: str, encoding: str) -> bytes:
    mark = ENCODINGS[encoding]
    return mark + text.encode(encoding.removesuffix("-sig"))


#: White space of every kind, characters of every length, some of them looking like a line's end in
#: the wrong half of a unit.
texts = st.text(
    st.sampled_from("a. \n\r\tß。ਊ\u0a0a\u2029\U0001f9f1\U0001040a"), min_size=200, max_size=1500
)


@given(text=texts, encoding=st.sampled_from(sorted(ENCODINGS)))
def test_no_part_ends_inside_a_character(text: str, encoding: str) -> None:
    """Each part decodes by itself, none is larger than a window, and nothing is lost."""
    content = encoded(text, encoding)
    mark = ENCODINGS[encoding]

    found = cut(content)

    assert all(0 < len(part) <= WINDOW for part in found)
    read = [part.removeprefix(mark) if n == 0 else part for n, part in enumerate(found)]
    assert "".join(part.decode(encoding.removesuffix("-sig")) for part in read) == text


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "alphabet", ["\U0001f9f1", "ß", "。" * 2 + "x", "ਊĀ", "Āਊ", "x\u0a00Ā"], ids=ascii
)
def test_what_looks_like_an_end_in_the_wrong_place_is_none(alphabet: str, encoding: str) -> None:
    """No character is cut where there is no end; U+0A0A and U+0100 hold one across units."""
    for shift in range(4):
        text = "x" * shift + alphabet * (4 * WINDOW // len(alphabet.encode()))
        mark = ENCODINGS[encoding]

        found = cut(encoded(text, encoding))

        assert len(found) > 2
        for number, part in enumerate(found):
            part.removeprefix(b"" if number else mark).decode(encoding.removesuffix("-sig"))


@pytest.mark.parametrize(("encoding", "unit"), [("utf-16-le", "ਊĀ"), ("utf-16-be", "Āਊ")])
def test_what_looks_like_an_end_does_not_hide_one(encoding: str, unit: str) -> None:
    """The last real one counts."""
    margin = f"{'y' * 8}\n{unit * 11}y"
    text = "x" * ((WINDOW - 2) // 2 - len(margin)) + margin + "z" * WINDOW

    assert cut(encoded(text, encoding))[0].decode("utf-16").endswith("yyyy\n")


@given(before=st.binary(min_size=1, max_size=1500), after=st.binary(max_size=900))
def test_what_is_appended_changes_the_last_part_only(before: bytes, after: bytes) -> None:
    """So only that one is sent again."""
    old, new = cut(before), cut(before + after)

    assert new[: len(old) - 1] == old[:-1]


@pytest.mark.parametrize(
    ("margin", "kept"),
    [
        ("a sentence. a line\na paragraph\n\nand. so\non", "a sentence. a line\na paragraph\n\n"),
        ("lines\r\n\r\nas DOS has\r\nthem", "lines\r\n\r\n"),
        ("a sentence. a line\nand. so on", "a sentence. a line\n"),
        ("Is it? It is! And so", "Is it? It is! "),
        ("一句话。又一句", "一句话。"),
        ("words only", "words "),
        ("nothing", "nothing"),
    ],
)
def test_a_part_ends_at_the_best_end_there_is(margin: str, kept: str) -> None:
    """Paragraph, line, sentence, word, anything."""
    margin_bytes = margin.encode().rjust(MARGIN, b"x")
    content = b"y" * (WINDOW - MARGIN) + margin_bytes + b"z" * WINDOW

    assert cut(content)[0].decode().lstrip("yx") == kept


def test_finding_the_bounds_reads_only_near_them() -> None:
    """Of 64 parts less than a third, though here a margin is a quarter of a window."""

    class Counting(io.BytesIO):
        read_bytes = 0

        def read(self, size: int | None = -1, /) -> bytes:
            content = super().read(size)
            self.read_bytes += len(content)
            return content

    file = Counting(b"words " * (64 * WINDOW // 6))

    assert len(list(parts_of(file))) >= 64
    assert file.read_bytes < HEAD_BYTES + 64 * WINDOW / 3


# Names


def test_no_file_can_be_called_like_a_part() -> None:
    """A file `part 1` in a folder is itself; only two slashes make a part."""
    assert [part_number(path) for path in ("Course/part 1", "part 1", "big.txt//part 2")] == [
        None,
        None,
        2,
    ]
    assert file_of(part_path("a/big.txt", 12)) == "a/big.txt"
    assert shown(part_path("a/big.txt", 12)) == "a/big.txt, part 12"
    assert named(shown(part_path("a/big.txt", 12))) == part_path("a/big.txt", 12)
    assert shown("Course/part 1") == named("Course/part 1") == "Course/part 1"


# In a walk


def walked(root: Path) -> list[FoundFile | SkippedPath]:
    entries = in_parts(root, walk(root, IgnoreRules()))
    return [entry for entry in entries if not isinstance(entry, LeftOut)]


def test_parts_stand_where_the_order_of_paths_wants_them(tmp_path: Path) -> None:
    """Behind files whose names begin alike and go on with what comes before a slash."""
    for name in ("a", "a!", "a!!", "a-b", "a.txt", "a0", "b"):
        size = WHOLE + 1 if name in ("a", "a!", "a!!", "b") else 10
        (tmp_path / name).write_bytes(b"w " * (size // 2 + 1))
    (tmp_path / "film.csv").write_bytes(b"1,2\n" * WHOLE)

    paths = [entry.path for entry in walked(tmp_path)]

    assert paths == sorted(paths)
    assert [path for path in paths if path.startswith("a//")] == [
        f"a//part {n}" for n in range(1, 5)
    ]
    assert "a" not in paths
    assert "film.csv" in paths


def test_a_text_of_the_limit_stays_whole(tmp_path: Path) -> None:
    """One byte more, and it goes up in parts."""
    (tmp_path / "whole.txt").write_bytes(b"w" * WHOLE)
    (tmp_path / "parts.txt").write_bytes(b"w" * (WHOLE + 1))

    assert [entry.path for entry in walked(tmp_path)] == [
        *(f"parts.txt//part {n}" for n in range(1, 5)),
        "whole.txt",
    ]


def test_of_a_text_that_cannot_be_read_nothing_is_known(tmp_path: Path) -> None:
    """It stands for its parts as a folder does for its files, so they are not missing."""
    (tmp_path / "secret.txt").mkdir()  # opening it fails for the superuser, too
    file = FoundFile("secret.txt", WHOLE + 1, 1.5, 7, 9, 1)

    found = list(in_parts(tmp_path, [file]))

    assert [(entry.path, type(entry)) for entry in found] == [("secret.txt/", SkippedPath)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_every_part_is_read_in_the_encoding_of_its_file(tmp_path: Path, encoding: str) -> None:
    """The mark stands at the beginning of the first one only."""
    text = "Über Brücken. Камни давят.\n" * 60
    (tmp_path / "big.txt").write_bytes(encoded(text, encoding))

    count = len(walked(tmp_path))
    read = [read_content(tmp_path, part_path("big.txt", n + 1)).text for n in range(count)]

    assert count > 3
    assert "".join(read) == text
    with pytest.raises(FileNotFoundError):
        read_content(tmp_path, part_path("big.txt", count + 1))


def test_a_text_that_has_grown_too_long_is_not_read_whole(tmp_path: Path) -> None:
    """The next scan finds its parts; until then nobody takes gigabytes into memory."""
    with (tmp_path / "grown.txt").open("wb") as file:
        file.truncate(MAX_DOCUMENT_BYTES + 1)

    with pytest.raises(OSError, match=r"grown\.txt: it has grown beyond 100 MB.*scan again"):
        read_content(tmp_path, "grown.txt")


def test_a_text_that_goes_on_with_nothing_is_no_text(tmp_path: Path) -> None:
    """A sparse file of ten gigabytes takes no room on a disk, and would be sent in 320 parts."""
    path = tmp_path / "image.txt"
    with path.open("wb") as file:
        file.write(b"A line about arches.\n" * 1000)
        file.truncate(10 * 1024**3)
    (entry,) = in_parts(tmp_path, walk(tmp_path, IgnoreRules()))
    assert isinstance(entry, SkippedPath)
    assert (entry.path, entry.is_folder) == ("image.txt", False)
    assert "empty bytes" in entry.reason
