"""The whole journey through the command line, on the embedded store."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.conftest import Cli, Query, states


def test_a_library_goes_from_disk_to_citation(cli: Cli, library: Path, rows: Query) -> None:
    """scan, upload, store-sync and search agree about every file."""
    assert cli("scan", "--library", library).exit_code == 0
    assert states(rows) == {"untracked": 6}

    uploaded = cli("fsm-upload", "--json")
    assert uploaded.exit_code == 0
    assert uploaded.json["indexed"] == 6
    assert states(rows) == {"indexed": 6}

    synced = cli("store-sync")
    assert synced.exit_code == 0
    assert "Canonical documents: 6" in synced.out
    assert "Orphaned documents: 0" in synced.out

    found = cli("search", "what is said about caesium?", "--json")
    assert found.exit_code == 0
    assert found.json["citations"][0]["path"] == "Course/Year 1/Week 3 - On caesium.txt"
    assert "[objlib:" not in found.out


def test_the_first_line_says_which_store_is_in_use(cli: Cli, library: Path) -> None:
    """Without a key the embedded store is named, and how to switch."""
    cli("scan", "--library", library)
    first = cli("fsm-upload").err.splitlines()[0]
    assert "embedded" in first
    assert "GEMINI_API_KEY" in first


def test_a_limit_takes_exactly_that_many(cli: Cli, library: Path, rows: Query) -> None:
    """--limit 2 moves two files, the next run the rest, and a third one sends nothing."""
    cli("scan", "--library", library)
    assert cli("fsm-upload", "--limit", "2", "--json").json["indexed"] == 2
    assert states(rows) == {"indexed": 2, "untracked": 4}
    assert cli("fsm-upload", "--json").json["indexed"] == 4
    third = cli("fsm-upload", "--json").json
    assert third["indexed"] == 0
    assert third["requests"] == 1  # the store is looked up, and that is all


def test_the_second_round_touches_only_what_changed(cli: Cli, library: Path, rows: Query) -> None:
    """One file changed, one added, one deleted: the others keep their rows byte for byte."""
    cli("scan", "--library", library)
    cli("fsm-upload")
    folder = library / "Course" / "Year 1"
    changed, deleted = folder / "Week 1 - On arches.txt", folder / "Week 2 - On beeswax.txt"
    untouched = "SELECT * FROM files WHERE file_path > 'Course/Year 1/Week 3' ORDER BY file_path"
    before = rows(untouched)
    changed.write_text("This lecture is about vaults now.\n")
    deleted.unlink()
    (folder / "Week 0 - On lanterns.txt").write_text("Lanterns are trimmed at dusk.\n")

    scanned = cli("scan", "--json").json
    assert (scanned["new"], scanned["changed"], scanned["missing"]) == (1, 1, 1)
    assert cli("fsm-upload", "--json").json["indexed"] == 2
    assert rows(untouched) == before

    off = cli("store-sync", "--json")
    assert off.exit_code == 1
    assert off.json["documents"]["orphan"] == 1
    repaired = cli("store-sync", "--apply", "--json")
    assert repaired.exit_code == 0
    assert repaired.json["repaired"]["deleted"] == 1
    clean = cli("store-sync", "--json").json
    assert clean["documents"]["canonical"] == 6
    assert clean["clean"] is True
    assert [c["path"] for c in cli("search", "vaults", "--json").json["citations"]] == [
        "Course/Year 1/Week 1 - On arches.txt"
    ]
    assert cli("search", "beeswax", "--json").json["citations"] == []


def test_store_sync_changes_nothing_without_apply(cli: Cli, library: Path) -> None:
    """Two looks in a row see the same orphan."""
    cli("scan", "--library", library)
    cli("fsm-upload")
    (library / "Course" / "Year 1" / "Week 2 - On beeswax.txt").unlink()
    cli("scan")
    assert cli("store-sync", "--json").json == cli("store-sync", "--json").json


def test_a_moved_file_keeps_its_document(cli: Cli, library: Path, rows: Query) -> None:
    """A move is no upload, and the citation names the new path."""
    cli("scan", "--library", library)
    cli("fsm-upload")
    documents = rows("SELECT gemini_store_doc_id FROM files ORDER BY 1")
    old = library / "Course" / "Year 1" / "Week 3 - On caesium.txt"
    old.rename(library / "Clocks.txt")
    assert cli("scan", "--json").json["moved"] == [
        ["Course/Year 1/Week 3 - On caesium.txt", "Clocks.txt"]
    ]
    assert cli("fsm-upload", "--json").json["indexed"] == 0
    assert rows("SELECT gemini_store_doc_id FROM files ORDER BY 1") == documents
    assert cli("search", "caesium", "--json").json["citations"][0]["path"] == "Clocks.txt"
    assert cli("store-sync").exit_code == 0


def test_every_move_of_every_file_is_in_the_audit_trail(
    cli: Cli, library: Path, rows: Query
) -> None:
    """Three moves a file, each one version up, and `history` shows them."""
    cli("scan", "--library", library)
    cli("fsm-upload")
    trail = rows(
        "SELECT from_state, to_state, version FROM transitions"
        " WHERE file_path LIKE '%caesium%' ORDER BY id"
    )
    assert trail == [
        ("untracked", "uploading", 1),
        ("uploading", "processing", 2),
        ("processing", "indexed", 3),
    ]
    shown = cli("history", "Course/Year 1/Week 3 - On caesium.txt")
    assert [line.split()[2:5] for line in shown.out.splitlines()[:-1]] == [
        ["untracked", "->", "uploading"],
        ["uploading", "->", "processing"],
        ["processing", "->", "indexed"],
    ]
    assert shown.out.splitlines()[-1] == "Now: indexed, version 3"


def test_the_history_of_an_unknown_file_is_an_error(cli: Cli, library: Path) -> None:
    """A path the catalog does not know is named."""
    cli("scan", "--library", library)
    outcome = cli("history", "nowhere.txt")
    assert outcome.exit_code == 2
    assert "nowhere.txt" in outcome.err


def test_reset_existing_uploads_again_and_leaves_no_second_document(
    cli: Cli, library: Path, rows: Query
) -> None:
    """A forced upload replaces each document; the old ones go once the new ones are active."""
    cli("scan", "--library", library)
    cli("fsm-upload")
    before = {name for (name,) in rows("SELECT gemini_store_doc_id FROM files")}
    assert cli("fsm-upload", "--reset-existing", "--limit", "2", "--json").json["indexed"] == 2
    after = {name for (name,) in rows("SELECT gemini_store_doc_id FROM files")}
    assert len(after - before) == 2
    synced = cli("store-sync")
    assert synced.exit_code == 0
    assert "Canonical documents: 6" in synced.out


def test_a_dry_run_sends_nothing(cli: Cli, library: Path, rows: Query) -> None:
    """--dry-run counts files and bytes, and does not even make a store."""
    cli("scan", "--library", library)
    planned = cli("fsm-upload", "--dry-run", "--json").json
    assert planned["files"] == 6
    assert planned["size_bytes"] == sum(path.stat().st_size for path in library.rglob("*.txt"))
    assert states(rows) == {"untracked": 6}
    assert planned["reasons"] == {"new": 6}
    assert planned["requests"] == 30
    assert not (Path("data") / "filestore.db").exists()


def test_a_dry_run_names_files_and_reasons(cli: Cli, library: Path) -> None:
    """Each line says why; the first twenty without -v, and the price at the end."""
    cli("scan", "--library", library)
    cli("fsm-upload", "--limit", "5")
    changed = library / "Course" / "Year 1" / "Week 1 - On arches.txt"
    changed.write_text("This lecture is about vaults now.\n")
    for number in range(30):
        (library / f"Note {number}.txt").write_text("A note.")
    cli("scan")

    planned = cli("fsm-upload", "--dry-run", "--tier", "1").out
    assert "+ Course/Year 1/Week 1 - On arches.txt (changed, 34 B)" in planned
    assert "(new, 7 B)" in planned
    assert "… and 12 more (-v names all)" in planned
    assert "31  new" in planned
    assert "requests  161" in planned
    assert "(600 requests/min)" in planned
    assert "more (-v" not in cli("fsm-upload", "--dry-run", "-v").out
    forced = cli("fsm-upload", "--dry-run", "--reset-existing", "--json").json
    assert forced["reasons"] == {"changed": 1, "forced": 4, "new": 31}


def test_what_was_sent_stands_beside_what_was_expected(cli: Cli, library: Path) -> None:
    """Bytes and requests of the run, and of its plan."""
    cli("scan", "--library", library)
    uploaded = cli("fsm-upload", "--json").json
    assert uploaded["sent_bytes"] == uploaded["expected"]["size_bytes"]
    assert uploaded["expected"]["requests"] == 30
    assert uploaded["requests"] >= 30


def test_events_are_written_as_json_lines(cli: Cli, library: Path, workplace: Path) -> None:
    """--events FILE holds one line per event, the files' among them."""
    import json

    cli("scan", "--library", library)
    cli("fsm-upload", "--events", "events.jsonl")
    lines = [json.loads(line) for line in (workplace / "events.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines].count("FileIndexed") == 6
    assert lines[0]["event"] == "RunStarted"


def test_names_in_any_script_survive_from_disk_to_citation(cli: Cli, library: Path) -> None:
    """Quotes, newlines, right-to-left text, leading spaces and long names come back unchanged."""
    names = [
        "  leading spaces and 'quotes' and \"double\".txt",
        "two\nlines.txt",
        "חלום של לילה.txt",
        "Ελληνικά κείμενα.txt",
        "ü" * 120 + ".txt",
    ]
    deep = "/".join(["a folder with a rather long name"] * 9)
    paths = [*names, f"{deep}/deep down.txt"]
    for number, name in enumerate(paths):
        path = library / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"The secret word of this text is zebra{number}.\n", encoding="utf-8")
    cli("scan", "--library", library)
    assert cli("fsm-upload").exit_code == 0
    for number, name in enumerate(paths):
        found = cli("search", f"zebra{number}", "--json").json["citations"]
        assert found[0]["path"] == name
    assert cli("store-sync").exit_code == 0


def test_a_stray_session_is_told_why_it_is_refused(cli: Cli, library: Path, rows: Query) -> None:
    """`UPDATE … SET gemini_state = 'indexed'` by hand on an untracked row."""
    cli("scan", "--library", library)
    with pytest.raises(sqlite3.IntegrityError, match="illegal transition"):
        rows("UPDATE files SET gemini_state = 'indexed' WHERE file_path LIKE '%caesium%'")
    assert states(rows) == {"untracked": 6}


def test_a_catalog_inside_the_library_is_no_part_of_it(
    cli: Cli, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`cd library; objlib scan --library .`: our own databases are neither files nor trouble."""
    monkeypatch.chdir(library)
    (library / "old.db").write_bytes(b"SQLite format 3\x00" + bytes(100))
    first = cli("scan", "--library", ".", "--json").json
    assert (first["found"], first["skipped"]) == (7, 1)  # somebody else's database is reported
    assert cli("fsm-upload").exit_code == 0
    assert cli("scan", "--json").json["unchanged"] == 7
