"""A scan and a sync that leave something out, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from objlib.library import parts
from tests.conftest import Cli, Query

STORED = "SELECT file_path FROM files WHERE gemini_state = 'indexed' AND is_deleted = 0"
ROWS = (
    "SELECT file_path, gemini_state, version, is_deleted, content_hash, gemini_store_doc_id,"
    " read_problem, skip_reason FROM files ORDER BY file_path"
)


@pytest.fixture
def shelf(workplace: Path) -> Path:
    """A library of talks and drafts, one of them with a sidecar."""
    root = workplace / "shelf"
    for name in ("Drafts/one.txt", "Drafts/two.md", "talk.txt", "talk.md"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"This is {name}, arches stand.\n")
    (root / "talk.txt.meta.toml").write_text('speaker = "Ada"\n')
    return root


def stored(rows: Query) -> set[str]:
    """Paths of the files that are in the store."""
    return {str(path) for (path,) in rows(STORED)}


def test_what_a_run_leaves_out_is_not_looked_at(cli: Cli, shelf: Path, rows: Query) -> None:
    """Neither sent nor recorded nor counted as new; a later run takes it."""
    outcome = cli("sync", "--library", shelf, "--yes", "--exclude", "Drafts/")
    assert outcome.exit_code == 0
    assert stored(rows) == {"talk.txt", "talk.md"}
    assert rows("SELECT COUNT(*) FROM files") == [(2,)]
    assert "1  files and folders left out this time" in outcome.out
    assert "The store holds what this run looked at" in outcome.out
    assert "exactly" not in outcome.out
    whole = cli("sync", "--yes")
    assert whole.exit_code == 0
    assert "exactly" in whole.out
    assert len(stored(rows)) == 4


@pytest.mark.parametrize(
    "narrowing",
    [
        ("--exclude", "Drafts/"),
        ("--exclude", "one.txt", "--exclude", "two.md"),
        ("--include", "/talk.*"),
        ("--max-size", "1k"),
    ],
)
def test_what_a_run_leaves_out_stays_as_it_is(
    cli: Cli, shelf: Path, rows: Query, narrowing: tuple[str, ...]
) -> None:
    """Changed on disk, its row is the same after a narrowed scan and sync, and its document is in
    the store."""
    assert cli("sync", "--library", shelf, "--yes").exit_code == 0
    (shelf / "Drafts" / "one.txt").write_text("Changed meanwhile. " * 100)
    (shelf / "Drafts" / "two.md").write_text("This, too. " * 200)
    (shelf / "talk.md").write_text("And this talk.\n")
    before = {row[0]: row for row in rows(ROWS)}
    report = cli("scan", *narrowing, "--json").json
    assert (report["held"], report["missing"], report["changed"]) == (2, 0, 1)
    after = {row[0]: row for row in rows(ROWS)}
    assert {path for path in before if before[path] != after[path]} == {"talk.md"}
    synced = cli("sync", *narrowing, "--yes")
    assert synced.exit_code == 0, synced.out
    assert {path for path, row in before.items() if row != {r[0]: r for r in rows(ROWS)}[path]} == {
        "talk.md"
    }
    assert cli("store-sync", "--json").json["documents"]["canonical"] == 4


def test_rows_that_wait_are_not_sent_by_a_run_that_leaves_them_out(
    cli: Cli, shelf: Path, rows: Query
) -> None:
    """Scanned by a whole scan; the plan does not count them, and the run ends well without them."""
    cli("scan", "--library", shelf)
    plan = cli("sync", "--dry-run", "--exclude", "Drafts/", "--json").json
    assert plan["plan"]["files"] == 2
    outcome = cli("sync", "--yes", "--exclude", "Drafts/")
    assert outcome.exit_code == 0, outcome.out
    assert stored(rows) == {"talk.txt", "talk.md"}
    assert "not in the store yet" not in outcome.out
    assert rows("SELECT COUNT(*) FROM files WHERE reserved_by IS NOT NULL") == [(0,)]


def test_a_file_that_grew_beyond_the_limit_is_not_sent(cli: Cli, shelf: Path, rows: Query) -> None:
    """The size on disk counts, not the one that the catalog remembers."""
    cli("scan", "--library", shelf)
    (shelf / "talk.md").write_text("x " * 2000)
    assert cli("sync", "--yes", "--max-size", "1k").exit_code == 0
    assert "talk.md" not in stored(rows)


def test_what_is_gone_and_left_out_keeps_its_document(cli: Cli, shelf: Path, rows: Query) -> None:
    """Also if an earlier scan has seen that it is gone. The next whole sync deletes it."""
    assert cli("sync", "--library", shelf, "--yes").exit_code == 0
    (shelf / "Drafts" / "one.txt").unlink()
    (shelf / "talk.md").unlink()
    (shelf / "Drafts" / "two.md").unlink()
    cli("scan", "--include", "one.txt")
    assert rows("SELECT file_path FROM files WHERE is_deleted") == [("Drafts/one.txt",)]
    plan = cli("sync", "--dry-run", "--exclude", "Drafts/", "--json").json["plan"]
    assert plan["to_delete"] == 1
    assert cli("sync", "--yes", "--exclude", "Drafts/").exit_code == 0
    assert cli("store-sync", "--json").json["documents"]["canonical"] == 2
    assert cli("sync", "--yes", "--max-delete", "9").exit_code == 0
    survey = cli("store-sync", "--json").json
    assert sum(survey["documents"].values()) == 1


def test_a_sidecar_describes_its_file_whatever_is_left_out(
    cli: Cli, shelf: Path, rows: Query
) -> None:
    """Or the documents of all files with one would be made anew without it."""
    assert cli("sync", "--library", shelf, "--yes").exit_code == 0
    report = cli("scan", "--include", "*.txt", "--exclude", "*.toml", "--json").json
    assert (report["changed"], report["unchanged"]) == (0, 2)


def test_a_text_in_parts_is_left_out_as_a_whole(
    cli: Cli, shelf: Path, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its size, too, and with a name between its own and those of its parts."""
    monkeypatch.setattr(parts, "WHOLE_BYTES_MAX", 4000)
    monkeypatch.setattr(parts, "WINDOW_BYTES", 2000)
    for name in ("long", "long.txt"):
        (shelf / name).write_text(f"A line of {name} about arches.\n" * 200)
    assert cli("sync", "--library", shelf, "--yes").exit_code == 0
    assert "long//part 2" in stored(rows)
    before = stored(rows)
    for narrowing in (("--max-size", "1k"), ("--exclude", "long*"), ("--include", "talk*")):
        report = cli("scan", *narrowing, "--json").json
        assert report["missing"] == 0, narrowing
        assert cli("sync", "--yes", *narrowing).exit_code == 0
        assert stored(rows) == before


def test_no_folder_that_is_left_out_is_entered(cli: Cli, shelf: Path) -> None:
    """A slow or broken one costs nothing: not even its rules are read."""
    (shelf / "Drafts" / ".objlibignore").write_text("a[z-a]\n")
    assert cli("scan", "--library", shelf).exit_code == 2
    assert cli("scan", "--library", shelf, "--exclude", "Drafts").exit_code == 0


def test_a_disk_that_is_away_is_no_empty_selection(cli: Cli, shelf: Path) -> None:
    """Where nothing is left there is nothing to do; where nothing is there, that is a question."""
    assert cli("sync", "--library", shelf, "--yes").exit_code == 0
    nothing = cli("sync", "--yes", "--include", "*.nowhere")
    assert nothing.exit_code == 0, nothing.err
    shelf.rename(shelf.with_name("away"))
    shelf.mkdir()
    outcome = cli("sync", "--yes", "--exclude", "Drafts/")
    assert outcome.exit_code == 2
    assert "is its disk mounted?" in outcome.err


def test_a_move_into_what_is_taken_is_still_a_move(cli: Cli, shelf: Path, rows: Query) -> None:
    """A scan that saw one half of it leaves the other for the next whole one."""
    assert cli("sync", "--library", shelf, "--yes").exit_code == 0
    (shelf / "Drafts" / "one.txt").rename(shelf / "first.txt")
    cli("scan", "--exclude", "Drafts/")
    assert cli("scan", "--json").json["moved"] == [["Drafts/one.txt", "first.txt"]]
    assert "first.txt" in stored(rows)


@pytest.mark.parametrize("command", ["scan", "sync"])
def test_a_narrowing_that_cannot_be_meant_is_refused(cli: Cli, shelf: Path, command: str) -> None:
    """Before anything is looked at."""
    outcome = cli(command, "--library", shelf, "--exclude", "#recycle")
    assert outcome.exit_code == 2
    assert "names nothing" in outcome.err
    assert not Path("data").exists()
