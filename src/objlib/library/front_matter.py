"""Front matter: entries at the beginning of a text, between lines of `---` (YAML) or `+++` (TOML).

It stays in the text that is sent. Values are those of YAML 1.2's core schema: `no` and `3:16` are
text, `010` is ten. A line that does not parse costs no other line its entry, and is named.

A text may also begin with a line of dashes and mean nothing by it. So a block in which most lines
are no entries is text, and nothing about it is a problem.

Source: YAML 1.2.2, "Core schema", yaml.org/spec/1.2.2/#103-core-schema.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from objlib.formats.decoding import decode_text, form_of
from objlib.library.mime import HEAD_BYTES

#: A longer block is no front matter.
FRONT_MATTER_BYTES_MAX = 32 * 1024

#: Types at whose beginning front matter is looked for.
_TYPES = frozenset({"text/plain", "text/markdown"})
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_FENCES = (b"---", b"+++")
_OPENING = re.compile(r"(---|\+\+\+)[ \t]*\n")
_CLOSINGS = {
    "---": re.compile(r"^(?:---|\.\.\.)[ \t]*$", re.MULTILINE),
    "+++": re.compile(r"^\+\+\+[ \t]*$", re.MULTILINE),
}
#: Lines that go on with an entry of YAML, or are none: indented, empty, an item, a comment.
_GOES_ON = re.compile(r"[ ]|$|-(?: |$)|#")
_LOOKS_LIKE_AN_ENTRY = {
    "---": re.compile(r"""["']?[^\W\d][\w .-]{0,40}["']?[ ]*:(?:\s|$)"""),
    "+++": re.compile(r"""["']?[\w.-]{1,40}["']?[ ]*=|\[+[\w."' -]+\]+"""),
}
#: A text of several lines stands between these in TOML.
_LONG_QUOTES = ('"""', "'''")
#: Beginnings of lines, with a level for each dot in a name of TOML.
_NAME = re.compile(r"""^\[*[\w."'-]*""", re.MULTILINE)
_BRACKETS = re.compile(r"[\[\]{}]")
_DEPTH_MAX = 50
_SHOWN_CHARS = 60
#: More digits than a whole number is sent with are text.
_DIGITS_MAX = 18


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line of front matter that is not used."""

    #: Number of the line in the file, from 1.
    number: int
    #: The line, cut off where it is long.
    text: str
    #: The reason, for people.
    reason: str

    def __str__(self) -> str:
        return f"line {self.number} is not understood ({self.reason}): {self.text}"


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The entries at the beginning of a text, as they are written, and the lines that are none."""

    entries: Mapping[str, object] = field(default_factory=dict)
    bad_lines: tuple[BadLine, ...] = ()


NO_FRONT_MATTER = FrontMatter()


def front_matter_of(
    head: bytes, mime_type: str | None, beginning: Callable[[], bytes] | None = None
) -> FrontMatter:
    """Return the front matter of a text; never raise for what is in it.

    Args:
        head: the first bytes of the text.
        beginning: reads its first `FRONT_MATTER_BYTES_MAX` bytes, where `head` is not all of them.
            It is asked only for a block that does not end in `head`; its `OSError` is passed on.
    """
    if mime_type not in _TYPES or not _begins_with_fence(head):
        return NO_FRONT_MATTER
    text = _decoded(head, is_cut=len(head) >= HEAD_BYTES)
    if (opening := _OPENING.match(text)) is None:
        return NO_FRONT_MATTER
    fence = opening.group(1)
    closing = _CLOSINGS[fence].search(text, opening.end())
    is_all = beginning is None
    if closing is None and beginning is not None:
        whole = beginning()
        is_all = len(whole) < FRONT_MATTER_BYTES_MAX
        text = _decoded(whole, is_cut=not is_all)
        closing = _CLOSINGS[fence].search(text, opening.end())
    if closing is None:
        return _without_end(fence, text[opening.end() :], is_all=is_all)
    block = text[opening.end() : closing.start()].expandtabs(4)
    return _Block(fence, block).read()


def _begins_with_fence(head: bytes) -> bool:
    """Return True for a fence in any encoding; a cheap look, for it is taken at every text."""
    start = head[:20].translate(None, b"\0")
    for mark in _MARKS:
        start = start.removeprefix(mark)
    return start.startswith(_FENCES)


def _decoded(head: bytes, *, is_cut: bool) -> str:
    unit_bytes = form_of(head).unit_bytes if is_cut else 1
    if unit_bytes > 1:  # half a unit, too: a line feed is in more than one byte
        text = decode_text(head[: len(head) // unit_bytes * unit_bytes])
        text = text[: text.rfind("\n") + 1 or len(text)]
    elif is_cut:  # a character that is cut in two looks like another encoding
        text = decode_text(head[: head.rfind(b"\n") + 1 or len(head)])
    else:
        text = decode_text(head)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _without_end(fence: str, text: str, *, is_all: bool) -> FrontMatter:
    """Name the fence of a block that is never closed, where it is one."""
    first = text.partition("\n")[0]
    if not _LOOKS_LIKE_AN_ENTRY[fence].match(first):
        return NO_FRONT_MATTER
    most = f"it is longer than {FRONT_MATTER_BYTES_MAX // 1024} kB"
    reason = f"a second {fence} is missing" if is_all else most
    return FrontMatter(bad_lines=(BadLine(1, fence, reason),))


class _Block:
    """The lines between two fences, while they are read."""

    def __init__(self, fence: str, text: str) -> None:
        self.fence = fence
        self.lines = text.split("\n")
        self.entries: dict[str, object] = {}
        self.bad_lines: list[BadLine] = []

    def read(self) -> FrontMatter:
        """Read the block as a whole, or entry by entry where that is not possible."""
        try:
            self._take("\n".join(self.lines), 0)
        except Exception:  # the parsers raise whatever a text that is no data makes them stumble on
            if not self._is_meant_as_data():
                return NO_FRONT_MATTER
            for first_line, piece in self._pieces():
                try:
                    self._take(piece, first_line)
                except Exception:
                    self._refuse(first_line, _advice(piece, self.fence))
        if not self.entries and not self._is_meant_as_data():
            return NO_FRONT_MATTER
        return FrontMatter(self.entries, tuple(self.bad_lines))

    def _take(self, text: str, first_line: int) -> None:
        """Add the entries in a piece of the block. Raises anything where it does not parse."""
        _check_depth(text)
        if self.fence == "+++":
            if max(name.count(".") for name in _NAME.findall(text)) > _DEPTH_MAX:
                raise ValueError("nested too deeply")
            for name, value in tomllib.loads(text).items():
                self._add(name, value, first_line)
            return
        loader = _Loader(text)
        try:
            self._take_yaml(loader, first_line)
        finally:
            loader.dispose()

    def _take_yaml(self, loader: _Loader, first_line: int) -> None:
        node = loader.get_single_node()
        if node is None:
            return  # nothing but comments
        if not isinstance(node, yaml.MappingNode):
            raise ValueError("no entries")
        for key, value in node.value:
            line = first_line + key.start_mark.line
            if not isinstance(key, yaml.ScalarNode):
                self._refuse(line, "it has no name")
                continue
            try:
                said = loader.construct_object(value, deep=True)
            except Exception:
                self._refuse(line, _TO_QUOTE)
            else:
                self._add(key.value, said, line)

    def _add(self, name: str, value: object, line: int) -> None:
        if name in self.entries:
            self._refuse(line, "its name is there already, and the first one counts")
        else:
            self.entries[name] = value

    def _refuse(self, line: int, reason: str) -> None:
        shown = " ".join(self.lines[line].split())
        if len(shown) > _SHOWN_CHARS:
            shown = f"{shown[:_SHOWN_CHARS]}…"
        self.bad_lines.append(BadLine(line + 2, shown, reason))  # the fence is the first line

    def _is_meant_as_data(self) -> bool:
        """Return True if at least half of the pieces look like entries, the first line among them.

        An empty line after the fence makes it a rule, as pandoc has it.
        """
        if not self.lines[0].strip():
            return False
        looks = _LOOKS_LIKE_AN_ENTRY[self.fence]
        pieces = [piece for _, piece in self._pieces()]
        return 2 * sum(looks.match(piece) is not None for piece in pieces) >= max(1, len(pieces))

    def _pieces(self) -> Iterator[tuple[int, str]]:
        """Yield each entry with the lines that go on with it, and the number of its first line."""
        begins = list(self._begins())
        for begin, end in zip(begins, [*begins[1:], len(self.lines)], strict=False):
            yield begin, "\n".join(self.lines[begin:end])

    def _begins(self) -> Iterator[int]:
        """Yield the numbers of the lines at which entries begin."""
        is_in_text = is_in_table = False
        for number, line in enumerate(self.lines):
            if self.fence == "---":
                if not _GOES_ON.match(line):
                    yield number
                continue
            is_table = line.startswith("[")
            if not is_in_text and (is_table or (line[:1].isalpha() and not is_in_table)):
                yield number
                is_in_table = is_table
            is_in_text ^= bool(sum(line.count(quotes) for quotes in _LONG_QUOTES) % 2)


def _check_depth(text: str) -> None:
    """Raise `ValueError` for what is nested so deeply that it takes the parsers seconds."""
    depth = deepest = 0
    for bracket in _BRACKETS.findall(text):
        depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    if deepest > _DEPTH_MAX:
        raise ValueError("nested too deeply")


_TO_QUOTE = "put its text in quotes"


def _advice(piece: str, fence: str) -> str:
    return _TO_QUOTE if (":" if fence == "---" else "=") in piece else "it has no name"


class _Loader(yaml.SafeLoader):
    """A loader of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the base class declares it so


def _whole_number(_loader: _Loader, node: yaml.ScalarNode) -> int | str:
    text = str(node.value)
    if len(text) > _DIGITS_MAX:
        return text
    return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


def _number(_loader: _Loader, node: yaml.ScalarNode) -> float:
    return float(str(node.value).lower().replace(".inf", "inf").replace(".nan", "nan"))


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN",
        list("-+0123456789."),
    ),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first
    )
_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)
