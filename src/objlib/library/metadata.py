"""Metadata from paths, by templates such as `{course}/Week {week:int} - {title}{ext}`.

A template is read against the end of a path: one of three segments looks at the file's name and
the two folders around it, whatever lies above. Fields never reach across a "/". Literal text is
compared without regard to case, after NFC normalisation, so a name typed on a Mac matches too.

    {name}  {name:int}  {name:float}  {name:date}     a field; date is 2026-11-23
    {ext}                                             any extension, at the very end; no field
    {{  }}                                            a brace
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath
from typing import NoReturn

from objlib.errors import ConfigurationError

MetadataValue = str | int | float | list[str]

#: The API takes 20 entries for a document; four are objlib's own.
METADATA_KEYS_MAX = 16

#: Names that begin like this are objlib's own.
RESERVED_PREFIX = "objlib_"

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TOKEN = re.compile(r"\{\{|\}\}|\{(?P<field>[^{}]*)\}|(?P<stray>[{}])|(?P<literal>[^{}]+)")


def _iso_date(text: str) -> str:
    return date.fromisoformat(text).isoformat()


def _some_text(text: str) -> str:
    if not (stripped := text.strip()):
        raise ValueError("empty")
    return stripped


#: Kind -> what it looks like, and how it is read (ValueError: then the template does not match).
#: Fifteen digits are the most that the API's floating-point numbers hold exactly.
_KINDS: dict[str, tuple[str, Callable[[str], MetadataValue]]] = {
    "": (r"[^/]+?", _some_text),
    "int": (r"-?[0-9]{1,15}", int),
    "float": (r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?", float),
    "date": (r"[0-9]{4}-[0-9]{2}-[0-9]{2}", _iso_date),
}


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """One way of reading paths; `str(template)` is what it was parsed from."""

    source: str
    fields: Mapping[str, str]
    segments: int
    regex: re.Pattern[str]

    def __str__(self) -> str:
        return self.source

    @classmethod
    def parse(cls, source: str) -> PathTemplate:
        """Compile a template.

        Raises:
            ConfigurationError: naming the position (from 1) and what is wrong there.
        """
        return _Parser(unicodedata.normalize("NFC", source)).parse()

    def match(self, path: str) -> dict[str, MetadataValue] | None:
        """The fields of a path, or None when it is not of this form."""
        segments = unicodedata.normalize("NFC", path).split("/")
        if len(segments) < self.segments:
            return None
        found = self.regex.fullmatch("/".join(segments[-self.segments :]))
        if found is None:
            return None
        try:
            return {name: _KINDS[kind][1](found[name]) for name, kind in self.fields.items()}
        except ValueError:
            return None


class _Parser:
    """Reads one template from left to right."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.fields: dict[str, str] = {}
        self.regex: list[str] = []
        self.follows_field = False

    def parse(self) -> PathTemplate:
        if not self.source.strip():
            self._refuse(0, "the template is empty")
        for token in _TOKEN.finditer(self.source):
            if token["stray"]:
                self._refuse(
                    token.start(), f"a lone {token[0]!r}; write {token[0] * 2!r} for a brace"
                )
            elif token["field"] is None:
                self._literal(token)
            elif token["field"] == "ext":
                self._extension(token)
            else:
                self._field(token)
        for place, segment in self._segments():
            if segment in ("", ".", ".."):
                self._refuse(place, f"the segment {segment!r} can match nothing")
        keys = {*self.fields, "title"}
        if len(keys) > METADATA_KEYS_MAX:
            self._refuse(0, f"{len(keys)} fields with the title; {METADATA_KEYS_MAX} are possible")
        regex = re.compile("".join(self.regex), re.IGNORECASE)
        return PathTemplate(self.source, self.fields, self.source.count("/") + 1, regex)

    def _literal(self, token: re.Match[str]) -> None:
        text = {"{{": "{", "}}": "}"}.get(token[0], token[0])
        self.regex.append(re.escape(text))
        self.follows_field = False

    def _extension(self, token: re.Match[str]) -> None:
        if token.end() != len(self.source):
            self._refuse(token.start(), "{ext} belongs at the very end")
        has_dot = self.source[: token.start()].endswith(".")
        self.regex.append(r"[^./]+" if has_dot else r"\.[^./]+")

    def _field(self, token: re.Match[str]) -> None:
        name, colon, kind = token["field"].partition(":")
        if not _NAME.fullmatch(name):
            problem = "a field's name is made of a-z, 0-9 and _ and begins with a letter"
            self._refuse(token.start(), f"{problem}, not {name!r}")
        if name.startswith(RESERVED_PREFIX):
            self._refuse(token.start(), f"names that begin with {RESERVED_PREFIX!r} are taken")
        if name in self.fields:
            self._refuse(token.start(), f"{name!r} appears twice")
        if kind not in _KINDS or (colon and not kind):
            kinds = ", ".join(kind for kind in _KINDS if kind)
            self._refuse(token.start(), f"no such kind of field: {kind!r}; there are {kinds}")
        if self.follows_field:
            self._refuse(token.start(), f"nothing separates {name!r} from the field before it")
        self.fields[name] = kind
        self.regex.append(f"(?P<{name}>{_KINDS[kind][0]})")
        self.follows_field = True

    def _segments(self) -> list[tuple[int, str]]:
        place, placed = 0, []
        for segment in self.source.split("/"):
            placed.append((place, segment))
            place += len(segment) + 1
        return placed

    def _refuse(self, place: int, problem: str) -> NoReturn:
        raise ConfigurationError(f"path template {self.source!r}, position {place + 1}: {problem}")


#: Tried in this order; the more a template asks for, the earlier it comes.
DEFAULT_TEMPLATES: tuple[PathTemplate, ...] = tuple(
    PathTemplate.parse(source)
    for source in (
        "{course}/Year {year:int}/Q{quarter:int}/Week {week:int} - {title}{ext}",
        "{course}/Year {year:int}/Week {week:int} - {title}{ext}",
        "{course}/Week {week:int} - {title}{ext}",
        "{collection} - {date:date} - {title}{ext}",
        "{collection} - {year:int} - {title}{ext}",
        "{date:date} - {title}{ext}",
        "{date:date} {title}{ext}",
    )
)


def extract_metadata(
    path: str, templates: Sequence[PathTemplate] = DEFAULT_TEMPLATES
) -> dict[str, MetadataValue]:
    """Return the metadata in a path: the first template that matches decides.

    Every file has a title: without one from a template it is the name less its extension. Where
    no template matches, the folder is said too.
    """
    for template in templates:
        fields = template.match(path)
        if fields is not None:
            return fields if "title" in fields else {"title": _stem(path), **fields}
    folder = path.rpartition("/")[0]
    return {"title": _stem(path), "folder": _nfc(folder)} if folder else {"title": _stem(path)}


def _stem(path: str) -> str:
    name = _nfc(PurePosixPath(path).name)
    return PurePosixPath(name).stem.strip() or name


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
