"""Descriptions of a file besides its content: from a sidecar, its front matter and its path.

A sidecar lies beside the file and is called like it, with `.meta.toml` or `.meta.json` at the end.
Front matter stands at the beginning of a text between two lines of `---` (YAML) or `+++` (TOML); it
stays in the text that is sent. Where several sources name a key, the sidecar wins over the front
matter, and both win over the path.

The API takes 20 entries for a document, four of which are objlib's own. The title comes first, then
what the sidecar says, the front matter, the path, each in its order; what comes after the sixteenth
is left out.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import yaml

from objlib.library.metadata import (
    DEFAULT_TEMPLATES,
    METADATA_KEYS_MAX,
    RESERVED_PREFIX,
    MetadataValue,
    PathTemplate,
    extract_metadata,
)
from objlib.library.reach import Opener, open_regular, without_waiting

SIDECAR, FRONT_MATTER, PATH = "sidecar", "front matter", "path"

SIDECAR_SUFFIXES = (".meta.toml", ".meta.json")
SIDECAR_BYTES_MAX = 64 * 1024

#: Types at whose beginning front matter is looked for.
_FRONT_MATTER_TYPES = frozenset({"text/plain", "text/markdown"})
_FRONT_MATTER = re.compile(
    r"\A\ufeff?(?P<fence>---|\+\+\+)[ \t]*\r?\n(?P<text>.*?)^(?P=fence)[ \t]*\r?$",
    re.DOTALL | re.MULTILINE,
)
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
        origins: key -> `SIDECAR`, `FRONT_MATTER` or `PATH`.
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
) -> Description:
    """Merge what the sources say about the file at `path`."""
    result = Description()
    candidates: dict[str, tuple[MetadataValue, str]] = {}
    for origin, said in ((SIDECAR, sidecar or {}), (FRONT_MATTER, front_matter or {})):
        for written, value in said.items():
            name = str(written).encode("utf-8", "backslashreplace").decode("utf-8")
            key, plain = _key(name), _plain(value)
            if key is None:
                result.left_out[name] = "no name: it takes letters a-z, digits and _"
            elif key.startswith(RESERVED_PREFIX):
                result.left_out[name] = f"names that begin with {RESERVED_PREFIX!r} are taken"
            elif plain is None:
                result.left_out[name] = "no text, number, date or list of those"
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


def front_matter_of(head: bytes, mime_type: str | None) -> dict[str, object]:
    """The entries between the fences at the beginning of a text; none where they do not parse.

    A text may begin with a rule of dashes and mean nothing by it, so nothing is an error here.

    Args:
        head: its first bytes. Front matter that goes on beyond them is none.
    """
    if mime_type not in _FRONT_MATTER_TYPES or not head.lstrip(b"\xef\xbb\xbf").startswith(
        (b"---", b"+++")
    ):
        return {}
    found = _FRONT_MATTER.match(head.decode("utf-8", "ignore"))
    if found is None:
        return {}
    try:
        is_yaml = found["fence"] == "---"
        said: Any = yaml.safe_load(found["text"]) if is_yaml else tomllib.loads(found["text"])
    except (
        Exception
    ):  # the parsers raise whatever a text that was never YAML makes them stumble over
        return {}
    return said if isinstance(said, dict) else {}


def _key(name: str) -> str | None:
    key = re.sub(r"[\s.-]+", "_", name.strip().lower())
    return key if _KEY.fullmatch(key) else None


def _plain(value: object) -> MetadataValue | None:
    """A value as the API takes it, or None."""
    if isinstance(value, list | tuple):
        texts = list(_texts(value))
        return texts if texts and len(texts) == len(value) else None
    return _scalar(value)


def _texts(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        scalar = _scalar(value)
        if scalar is not None:
            yield str(scalar)


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
