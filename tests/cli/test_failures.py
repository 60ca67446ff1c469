"""objlib failures: why files are not in the store, and what to do."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from benchmarks.filled import fill_catalog

from objlib.filestore import Fault, Kind
from tests.cli.servers import server
from tests.conftest import Cli, Outcome


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
    assert "-> it may succeed next time: objlib fsm-upload --retry-failed" in outcome.out
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


def test_a_million_failures_make_neither_a_million_reasons_nor_a_list(
    cli: Cli, library: Path
) -> None:
    """Messages name keys and documents; what is left of them groups the files, page by page."""
    cli("scan", "--library", library)
    fill_catalog(Path("data/failed.db"), 2_500, "failed")
    with closing(sqlite3.connect("data/failed.db")) as plain:
        plain.execute(
            "UPDATE files SET error_message = CASE rowid % 2"
            " WHEN 0 THEN 'upload files/' || upload_key || ': 503 Unavailable'"
            " ELSE file_path || ': odd ' || (rowid % 50) END"
        )
        plain.commit()

    def run(*arguments: str) -> Outcome:
        return cli("failures", "--db", "data/failed.db", *arguments)

    first, *_ = run().out.splitlines()
    assert first == "1,250 files: upload files/(its key): 503 Unavailable"
    assert run().out.splitlines()[-1] == "… and 6 more reasons (-v names all)"
    every = run("-v").out.splitlines()
    assert sum(line.endswith(".txt") for line in every) == 2_500
    groups = run("--json").json
    assert len(groups) == 26
    named = [path for group in groups for path in group["paths"]]
    assert len(set(named)) == len(named) == 2_500
    assert [len(group["paths"]) for group in groups] == [group["files"] for group in groups]
