"""Files that somebody has selected: by folder, by state, by values of their metadata.

There is no index over metadata, so a page is looked for in steps along the paths, and gives up
after so many rows: it says where to look on. Counts walk over all that is selected; they go
through the reader, and whoever shows them keeps them (`objlib.service.figures`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from objlib.catalog.facets import Facet
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import marks
from objlib.catalog.records import COLUMNS, FileRecord

#: In place of a state: files that cannot be uploaded.
SKIPPED = "skipped"
#: Rows of a step, and steps of a page: a tenth of a second in all.
_STEP, _STEPS = 20_000, 5
#: Values that are named of each key.
VALUES_MAX = 200
#: The first files, by which a key is taken for one that sets files apart, as titles do: so many of
#: its values differ. Counting them all would take most of the time, and helps nobody to choose.
_SAMPLE, _SAMPLE_MIN, _DIFFERING = 500, 12, 0.8
#: Above every path that begins with a text: no path has this character in it.
_LAST = "\U0010ffff"
#: What JSON writes as it stands, so that a text can be looked for before JSON is parsed.
_PLAIN = re.compile(r"[A-Za-z0-9 _-]+")

#: A file has a value of a key; what follows says which.
_HAS = (
    "EXISTS (SELECT 1 FROM json_each(files.metadata_json) AS entry,"
    " json_each(CASE entry.type WHEN 'array' THEN entry.value"
    "           ELSE json_array(entry.value) END) AS item"
    " WHERE entry.key = ? AND CAST(item.value AS TEXT)"
)
#: Every value of the metadata of the selected files; most are no lists, which are dearer.
_VALUES = (
    "SELECT entry.key AS key, entry.type AS type, entry.value AS value"
    " FROM files, json_each(files.metadata_json) AS entry"
    " WHERE {where} AND json_valid(metadata_json) AND entry.type IN ('text', 'integer', 'real')"
    " {and_key} UNION ALL SELECT entry.key, item.type, item.value"
    " FROM files, json_each(files.metadata_json) AS entry, json_each(entry.value) AS item"
    " WHERE {where} AND json_valid(metadata_json) AND entry.type = 'array'"
    " AND instr(metadata_json, '[') AND item.type IN ('text', 'integer', 'real') {and_key}"
)


@dataclass(frozen=True, slots=True)
class Selection:
    """Files on disk: in a folder, in a state, with one of some values for each key."""

    #: Begin of the path, for instance "Essays/"; empty for all.
    beginning: str = ""
    #: A state, `skipped`, or None for any.
    state: str | None = None
    #: Key -> values as people read them; one of them is enough.
    values: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, beginning: str, state: str | None, said: Sequence[str]) -> Selection:
        """Return the selection that an address names; `said` is `key:value` each."""
        by_key: dict[str, list[str]] = {}
        for one in said:
            key, colon, value = one.partition(":")
            if key and colon:
                by_key.setdefault(key, []).append(value)
        return cls(beginning, state, tuple((key, tuple(some)) for key, some in by_key.items()))

    @property
    def is_narrow(self) -> bool:
        """True if a page may have to look at many more rows than it shows."""
        return bool(self.values) or self.state is not None

    def without(self, key: str) -> Selection:
        """Return the selection with any value of a key."""
        return replace(self, values=tuple(one for one in self.values if one[0] != key))

    def condition(self) -> tuple[str, list[object]]:
        """Return the selection in SQL, over `files`, with its parameters."""
        parts, parameters = ["is_deleted = 0"], list[object]()
        if self.beginning:
            parts.append("file_path >= ? AND file_path < ?")
            parameters += [self.beginning, self.beginning + _LAST]
        if self.state == SKIPPED:
            parts.append("skip_reason IS NOT NULL")
        elif self.state is not None:
            parts.append("skip_reason IS NULL AND gemini_state = ?")
            parameters.append(self.state)
        for key, values in self.values:
            if all(_PLAIN.fullmatch(value) for value in values):
                parts.append(f"({' OR '.join(['instr(metadata_json, ?)'] * len(values))})")
                parameters += values
            parts.append("json_valid(metadata_json)")
            parts.append(f"{_HAS} IN ({marks(values)}))")
            parameters += [key, *values]
        return " AND ".join(parts), parameters


async def page_of(
    catalog: Catalog, selection: Selection, after: str | None, size: int
) -> tuple[list[FileRecord], str | None]:
    """Return selected files by path, and the path after which to look on; None at the end.

    There may be fewer than asked for, or none, and more all the same: then it was looked at
    enough rows for one page.
    """
    where, parameters = selection.condition()
    found: list[FileRecord] = []
    begin, steps = after or "", _STEPS
    while steps:
        steps -= 1
        until = await _end_of_step(catalog, selection, begin)
        rows = await catalog.reader.fetch_all(
            f"SELECT {COLUMNS} FROM files WHERE {where} AND file_path > ? AND file_path <= ?"
            " ORDER BY file_path LIMIT ?",
            (*parameters, begin, until or _LAST, size + 1 - len(found)),
        )
        found += map(FileRecord.from_row, rows)
        if len(found) > size:
            return found[:size], found[size - 1].file_path
        if until is None:
            return found, None
        begin = until
    return found, begin


async def _end_of_step(catalog: Catalog, selection: Selection, begin: str) -> str | None:
    """Return the last path to look at in one step, or None where the rest is no more than that."""
    by_state, parameters = "", list[object]()
    if selection.state not in (None, SKIPPED):
        by_state = " AND gemini_state = ?"
        parameters.append(selection.state)
    row = await catalog.reader.fetch_one(
        "SELECT file_path FROM files WHERE file_path > ? AND file_path < ?"
        f"{by_state} ORDER BY file_path LIMIT 1 OFFSET ?",
        (
            max(begin, selection.beginning),
            selection.beginning + _LAST,
            *parameters,
            _STEP - 1,
        ),
    )
    return None if row is None else str(row[0])


@dataclass(frozen=True, slots=True)
class Tallied:
    """The selected files, counted."""

    #: State, or `skipped` -> files, whatever state was selected.
    states: Mapping[str, int]
    #: Folder right below the selected one, with a closing slash -> files in it and below.
    folders: Mapping[str, int]


async def tallied(catalog: Catalog, selection: Selection, folders_max: int) -> Tallied:
    """Count the selected files by state and by folder, the first folders by name."""
    where, parameters = replace(selection, state=None).condition()
    states = await catalog.reader.fetch_all(
        f"SELECT CASE WHEN skip_reason IS NULL THEN gemini_state ELSE '{SKIPPED}' END AS state,"
        f" COUNT(*) FROM files WHERE {where} GROUP BY state",
        parameters,
    )
    where, parameters = selection.condition()
    rest = f"substr(file_path, {len(selection.beginning) + 1})"
    folders = await catalog.reader.fetch_all(
        f"SELECT substr({rest}, 1, instr({rest}, '/')) AS folder, COUNT(*) FROM files"
        f" WHERE {where} AND instr({rest}, '/') GROUP BY folder ORDER BY folder LIMIT ?",
        (*parameters, folders_max),
    )
    return Tallied(
        {str(state): int(files) for state, files in states},
        {selection.beginning + str(name): int(files) for name, files in folders},
    )


@dataclass(frozen=True, slots=True)
class Values:
    """The values of one key among the selected files."""

    #: The most frequent first.
    named: tuple[Facet, ...]
    #: The number of all.
    values: int
    #: Files, each counted for every value that it has.
    files: int


async def values_of(catalog: Catalog, selection: Selection) -> dict[str, Values]:
    """Return the values by key; of a key with a selected value as if none were."""
    apart = await _keys_that_set_apart(catalog, selection)
    others = f"AND entry.key NOT IN ({marks(apart)})" if apart else ""
    found = await _values_of(catalog, selection, others, apart)
    for key, _ in selection.values:
        alone = await _values_of(catalog, selection.without(key), "AND entry.key = ?", (key,))
        found = {**found, **alone}
    return dict(sorted(found.items()))


async def _keys_that_set_apart(catalog: Catalog, selection: Selection) -> list[str]:
    where, parameters = selection.condition()
    rows = await catalog.reader.fetch_all(
        "SELECT entry.key FROM (SELECT metadata_json FROM files"
        f" WHERE {where} AND json_valid(metadata_json) LIMIT ?) AS some,"
        " json_each(some.metadata_json) AS entry GROUP BY entry.key"
        " HAVING COUNT(*) >= ? AND COUNT(DISTINCT entry.value) >= ? * COUNT(*)",
        (*parameters, _SAMPLE, _SAMPLE_MIN, _DIFFERING),
    )
    return [str(key) for (key,) in rows]


async def _values_of(
    catalog: Catalog, selection: Selection, and_key: str, keys: Sequence[object]
) -> dict[str, Values]:
    where, parameters = selection.condition()
    values = _VALUES.format(where=where, and_key=and_key)
    rows = await catalog.reader.fetch_all(
        "SELECT key, value, files, total, all_files FROM (SELECT key, value, files,"
        " ROW_NUMBER() OVER (PARTITION BY key ORDER BY files DESC, value) AS place,"
        " COUNT(*) OVER (PARTITION BY key) AS total,"
        " SUM(files) OVER (PARTITION BY key) AS all_files"
        f" FROM (SELECT key, value, COUNT(*) AS files FROM ({values}) AS every"
        " GROUP BY key, type, value) AS counted) AS ranked WHERE place <= ? ORDER BY key, place",
        (*parameters, *keys, *parameters, *keys, VALUES_MAX),
    )
    by_key: dict[str, list[tuple[object, ...]]] = {}
    for row in rows:
        by_key.setdefault(str(row[0]), []).append(row)
    return {
        key: Values(
            tuple(Facet(key, row[1], int(row[2])) for row in some),  # type: ignore[arg-type, call-overload]
            int(some[0][3]),  # type: ignore[call-overload]
            int(some[0][4]),  # type: ignore[call-overload]
        )
        for key, some in by_key.items()
    }
