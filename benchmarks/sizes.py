"""How large the benchmarks are: quick ones for every day, complete ones for the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of files, rows, documents, items; each tuple is a row of measurements."""

    fan_out: tuple[int, ...]
    scanned: tuple[int, ...]
    #: In a single folder.
    huge_folder: int
    #: Folders inside one another, a file in each.
    deep: int
    #: Texts of a megabyte.
    long_texts: int
    #: Bytes of the one that is uploaded beside a ticker.
    long_text_bytes: int
    catalog: tuple[int, ...]
    contended: int
    #: On one catalog.
    processes: tuple[int, ...]
    documents: tuple[int, ...]
    uploaded: int
    #: Seconds that an answer takes -> share of the files that are uploaded at that distance.
    distances: Mapping[float, float]
    #: Uploads under virtual time: over the whole wire, and with a modelled backend.
    simulated_wire: int
    simulated: tuple[int, ...]
    emulator: int
    rounds: int


#: A second each would take minutes with all of them.
_DISTANCES = {0.05: 1.0, 0.2: 1.0, 1.0: 0.2}

QUICK = Sizes(
    fan_out=(1_000, 20_000),
    scanned=(1_000, 10_000),
    huge_folder=10_000,
    deep=200,
    long_texts=200,
    long_text_bytes=50_000_000,
    catalog=(1_000, 100_000),
    contended=300,
    processes=(1, 2, 4, 8),
    documents=(1_000, 10_000),
    uploaded=300,
    distances=_DISTANCES,
    simulated_wire=300,
    simulated=(1_000, 3_000),
    emulator=2_000,
    rounds=3,
)

_DECADES = (1_000, 10_000, 100_000, 1_000_000)

FULL = Sizes(
    fan_out=_DECADES,
    scanned=_DECADES,
    huge_folder=100_000,
    deep=200,
    long_texts=1_000,
    long_text_bytes=50_000_000,
    catalog=_DECADES,
    contended=1_000,
    processes=(1, 2, 4, 8),
    documents=_DECADES[:3],
    uploaded=1_000,
    distances=_DISTANCES,
    simulated_wire=2_000,
    simulated=_DECADES[:3],
    emulator=4_000,
    rounds=5,
)

#: Says nothing about speed: whether the programs work.
TINY = Sizes(
    fan_out=(50,),
    scanned=(30,),
    huge_folder=20,
    deep=5,
    long_texts=3,
    long_text_bytes=100_000,
    catalog=(60,),
    contended=10,
    processes=(1, 2),
    documents=(60,),
    uploaded=8,
    distances={0.001: 1.0},
    simulated_wire=8,
    simulated=(20,),
    emulator=16,
    rounds=1,
)
