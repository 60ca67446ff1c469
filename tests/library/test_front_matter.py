"""Entries at the beginning of a text: what parses is kept, and what does not is named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.library.described import describe
from objlib.library.front_matter import (
    FRONT_MATTER_BYTES_MAX,
    NO_FRONT_MATTER,
    FrontMatter,
    front_matter_of,
)
from objlib.library.mime import HEAD_BYTES

MARKDOWN = "text/markdown"


def read(block: str, fence: str = "---", mime_type: str = MARKDOWN) -> FrontMatter:
    """The front matter of a text that begins with this block."""
    return front_matter_of(f"{fence}\n{block}\n{fence}\nText.\n".encode(), mime_type)


def bad(found: FrontMatter) -> list[int]:
    """Numbers of the lines that are not used."""
    return [line.number for line in found.bad_lines]


@pytest.mark.parametrize(
    "head",
    [
        b"---\r\na: 1\r\n---\r\ntext",
        b"---\ra: 1\r---\rtext",
        b"\xef\xbb\xbf---\na: 1\n---\n",
        b"---  \na: 1\n--- \n",
        b"---\na: 1\n...\n",
        b"---\na: 1\n---",
        b"---\na:\t1\n---\n",
        b"---\n# a comment\na: 1 # another\n---\n",
        b"+++\na = 1\n+++\ntext",
        b"\xef\xbb\xbf+++\r\na = 1\r\n+++\r\ntext",
        "---\na: 1\n---\ntext".encode("utf-16"),
        "\ufeff---\na: 1\n---\ntext".encode("utf-16-be"),
        "\ufeff---\r\na: 1\r\n---\r\ntext".encode("utf-32-le"),
    ],
)
def test_front_matter_is_found_in_its_common_forms(head: bytes) -> None:
    """YAML and TOML, the line ends of every system, byte order marks, the other end of YAML."""
    assert front_matter_of(head, MARKDOWN) == FrontMatter({"a": 1})


@pytest.mark.parametrize(
    "head",
    [
        b"---\na rule, and no front matter\n",
        b"---\nonly text\n---\n",
        b"--- a: 1 ---\n",
        b"text\n---\na: 1\n---\n",
        b" ---\na: 1\n---\n",
        b"---\n" + b"[" * 5_000 + b"\n---\n",
        b"---\n\nNote: after a rule comes text.\nBy: @ada\n---\n",
        b"---\nThe Bridge\nIt was said: @ nobody\nand so on,\nfor ever\n---\n",
        b"---\n- a\n- b\n---\n",
        b"---\n# nothing\n---\n",
        b"---\n---\n",
        b"---",
        b"+++",
    ],
)
def test_what_is_no_front_matter_is_text(head: bytes) -> None:
    """No error, and no line to be named: many a text begins with a line of dashes."""
    assert front_matter_of(head, MARKDOWN) == NO_FRONT_MATTER


def test_only_texts_have_front_matter() -> None:
    """A YAML file that begins with a document mark is data."""
    assert read("a: 1", mime_type="application/x-yaml") == NO_FRONT_MATTER


@pytest.mark.parametrize(
    "line",
    [
        "subtitle: Foo: Bar",
        "by: @ada",
        "by: `ada`",
        "date: {{date}}",
        "rate: %5",
        "where: *nowhere",
        "open: [1",
        "open: {1",
        "quote: 'it's'",
        'quote: "half',
        "at: !!timestamp x",
        "run: !!python/object/apply:os.getcwd []",
        "run: !include secrets.yaml",
        "control: \x01",
        "a tag without a colon",
        "? [a, b]",
        "deep: " + "[" * 5_000,
        "x: - y: - z",
    ],
)
def test_a_bad_line_costs_no_other_its_entry(line: str) -> None:
    """It is named with its number in the file, and the entries around it are there."""
    found = read(f"title: On arches\ntags:\n- stone\n- load\n{line}\nspeaker: Ada\nlist:\n  - x")
    assert found.entries == {
        "title": "On arches",
        "tags": ["stone", "load"],
        "speaker": "Ada",
        "list": ["x"],
    }
    assert bad(found) == [6]
    assert str(found.bad_lines[0]).startswith("line 6 is not understood (")
    assert len(str(found.bad_lines[0])) < 150


@pytest.mark.parametrize("line", ["week = 010", "by = @ada", "by", 'title = "Twice"', "x = [1, 2"])
def test_a_bad_line_of_toml_costs_no_other_its_entry(line: str) -> None:
    """Tables and values of several lines stay whole."""
    found = read(
        f'title = "On arches"\ntags = [\n  "stone",\n]\n{line}\nday = 1961-01-20\n'
        'more = """\nof = 1\nand so on"""\n[params]\nx = 1',
        fence="+++",
    )
    said = describe("a.md", front_matter=found.entries).metadata
    assert {"title": "On arches", "tags": ["stone"], "day": "1961-01-20"}.items() <= said.items()
    assert found.entries["params"] == {"x": 1}
    assert found.entries["more"] == "of = 1\nand so on"
    assert bad(found) == [6]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("3:16", "3:16"),
        ("12:30:45", "12:30:45"),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("-7", -7),
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("FALSE", False),
        ("1e3", 1000.0),
        ("4.50", 4.5),
        (".5", 0.5),
        ("1_000", "1_000"),
        ("2024-01-05", "2024-01-05"),
        ("2024-1-5", "2024-1-5"),
        ("1.2.3", "1.2.3"),
        ("=", "="),
        ("~", None),
        ("", None),
        ("'010'", "010"),
        ("00012345678901234567890", "00012345678901234567890"),
        ("9" * 5_000, "9" * 5_000),
        ("[no, 010, 3:16]", ["no", 10, "3:16"]),
        ("|-\n  two\n  lines", "two\nlines"),
        (">-\n  one\n  line", "one line"),
        ("Zoë & Søren", "Zoë & Søren"),
    ],
)
def test_values_are_those_of_yaml_1_2(written: str, value: object) -> None:
    """A verse is no number of seconds, `no` is a word, and a nought before a number means nothing.

    The same where another line does not parse.
    """
    assert read(f"x: {written}").entries == {"x": value}
    assert read(f"x: {written}\nby: @ada").entries == {"x": value}


def test_names_are_texts_as_they_are_written() -> None:
    """A number, a truth and nothing are names that no key can be made of; `on` is a good one."""
    found = read("on: 1\n2024: x\nnull: y\ntrue: z\n1.0: w")
    assert list(found.entries) == ["on", "2024", "null", "true", "1.0"]
    assert list(describe("a.md", front_matter=found.entries).metadata) == [
        "title",
        "on",
        "null",
        "true",
    ]


def test_of_two_entries_of_one_name_the_first_counts() -> None:
    """The other is named, in YAML and in TOML."""
    found = read("title: One\nby: Ada\ntitle: Two")
    assert (found.entries["title"], bad(found)) == ("One", [4])
    found = read('title = "One"\nby = "Ada"\ntitle = "Two"', fence="+++")
    assert (found.entries["title"], bad(found)) == ("One", [4])


def test_anchors_are_followed_and_blow_nothing_up() -> None:
    """A value is said once and used twice; a thousand times, it is no description any more."""
    assert read("a: &x Ada\nb: *x").entries == {"a": "Ada", "b": "Ada"}
    assert bad(read("a: &x [*x]\nb: 1")) == [2]
    bomb = f"a: &x {'x' * 9_000}\nb: [{', '.join(['*x'] * 10_000)}]"
    said = describe("a.md", front_matter=read(bomb).entries)
    assert list(said.metadata) == ["title", "a"]
    assert "longer than 10,000 characters" in said.left_out["b"]
    laughs = "\n".join(f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 9)}]" for n in range(1, 30))
    said = describe("a.md", front_matter=read(f"k0: &k0 [lol]\n{laughs}").entries)
    assert list(said.metadata) == ["title", "k0"]


def test_a_text_in_an_old_encoding_has_front_matter_too() -> None:
    """Its letters are read as those of the text are."""
    text = "---\ntitle: Über Brücken\n---\nDie Brücke führt über den Fluß nach Österreich.\n"
    assert front_matter_of(text.encode("cp1252"), MARKDOWN).entries == {"title": "Über Brücken"}


def beginning(content: bytes) -> tuple[bytes, Callable[[], bytes]]:
    """The head of a text, and the reader of more of it."""
    return content[:HEAD_BYTES], lambda: content[:FRONT_MATTER_BYTES_MAX]


def test_a_block_that_is_longer_than_the_head_is_read() -> None:
    """Up to its own limit; in letters of two bytes, which the head may cut in two."""
    for pad in ("ü", "aü"):
        block = f"---\ntitle: Long\nabstract: {pad * 6_000}\nby: Ada\n---\nText.\n".encode()
        head, more = beginning(block)
        assert set(front_matter_of(head, MARKDOWN, more).entries) == {"title", "abstract", "by"}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("in_block", [0, 300])
def test_a_long_text_of_wide_characters_keeps_its_front_matter(
    encoding: str, mark: str, in_block: int
) -> None:
    """Whatever it is cut behind: half a line end is no character."""
    line = "A line of some length, as there are many.\n"
    block = f"{mark}---\ntitle: Wide\nabstract: |\n{('  ' + line) * (in_block // 10)}by: Ada\n---\n"
    head, more = beginning((block + line * 300).encode(encoding))
    assert set(front_matter_of(head, MARKDOWN, more).entries) == {"title", "abstract", "by"}


def test_a_block_without_an_end_is_named() -> None:
    """Where it looks like one: the fence is what is wrong, and nothing is sent of it."""
    found = front_matter_of(b"---\ntitle: Open\nThe text goes on.\n", MARKDOWN)
    assert (found.entries, bad(found)) == ({}, [1])
    assert "a second --- is missing" in str(found.bad_lines[0])
    head, more = beginning(b"---\ntitle: Open\n" + b"a: b\n" * 20_000)
    (line,) = front_matter_of(head, MARKDOWN, more).bad_lines
    assert "longer than 32 kB" in str(line)
    head, more = beginning(b"---\ntitle: Open\n" + b"Text.\n" * 2_000)
    (line,) = front_matter_of(head, MARKDOWN, more).bad_lines
    assert "a second --- is missing" in str(line)


def test_more_is_read_only_for_a_block_that_does_not_end() -> None:
    """Each further reading costs a file its time."""

    def never() -> bytes:
        raise AssertionError("it was asked")

    for head in (b"Text.", b"---\na: 1\n---\n", b"----\n", b"--- a\n"):
        front_matter_of(head, MARKDOWN, never)


def test_a_long_text_is_no_deep_nesting() -> None:
    """Sentences end with dots, and brackets close."""
    text = "It stands (so [they] say). " * 60
    assert describe("a", front_matter=read(f"x: {text}").entries).metadata["x"] == text.strip()
    found = read(f'x = """\n{text}\n"""', fence="+++")
    assert describe("a", front_matter=found.entries).metadata["x"] == text.strip()
    deep = ".".join("a" * 5_000)
    assert bad(read(f"{deep} = 1\nx = 2", fence="+++")) == [2]


def test_a_thousand_bad_lines_take_no_time_to_speak_of() -> None:
    """Each piece is parsed once."""
    found = read("\n".join(f"k{n}: Foo: Bar\nv{n}: {n}" for n in range(1_000)))
    assert len(found.entries) == len(found.bad_lines) == 1_000


@given(st.binary(max_size=300), st.sampled_from([b"---", b"+++"]))
def test_no_beginning_of_a_file_is_an_error(rest: bytes, fence: bytes) -> None:
    """For all bytes."""
    found = front_matter_of(fence + b"\n" + rest + b"\n" + fence + b"\n", MARKDOWN)
    describe("a.md", front_matter=found.entries)


_LINES = st.sampled_from(
    ["a: 1", "b: @x", "c:", "  - x", "- y", "d: |", "  text", "", "# c", "e: {", "}", "f: Foo: B",
     "g", "h = 1", "[t]", "'i': 2", "a: 2", "\tj: 1", "k: &k 1", "l: *k"]
)  # fmt: skip


@given(st.lists(_LINES, max_size=12), st.sampled_from(["---", "+++"]))
def test_every_line_of_a_block_is_an_entry_or_named_or_the_block_is_text(
    lines: list[str], fence: str
) -> None:
    """For all blocks: a named line is a line of the block, and a name is there once."""
    found = read("\n".join(lines), fence)
    for line in found.bad_lines:
        assert line.number == 1 or lines[line.number - 2].split() == line.text.split()
    assert len(set(found.bad_lines)) == len(found.bad_lines)
