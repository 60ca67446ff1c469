"""Libraries on disks that are gone or do not answer: told in a line, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.mounts import Namespace, namespace
from tests.conftest import Cli, Query, states


@pytest.fixture
def disks() -> Iterator[Namespace]:
    """A mount namespace."""
    with namespace() as mounts:
        yield mounts


@pytest.fixture
def synced(library: Path, cli: Cli) -> Path:
    """A library in step with its store."""
    assert cli("sync", "--yes", "--library", library).exit_code == 0
    return library


@pytest.mark.parametrize(
    "arguments",
    [
        ("scan",),
        ("scan", "--library", "library"),
        ("sync", "--yes"),
        ("sync", "--yes", "--library", "library"),
        ("init", "--library", "library"),
    ],
)
def test_a_disk_that_does_not_answer_is_told(
    synced: Path, disks: Namespace, rows: Query, arguments: tuple[str, ...]
) -> None:
    """One line names the folder and the system's reason; it is no bug in objlib."""
    disks.mount_dead(synced)

    code, said = disks.objlib(*arguments)

    assert code == 2, said
    assert "not connected" in said
    assert "is its disk mounted?" in said
    assert "bug" not in said
    assert states(rows) == {"indexed": 6}
    assert rows("SELECT COUNT(*) FROM files WHERE is_deleted") == [(0,)]


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("failures",),
        ("search", "arches"),
        ("search", "arches", "--open", "1"),
        ("verify", "--limit", "1"),
        ("store-sync",),
        ("store-sync", "--apply"),
        ("fsm-upload", "--retry-failed"),
        ("recover",),
        ("recover", "--from-store"),
        ("history", "Course/Year 1/Week 1 - On arches.txt"),
        ("metadata", "Course/Year 1/Week 1 - On arches.txt"),
        ("scan", "--library", "elsewhere"),
        ("scan", "--library", "library/Course"),
    ],
)
def test_nothing_that_meets_a_dead_disk_is_a_bug(
    synced: Path, disks: Namespace, rows: Query, arguments: tuple[str, ...]
) -> None:
    """Each command says what it can do without the files, or that they are not there."""
    (synced.parent / "elsewhere").mkdir()
    (synced.parent / "elsewhere" / "a.txt").write_text("Something else.\n")
    disks.mount_dead(synced)

    _, said = disks.objlib(*arguments)

    assert "bug" not in said
    assert states(rows) == {"indexed": 6}
    assert rows("SELECT COUNT(*) FROM files WHERE is_deleted") == [(0,)]


def test_an_unmounted_disk_leaves_an_empty_folder_and_a_catalog_as_it_was(
    library: Path, disks: Namespace, rows: Query, workplace: Path
) -> None:
    """It is no library whose files were all deleted, and is taken up again when it is back."""
    mounted = workplace / "mounted"
    mounted.mkdir()
    disks.mount(mounted, "--bind", str(library))
    assert disks.objlib("sync", "--yes", "--library", "mounted")[0] == 0
    disks.unmount(mounted)

    code, said = disks.objlib("sync", "--yes")
    assert (code, "is its disk mounted?" in said) == (2, True)
    assert rows("SELECT COUNT(*) FROM files WHERE is_deleted") == [(0,)]

    disks.mount(mounted, "--bind", str(library))
    assert disks.objlib("sync", "--yes")[0] == 0
    assert states(rows) == {"indexed": 6}
