"""Descriptions of a file: from a sidecar, its front matter, what a book says of itself, its path.

A sidecar lies beside the file and is called like it, with `.meta.toml` or `.meta.json` at the end.
Where several sources name a key, the first of them wins, in this order.

The API takes 20 entries for a document, four of which are objlib's own. The title comes first, then
what the sidecar says, the front matter, the book, the path, each in its order; what comes after the
sixteenth is left out.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path

from objlib.library.metadata import (
    DEFAULT_TEMPLATES,
    METADATA_KEYS_MAX,
    RESERVED_PREFIX,
    MetadataValue,
    PathTemplate,
    extract_metadata,
)
from objlib.library.reach import Opener, open_regular, without_waiting

SIDECAR, FRONT_MATTER, BOOK, PATH = "sidecar", "front matter", "book", "path"

SIDECAR_SUFFIXES = (".meta.toml", ".meta.json")
SIDECAR_BYTES_MAX = 64 * 1024

#: A name's text, or all texts of a list together. More is no description of a file.
VALUE_CHARS_MAX = 10_000

_NO_NAME = "no name: it takes letters a-z, digits and _"
_KEY = re.compile(r"[a-z][a-z0-9_]*")
#: JSON and YAML can write half of a surrogate pair (`"\ud800"`), which is no text in UTF-8.
_HALF_A_PAIR = re.compile(r"[\ud800-\udfff]")
#: Larger integers are not exact as the API's floating-point numbers.
_INTEGER_MAX = 2**53


class BadSidecar(Exception):
    """A sidecar that cannot be read, with one line that says why."""


@dataclass(slots=True)
class Description:
    """The metadata that are sent for a file, and the source of each entry.

    Args:
        origins: key -> `SIDECAR`, `FRONT_MATTER`, `BOOK` or `PATH`.
        left_out: key as it was written -> why it is not sent.
    """

    metadata: dict[str, MetadataValue] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def describe(
    path: str,
    *,
    templates: Sequence[PathTemplate] = DEFAULT_TEMPLATES,
    front_matter: Mapping[str, object] | None = None,
    sidecar: Mapping[str, object] | None = None,
    book: Mapping[str, object] | None = None,
) -> Description:
    """Merge what the sources say about the file at `path`."""
    result = Description()
    candidates: dict[str, tuple[MetadataValue, str]] = {}
    sources = ((SIDECAR, sidecar), (FRONT_MATTER, front_matter), (BOOK, book))
    for origin, said in ((origin, said or {}) for origin, said in sources):
        names: dict[str, str] = {}
        for written, value in said.items():
            name = str(written).encode("utf-8", "backslashreplace").decode("utf-8")
            key, plain = _key(name), _plain(value)
            if key is None or plain is None:
                result.left_out[name] = _NO_NAME if key is None else _objection(value)
            elif key.startswith(RESERVED_PREFIX):
                result.left_out[name] = f"names that begin with {RESERVED_PREFIX!r} are taken"
            elif names.setdefault(key, name) != name:
                result.left_out[name] = f"{names[key]!r} is the same name, and comes before it"
            else:
                candidates.setdefault(key, (plain, origin))
    for key, value in extract_metadata(path, templates).items():
        candidates.setdefault(key, (value, PATH))
    for key in sorted(candidates, key=lambda key: key != "title"):
        if len(result.metadata) == METADATA_KEYS_MAX:
            result.left_out[key] = f"{METADATA_KEYS_MAX} entries are possible, and came before it"
        else:
            result.metadata[key], result.origins[key] = candidates[key]
    return result


def sidecar_of(name: str) -> str | None:
    """The name of the file that a sidecar of this name would describe; None for other files."""
    lower = name.lower()
    for suffix in SIDECAR_SUFFIXES:
        if lower.endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return None


def read_sidecar(path: Path, opener: Opener = without_waiting) -> dict[str, object]:
    """The entries of a sidecar.

    Raises:
        BadSidecar: it is no file, too large, damaged, or no table of entries.
    """
    try:
        with open_regular(path, opener) as file:
            content = file.read(SIDECAR_BYTES_MAX + 1)
    except OSError as error:
        raise BadSidecar(f"it cannot be read ({error.strerror})") from error
    if len(content) > SIDECAR_BYTES_MAX:
        raise BadSidecar(f"it is larger than {SIDECAR_BYTES_MAX // 1024} kB")
    try:
        text = content.decode("utf-8-sig")
        said = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise BadSidecar("it is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise BadSidecar(f"it does not parse: {' '.join(str(error).split())}") from error
    if not isinstance(said, dict):
        raise BadSidecar('it holds no entries: write {"name": "value"}')
    return said


def _key(name: str) -> str | None:
    key = re.sub(r"[\s.-]+", "_", name.strip().lower())
    return key if _KEY.fullmatch(key) else None


def _objection(value: object) -> str:
    """Say why a value is not sent."""
    if value is None or value in ("", []) or (isinstance(value, str) and not value.strip()):
        return "it is empty"
    if isinstance(value, str | list) and _scalar_list(value):
        return f"it is longer than {VALUE_CHARS_MAX:,} characters"
    return "no text, number, date or list of those"


def _plain(value: object) -> MetadataValue | None:
    """A value as the API takes it, or None."""
    if isinstance(value, list | tuple):
        texts = _scalar_list(value)
        return texts if texts and sum(map(len, texts)) <= VALUE_CHARS_MAX else None
    scalar = _scalar(value)
    return None if isinstance(scalar, str) and len(scalar) > VALUE_CHARS_MAX else scalar


def _scalar_list(values: Iterable[object]) -> list[str]:
    """Return the values as texts; none where one of them is no single value.

    Only the beginning of a list that is too long: an alias may stand for much, a thousand times.
    """
    texts: list[str] = []
    characters = 0
    for value in values:
        scalar = _scalar(value)
        if scalar is None:
            return []
        texts.append(str(scalar))
        characters += len(texts[-1])
        if characters > VALUE_CHARS_MAX:
            break
    return texts


def _scalar(value: object) -> str | int | float | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return value if abs(value) <= _INTEGER_MAX else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, str) and _HALF_A_PAIR.search(value) is None:
        return " ".join(value.split()) or None
    return None
