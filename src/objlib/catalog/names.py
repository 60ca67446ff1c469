"""The names that the files of a catalog go by, looked up word by word.

Of a hundred thousand files, reading all metadata takes seconds, and a question shall not wait for
that. So a large catalog keeps the names in a file beside it: a look-up takes some milliseconds. It
is written anew when the catalog has changed, but only once its making is a small part of the time
that it was used. Nothing is lost with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import tempfile
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from objlib.catalog.facets import Facet, Value, count_indexed, metadata_pages
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import last_move
from objlib.language.words import terms
from objlib.threads import in_thread

#: The names of fewer files are read for each question.
KEPT_FROM = 300
#: A file of names that the catalog has outgrown is used for so many times what its making took.
_USED_FOR = 20
_VERSION = 1
#: The longest name, in words.
NAME_WORDS_MAX = 12
#: A text of more words is a sentence, and one of its words does not stand for it.
_NAMES_MAX = 3
_NAME_CHARS_MIN = 4

_WORD = re.compile(r"[^\W_]+")
_IN_PARENTHESES = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_DATE = re.compile(r"(\d{4})-\d{2}-\d{2}")
#: Other keys cannot be written in a filter.
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_SCHEMA = """
    CREATE TABLE facts (number INTEGER PRIMARY KEY, key TEXT, value, files BLOB);
    CREATE TABLE names (name TEXT, is_alias INTEGER, fact INTEGER);
    CREATE TABLE info (version INTEGER, move INTEGER, indexed INTEGER, made_at REAL, took_s REAL);
"""
_NAMED = """
    SELECT facts.key, facts.value, length(facts.files) / :size
    FROM names JOIN facts ON facts.number = names.fact
    WHERE name = :name AND is_alias = :alias ORDER BY facts.number LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a question or a name, and its place."""

    term: str
    text: str
    start: int
    end: int

    @property
    def is_name(self) -> bool:
        """True if it is written as a name, or in a script that does not tell."""
        return self.text[0].isupper() or self.text.upper() == self.text.lower()


def words_of(text: str) -> list[Word]:
    """Return the words of a text."""
    found = []
    for match in _WORD.finditer(text):
        if term := "".join(terms(match[0])):
            found.append(Word(term, match[0], match.start(), match.end()))
    return found


@dataclass(frozen=True, slots=True)
class Names:
    """The names of files: a database of its own."""

    db: sqlite3.Connection
    indexed: int

    def named(self, name: str, limit: int, *, is_alias: bool = False) -> list[Facet]:
        """Return the values of which this is the name, or one name of several; so many at most."""
        wanted = {"name": name, "alias": is_alias, "limit": limit, "size": _SIZE}
        return [Facet(*row) for row in self.db.execute(_NAMED, wanted)]

    def count(self, wanted: Mapping[str, Sequence[Value]]) -> int:
        """Return the number of files that have, for each of these keys, one of its values."""
        common: set[int] | None = None
        for key, values in wanted.items():
            of_key: set[int] = set()
            for value in values:
                for (files,) in self.db.execute(
                    "SELECT files FROM facts JOIN names ON names.fact = facts.number"
                    " WHERE key = ? AND value = ? AND name = ? LIMIT 1",
                    (key, value, next(iter(_names_of(value)), ("", False))[0]),
                ):
                    of_key.update(array("I", files))
            common = of_key if common is None else common & of_key
        return len(common or ())


_SIZE = array("I").itemsize


async def names_of(catalog: Catalog, kept: Path | None = None) -> Names:
    """Return the names that the files in the store go by.

    Args:
        kept: the file that keeps them, where there are many.
    """
    move = await last_move(catalog)
    names = None if kept is None else await in_thread(lambda: _opened(kept, move))
    if names is not None:
        return names
    began = time.monotonic()
    is_large = kept is not None and await count_indexed(catalog) >= KEPT_FROM
    pages = [page async for page in metadata_pages(catalog)]
    if kept is None or not is_large:
        return await in_thread(lambda: made_of(":memory:", pages, move))
    return await in_thread(lambda: _written(kept, pages, move, began))


def _opened(path: Path, move: int) -> Names | None:
    """Return the names that a file keeps; None where it is to be written anew."""
    if not path.is_file():
        return None
    db = sqlite3.connect(path, check_same_thread=False)
    try:
        version, of_move, indexed, made_at, took_s = db.execute("SELECT * FROM info").fetchone()
        age_s = time.time() - made_at
        if version == _VERSION and (of_move == move or 0 <= age_s < _USED_FOR * took_s):
            return Names(db, indexed)
    except (sqlite3.DatabaseError, TypeError, ValueError):  # cut short, or not ours
        pass
    db.close()
    return None


def _written(path: Path, pages: Iterable[Sequence[str]], move: int, began: float) -> Names:
    """Write the names into a file, whole or not at all; where that fails they are not kept."""
    try:
        handle, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
        os.close(handle)
    except OSError:
        return made_of(":memory:", pages, move)
    try:
        names = made_of(name, pages, move, began)
        with contextlib.suppress(OSError):  # Windows: another one has it open
            Path(name).replace(path)
        return names
    finally:
        with contextlib.suppress(OSError):
            Path(name).unlink()


def made_of(
    database: str, pages: Iterable[Sequence[str]], move: int = 0, began: float | None = None
) -> Names:
    """Return the names of files, by their metadata as JSON, in a new database."""
    files: dict[tuple[str, Value], array[int]] = {}
    number = 0
    for page in pages:
        for text in page:
            for fact in set(_facts_of(text)):
                files.setdefault(fact, array("I")).append(number)
            number += 1
    db = sqlite3.connect(database, check_same_thread=False)
    db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _SCHEMA)
    facts = sorted(files.items(), key=lambda one: (one[0][0], -len(one[1]), str(one[0][1])))
    db.executemany(
        "INSERT INTO facts VALUES (?, ?, ?, ?)",
        ((n, key, value, some.tobytes()) for n, ((key, value), some) in enumerate(facts)),
    )
    db.executemany(
        "INSERT INTO names VALUES (?, ?, ?)",
        (
            (name, is_alias, n)
            for n, ((_, value), _) in enumerate(facts)
            for name, is_alias in _names_of(value)
        ),
    )
    db.execute("CREATE INDEX by_name ON names (name, is_alias)")
    took_s = 0.0 if began is None else time.monotonic() - began
    info = (_VERSION, move, number, time.time(), took_s)
    db.execute("INSERT INTO info VALUES (?, ?, ?, ?, ?)", info)
    db.commit()
    return Names(db, number)


def _facts_of(metadata_json: str) -> Iterator[tuple[str, Value]]:
    """Yield the keys and values of a file that a filter can find."""
    for key, said in json.loads(metadata_json).items():
        if not _KEY.fullmatch(key):
            continue
        for value in said if isinstance(said, list) else [said]:
            if _can_be_kept(value):
                yield key, value


def _can_be_kept(value: object) -> bool:
    if isinstance(value, str):
        return value.isascii() or value.encode("utf-8", "ignore").decode() == value
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53


def _names_of(value: Value) -> Iterator[tuple[str, bool]]:
    """Yield the names of a value, without spaces: (name, it is one of several)."""
    if not isinstance(value, str):
        if float(value).is_integer():
            yield str(int(value)), False
        return
    if (date := _DATE.fullmatch(value)) is not None:
        yield date[1], False
        yield value.replace("-", ""), False
        return
    words = words_of(_IN_PARENTHESES.sub(" ", value))
    while len(words) > 1 and words[-1].term.isdecimal():
        words.pop()  # "Johnson-2"
    if not words or len(words) > NAME_WORDS_MAX:
        return
    name = "".join(word.term for word in words)
    if not name.isdecimal():
        yield name, False
    if 1 < len(words) <= _NAMES_MAX and all(word.is_name for word in words):
        for word in words:
            if len(word.term) >= _NAME_CHARS_MIN:
                yield word.term, True
