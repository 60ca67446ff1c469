"""objlib failures: why files are not in the store, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from objlib.filestore import Fault, Kind
from tests.cli.servers import server
from tests.conftest import Cli


def test_without_failures_there_is_nothing_to_show(cli: Cli, library: Path) -> None:
    """One line, exit code 0."""
    cli("scan", "--library", library)
    outcome = cli("failures")
    assert outcome.exit_code == 0
    assert outcome.out == "No file has failed, and none was left out\n"


def test_failures_are_grouped_by_reason_with_a_remedy(
    cli: Cli, library: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failed for now, and left out; the first three are named, and all with -v."""
    for number in range(5):
        (library / f"song {number}.mp3").write_bytes(b"ID3\x03\x00\x00")
    cli("scan", "--library", library)
    failing = Fault(Kind.DOCUMENT_FAILED)
    with server(workplace / "served.db", failing) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        assert cli("fsm-upload", "--limit", "2").exit_code == 1

    outcome = cli("failures")
    assert outcome.exit_code == 1
    assert "2 files: the backend could not index it" in outcome.out
    assert "  Course/Year 1/Week 1 - On arches.txt" in outcome.out
    assert "-> it may pass: objlib fsm-upload --retry-failed" in outcome.out
    assert "song 2.mp3" in outcome.out
    assert "song 3.mp3" not in outcome.out
    assert "… and 2 more (-v names all)" in outcome.out
    assert "song 4.mp3" in cli("failures", "-v").out

    groups = cli("failures", "--json").json
    assert [(group["kind"], group["files"]) for group in groups] == [
        ("skipped", 5),
        ("transient", 2),
    ]
    assert len(groups[0]["paths"]) == 5
