"""compare(): two snapshots become changes. The whole specification is a dictionary."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.library.changes import (
    Change,
    Confirmed,
    KnownFile,
    Missing,
    New,
    Skipped,
    Suspect,
    Unchanged,
    Unreadable,
    compare,
)
from objlib.library.walk import FoundFile, SkippedPath

FOUND = FoundFile("a", 10, 1.5, 7, 9, 1)
KNOWN = KnownFile("a", 10, 1.5, 7, 9, is_judged=True, is_deleted=False, skip_reason=None)

PATHS = st.lists(
    st.sampled_from(["a", "b", "-", "0", "é"]), min_size=1, max_size=3
).map("/".join)  # fmt: skip
SIZES = st.sampled_from([1, 2])
KNOWN_FILES = st.builds(
    KnownFile,
    path=PATHS | PATHS.map(lambda path: path + "/"),
    size_bytes=SIZES | st.none(),
    mtime=st.sampled_from([1.0, 2.0, None]),
    inode=st.sampled_from([1, 2, None]),
    ctime=st.sampled_from([1, 2, -1, None]),
    is_judged=st.booleans(),
    is_deleted=st.booleans(),
    skip_reason=st.sampled_from([None, "a film"]),
    is_unread=st.booleans(),
)
FOUND_FILES = st.builds(
    FoundFile, PATHS, SIZES, st.sampled_from([1.0, 2.0]), SIZES, SIZES, SIZES
)  # fmt: skip
SKIPPED_FILES = st.builds(SkippedPath, PATHS, st.just("a pipe"), st.just(False))
SKIPPED_FOLDERS = st.builds(
    SkippedPath, PATHS.map(lambda path: path + "/"), st.just("denied"), st.just(True)
)


def without_contents(
    entries: list[FoundFile | SkippedPath],
) -> list[FoundFile | SkippedPath]:
    """A walk yields nothing from below a folder that it could not read."""
    closed = [entry.path for entry in entries if isinstance(entry, SkippedPath) and entry.is_folder]
    return [
        entry
        for entry in entries
        if not any(entry.path.startswith(path) and entry.path != path for path in closed)
    ]


DISKS = st.lists(
    FOUND_FILES | SKIPPED_FILES | SKIPPED_FOLDERS, unique_by=lambda entry: entry.path, max_size=12
).map(without_contents)
CATALOGS = st.lists(KNOWN_FILES, unique_by=lambda known: known.path, max_size=12)


def expected_change(
    found: FoundFile | SkippedPath | None, known: KnownFile | None, closed: list[SkippedPath]
) -> Change | None:
    if isinstance(found, SkippedPath):
        return Skipped(found, known)
    if known is None:
        assert found is not None
        return New(found)
    if found is None:
        if known.is_deleted:
            return None
        around = next((one for one in closed if known.path.startswith(one.path)), None)
        return Missing(known) if around is None else Unreadable(known, around)
    looks_the_same = (
        found.size_bytes == known.size_bytes
        and found.mtime == known.mtime
        and found.inode == known.inode
        and found.sidecar_mtime == known.sidecar_mtime
    )
    has_verdict = known.is_judged
    if not looks_the_same or not has_verdict or known.is_deleted:
        return Suspect(found, known)
    if known.ctime not in (None, found.ctime):
        return Suspect(found, known)
    is_said = known.ctime is not None and not known.is_unread
    return (Unchanged if is_said else Confirmed)(found, known)


@given(DISKS, CATALOGS)
def test_changes_are_those_of_two_dictionaries(
    disk: list[FoundFile | SkippedPath], catalog: list[KnownFile]
) -> None:
    """For all pairs of snapshots, the merge says of each path what looking it up in both would."""
    here = {entry.path: entry for entry in disk}
    there = {known.path: known for known in catalog}
    closed = [entry for entry in disk if isinstance(entry, SkippedPath) and entry.is_folder]
    expected = [
        change
        for path in sorted(here.keys() | there.keys())
        if (change := expected_change(here.get(path), there.get(path), closed)) is not None
    ]

    changes = list(
        compare(
            sorted(disk, key=lambda entry: entry.path),
            sorted(catalog, key=lambda known: known.path),
        )
    )

    assert changes == expected


@pytest.mark.parametrize(
    "known",
    [
        KNOWN._replace(size_bytes=11),
        KNOWN._replace(mtime=1.25),
        KNOWN._replace(inode=8),
        KNOWN._replace(inode=None),
        KNOWN._replace(ctime=10),
        KNOWN._replace(ctime=-1),
        KNOWN._replace(is_judged=False),
        KNOWN._replace(is_deleted=True),
    ],
)
def test_any_doubt_makes_a_file_suspect(known: KnownFile) -> None:
    """Another size, inode or time, no hash yet, or a return: only the hash can tell."""
    assert list(compare([FOUND], [known])) == [Suspect(FOUND, known)]


def test_a_disk_mounted_under_another_number_changes_nothing() -> None:
    """The device's number is not compared: it may differ after every restart."""
    found = FOUND._replace(device=99)

    assert list(compare([found], [KNOWN])) == [Unchanged(found, KNOWN)]


def test_nothing_below_an_unreadable_folder_is_missing() -> None:
    """Neighbours of the folder go missing as usual; what lies in it, at any depth, is protected."""
    closed = SkippedPath("a/", "permission denied", is_folder=True)
    known = [KNOWN._replace(path=path) for path in ("a", "a-b", "a/b", "a/c/d", "a0")]

    assert list(compare([closed], known)) == [
        Missing(known[0]),
        Missing(known[1]),
        Skipped(closed, None),
        Unreadable(known[2], closed),
        Unreadable(known[3], closed),
        Missing(known[4]),
    ]


def test_what_was_deleted_stays_deleted_in_silence() -> None:
    """A row that is marked as deleted is not reported a second time."""
    assert list(compare([], [KNOWN._replace(is_deleted=True)])) == []


@pytest.mark.parametrize("paths", [("b", "a"), ("a", "a")])
def test_an_input_out_of_order_stops_the_merge(paths: tuple[str, str]) -> None:
    """A stream that does not ascend would make files look missing, so it is refused."""
    found = [FOUND._replace(path=path) for path in paths]
    known = [KNOWN._replace(path=path) for path in paths]

    with pytest.raises(ValueError, match="ascend"):
        list(compare(found, []))
    with pytest.raises(ValueError, match="ascend"):
        list(compare([], known))


def test_the_inputs_are_pulled_as_they_are_needed() -> None:
    """The merge reads one ahead on either side, however long the streams are."""
    pulled: list[int] = []

    def endless() -> Iterator[FoundFile]:
        number = 0
        while True:
            pulled.append(number)
            yield FOUND._replace(path=f"{number:09d}")
            number += 1

    changes = compare(endless(), [])
    for _ in range(5):
        next(changes)

    assert len(pulled) == 5
