"""The keys of the metadata in the store, for filters."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from objlib.catalog.facets import Value, facets_of
from objlib.catalog.protocol import Catalog

SAMPLES = 5


@dataclass(frozen=True, slots=True)
class MetadataKey:
    """A key that a filter can name."""

    key: str
    #: "text", "number", or both where files differ.
    kind: str
    #: Values that differ.
    values: int
    #: Files with it; those with several values of a list count for each.
    files: int
    #: The most frequent values; of numbers the least and the greatest.
    samples: tuple[Value, ...]


async def metadata_keys(catalog: Catalog) -> tuple[MetadataKey, ...]:
    """Return the keys of the files that are in the store, by name."""
    return tuple(
        _summary(key, [(facet.value, facet.files) for facet in facets])
        for key, facets in itertools.groupby(await facets_of(catalog), lambda facet: facet.key)
    )


def _summary(key: str, counted: list[tuple[Value, int]]) -> MetadataKey:
    numbers = [value for value, _ in counted if not isinstance(value, str)]
    texts = [value for value, _ in counted if isinstance(value, str)]
    kind = " or ".join(["text"] * bool(texts) + ["number"] * bool(numbers))
    bounds = sorted({min(numbers), max(numbers)}) if numbers else []
    samples = [*texts[: SAMPLES - len(bounds)], *bounds]
    return MetadataKey(key, kind, len(counted), sum(files for _, files in counted), tuple(samples))
