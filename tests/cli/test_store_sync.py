"""objlib store-sync: the plan that is printed, the report, and what --apply makes of them."""

from __future__ import annotations

import asyncio
import io
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from objlib.config import load_settings
from objlib.documents.payload import KEY, LIBRARY, PATH
from objlib.filestore import Fault, Kind
from objlib.service.library import Library
from tests.cli.servers import server
from tests.conftest import Cli, Query, states


@pytest.fixture
def uploaded(cli: Cli, library: Path) -> Path:
    """Six files in the catalog and in the store."""
    cli("scan", "--library", library)
    assert cli("fsm-upload").exit_code == 0
    return library


def add_documents(*metadata: dict[str, str]) -> None:
    """Add documents that no row knows; the trail knows the keys, as of documents made here once."""

    async def run() -> None:
        async with Library.open(settings=load_settings()) as library:
            report = await library.survey()
            own = (await library.bound()).library_id
            for number, entry in enumerate(metadata):
                raw = await library.client.upload_file(
                    io.BytesIO(b"Another text."), name=f"added{number}", mime_type="text/plain"
                )
                filled = {key: value or own for key, value in entry.items()}
                await library.client.import_file(
                    report.store_name, file_name=raw.name, metadata=filled
                )
                if KEY in filled:
                    await library.catalog.execute(
                        "INSERT INTO transitions (file_path, from_state, to_state, version,"
                        " attempt, at, upload_key)"
                        " VALUES (?, 'untracked', 'uploading', 1, 1, ?, ?)",
                        (filled[PATH], library.catalog.now(), filled[KEY]),
                    )

    asyncio.run(run())


def orphan(name: str) -> dict[str, str]:
    return {KEY: f"key of {name}", LIBRARY: "", PATH: name}


def steps(text: str) -> list[str]:
    """The lines of a plan."""
    return [line.strip() for line in text.splitlines() if line.startswith("  ")]


def mess_up(cli: Cli, library: Path, rows: Query) -> None:
    """A ghost, two orphans, a duplicate, a foreign document and a new file."""
    (key, path), *_ = rows("SELECT upload_key, file_path FROM files ORDER BY file_path DESC")
    add_documents(
        orphan("a.txt"), orphan("b.txt"), {KEY: key, LIBRARY: "", PATH: path}, {"colour": "red"}
    )
    (name,) = rows("SELECT gemini_store_doc_id FROM files ORDER BY file_path LIMIT 1")[0]

    async def run() -> None:
        async with Library.open(settings=load_settings()) as opened:
            await opened.survey()
            await opened.client.delete_document(name)

    asyncio.run(run())
    (library / "new.txt").write_text("A new text.\n")
    cli("scan")


def test_the_plan_is_printed_and_nothing_is_done(cli: Cli, uploaded: Path, rows: Query) -> None:
    """Without --apply, or with --dry-run: the same plan twice, exit code 1, no row moved."""
    mess_up(cli, uploaded, rows)
    before = rows("SELECT * FROM files ORDER BY file_path")
    limit = ("--max-delete", "2")
    first, second = cli("store-sync", *limit), cli("store-sync", "--dry-run", *limit)
    assert (first.exit_code, second.exit_code) == (1, 1)
    assert first.out == second.out
    assert "Nothing was changed. Next: objlib store-sync --apply" in first.out
    assert [re.sub(r" \(.*?\)", "", line) for line in steps(first.out)] == [
        "send again Course/Year 1/Week 1 - On arches.txt: indexed, but the store does not have it",
        "delete a.txt: no file claims it",
        "delete b.txt: no file claims it",
        "delete Course/Year 1/Week 6 - On fermentation.txt:"
        " its file is indexed under another document",
    ]
    assert rows("SELECT * FROM files ORDER BY file_path") == before


def test_apply_does_what_was_printed(cli: Cli, uploaded: Path, rows: Query) -> None:
    """The same steps, then their counts; afterwards an upload makes it whole."""
    mess_up(cli, uploaded, rows)
    planned = steps(cli("store-sync").out)
    applied = cli("store-sync", "--apply", "--max-delete", "2")
    assert applied.exit_code == 0
    assert steps(applied.out) == planned
    assert "Deleted 3 documents" in applied.out
    assert "To be uploaded again: 1 file" in applied.out
    assert cli("fsm-upload", "--json").json["indexed"] == 2
    assert cli("store-sync").exit_code == 0


def test_the_report_has_one_line_a_document(cli: Cli, uploaded: Path, rows: Query) -> None:
    """Nine documents, a ghost and two files that are not in the store: each with its sign."""
    mess_up(cli, uploaded, rows)
    cli("store-sync", "--report", "report.txt")
    lines = Path("report.txt").read_text("utf-8").splitlines()
    signs = [line[0] for line in lines]
    assert {sign: signs.count(sign) for sign in sorted(set(signs))} == {
        "!": 1,
        "+": 1,
        "-": 2,
        "2": 1,
        "=": 5,
        "?": 1,
    }
    assert "- a.txt (no file claims it)" in lines
    assert "+ new.txt (its file is untracked)" in lines


def test_a_report_that_cannot_be_written_is_one_line(cli: Cli, uploaded: Path) -> None:
    """A folder that is not there is a usage error, and nothing is repaired."""
    outcome = cli("store-sync", "--apply", "--report", "nowhere/report.txt")
    assert outcome.exit_code == 2
    assert "nowhere/report.txt" in outcome.err


def test_foreign_documents_are_reported_and_left_unless_asked(cli: Cli, uploaded: Path) -> None:
    """They are no difference; --include-foreign puts them into the plan."""
    add_documents({"colour": "red"})
    told = cli("store-sync", "--apply")
    assert told.exit_code == 0
    assert "Foreign documents: 1" in told.out
    assert "delete" not in told.out
    asked = cli("store-sync", "--include-foreign")
    assert len(steps(asked.out)) == 1
    assert "Deleted 1 document" in cli("store-sync", "--apply", "--include-foreign").out
    assert cli("store-sync", "--json").json["documents"]["foreign"] == 0


def test_a_plan_that_would_be_refused_says_so(cli: Cli, uploaded: Path) -> None:
    """--dry-run tells what --apply would run into."""
    add_documents(orphan("a.txt"), orphan("b.txt"))
    told = cli("store-sync", "--max-delete", "1")
    assert told.exit_code == 1
    assert "--apply would stop: 2 of 8 documents would be deleted" in told.out
    refused = cli("store-sync", "--max-delete", "1", "--apply")
    assert refused.exit_code == 2
    assert cli("store-sync", "--json").json["documents"]["orphan"] == 2


def test_a_library_that_is_not_there_deletes_nothing(cli: Cli, uploaded: Path) -> None:
    """Even what was missing before its disk went away."""
    next(uploaded.rglob("*arches*")).unlink()
    cli("scan")
    uploaded.rename(uploaded.with_name("unmounted"))
    refused = cli("store-sync", "--apply")
    assert refused.exit_code == 2
    assert "mounted" in refused.err
    assert cli("store-sync", "--json").json["documents"]["orphan"] == 1


def test_another_device_is_accepted_when_told(cli: Cli, uploaded: Path, rows: Query) -> None:
    """The line names the option, and the option works."""
    cli("store-sync", "--apply")
    rows("UPDATE catalog_info SET value = value + 1 WHERE key = 'library_device'")
    next(uploaded.rglob("*arches*")).unlink()
    cli("scan")
    refused = cli("store-sync", "--apply")
    assert refused.exit_code == 2
    assert "--accept-device" in refused.err
    assert cli("store-sync", "--apply", "--accept-device").exit_code == 0
    assert cli("store-sync").exit_code == 0


def test_a_listing_that_comes_back_empty_is_no_empty_store(
    cli: Cli, library: Path, workplace: Path, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Empty five times over: exit code 3 and no ghost. Empty once: asked again."""
    data = workplace / "served.db"
    with server(data) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        cli("scan", "--library", library)
        cli("fsm-upload")
    for times, code in ((None, 3), (1, 0)):
        with server(data, Fault(Kind.EMPTY_LIST, route="GET */documents", times=times)) as url:
            rows("UPDATE catalog_info SET value = ? WHERE key = 'backend'", url)
            monkeypatch.setenv("OBJLIB_BASE_URL", url)
            outcome = cli("store-sync", "--apply")
        assert outcome.exit_code == code, outcome
    assert states(rows) == {"indexed": 6}


def test_an_interrupted_repair_is_exit_code_130(
    cli: Cli, library: Path, workplace: Path, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One signal to a real process in the midst of deleting; the next repair does the rest."""
    slow = Fault(Kind.LATENCY, route="DELETE *documents/{document}", seconds=0.3)
    with server(workplace / "served.db", slow) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        cli("scan", "--library", library)
        cli("fsm-upload")
        add_documents(*(orphan(f"{number}.txt") for number in range(30)))
        command = [sys.executable, "-m", "objlib", "store-sync", "--apply", "--max-delete", "99%"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            seen = 0
            while seen < 30:  # the plan is printed before its first step
                line = process.stdout.readline()
                assert line, "the plan ended before thirty deletions"
                seen += line.startswith("  delete")
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "Traceback" not in err
        assert cli("store-sync", "--apply", "--max-delete", "99%").exit_code == 0
        assert json.loads(cli("store-sync", "--json").out)["clean"]


@pytest.mark.parametrize("command", [["store-sync"], ["recover"], ["fsm-upload"]])
def test_a_first_look_at_the_store_may_be_refused(
    cli: Cli,
    library: Path,
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: Query,
    command: list[str],
) -> None:
    """A 429 to the very first request is waited out like any other."""
    cli("scan", "--library", library)
    data = workplace / "served.db"
    with server(data) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        cli("fsm-upload")
    with server(data, Fault(Kind.RATE_LIMIT, times=2, seconds=0.01)) as url:
        rows("UPDATE catalog_info SET value = ? WHERE key = 'backend'", url)
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        assert cli(*command).exit_code == 0
