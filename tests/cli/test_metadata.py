"""Sidecars, front matter and templates: what is sent, and what happens when only that changes."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Cli, Query

ARCHES = "Course/Year 1/Week 1 - On arches.txt"


def prepared(cli: Cli, library: Path) -> None:
    """The library, indexed."""
    cli("scan", "--library", library)
    assert cli("fsm-upload").exit_code == 0


def test_metadata_shows_each_entry_with_its_origin(cli: Cli, library: Path) -> None:
    """The file as it is now, before any scan of it."""
    cli("scan", "--library", library)
    (library / f"{ARCHES}.meta.toml").write_text('speaker = "Ada"\ntags = ["stone", "load"]\n')
    outcome = cli("metadata", ARCHES)
    assert outcome.exit_code == 0
    assert outcome.out == (
        f"{ARCHES} (text/plain)\n"
        "  title    On arches  (text, from the path)\n"
        "  speaker  Ada  (text, from the sidecar)\n"
        "  tags     stone, load  (list, from the sidecar)\n"
        "  course   Course  (text, from the path)\n"
        "  year     1  (number, from the path)\n"
        "  week     1  (number, from the path)\n"
    )
    as_json = cli("metadata", str(library / ARCHES), "--json").json
    assert as_json["file"] == ARCHES
    assert {"key": "tags", "value": ["stone", "load"], "from": "sidecar"} in as_json["metadata"]


def test_metadata_of_what_is_not_there_or_not_sent(cli: Cli, library: Path) -> None:
    """One line each."""
    (library / "song.mp3").write_bytes(b"ID3\x03\x00\x00")
    cli("scan", "--library", library)
    assert cli("metadata", "nothing.txt").exit_code == 2
    outcome = cli("metadata", "song.mp3")
    assert outcome.exit_code == 2
    assert "song.mp3 is not sent at all: a sound recording" in outcome.err


def test_a_sidecar_is_metadata_and_no_document(cli: Cli, library: Path) -> None:
    """It filters with its kinds, and is not found as a text."""
    (library / f"{ARCHES}.meta.toml").write_text("rating = 4.5\ntags = ['stone', 'load']\n")
    prepared(cli, library)
    assert "Canonical documents: 6\n" in cli("store-sync").out
    for accepted in ("rating > 4", 'tags:"stone"'):
        found = cli("search", "this lecture", "--filter", accepted, "--json").json
        assert [citation["path"] for citation in found["citations"]] == [ARCHES]


def test_a_changed_sidecar_replaces_the_document_without_a_gap(
    cli: Cli, library: Path, rows: Query
) -> None:
    """Nothing else is sent; the old version is there until the new one is, and then gone."""
    prepared(cli, library)
    (before,) = rows("SELECT gemini_store_doc_id FROM files WHERE file_path = ?", ARCHES)
    (library / f"{ARCHES}.meta.json").write_text('{"speaker": "Ada"}')
    assert "1  changed" in cli("scan").out
    assert rows("SELECT superseded_doc_id FROM files WHERE file_path = ?", ARCHES) == [before]
    plan = cli("fsm-upload", "--dry-run").out
    assert "same text, other metadata" in plan
    assert f"+ {ARCHES} (metadata, " in plan
    assert "arches" in cli("search", "arches").out

    assert "Indexed 1 file" in cli("fsm-upload").out
    found = cli("search", "this lecture", "--filter", 'speaker = "Ada"', "--json").json
    assert [citation["path"] for citation in found["citations"]] == [ARCHES]
    assert cli("store-sync").exit_code == 0

    (library / f"{ARCHES}.meta.json").unlink()
    assert "1  changed" in cli("scan").out
    assert "6  unchanged" in cli("scan").out


def test_a_damaged_sidecar_changes_nothing_and_is_named(
    cli: Cli, library: Path, rows: Query
) -> None:
    """The file keeps the metadata it has; a new file goes without."""
    sidecar = library / f"{ARCHES}.meta.toml"
    sidecar.write_text('speaker = "Ada"')
    prepared(cli, library)
    sidecar.write_text("speaker = ")
    (library / "new.txt").write_text("New.")
    (library / "new.txt.meta.toml").write_text("[")
    for _ in range(2):
        outcome = cli("scan")
        assert outcome.exit_code == 0
        assert f"{ARCHES}.meta.toml: it does not parse" in outcome.out
        assert "changed\n" not in outcome.out.replace("unchanged\n", "")
    (kept,) = rows("SELECT metadata_json FROM files WHERE file_path = ?", ARCHES)
    assert '"speaker": "Ada"' in kept[0]
    assert rows("SELECT metadata_json FROM files WHERE file_path = 'new.txt'") == [
        ('{"title": "new"}',)
    ]


def test_new_templates_and_moves_replace_documents_only_when_asked(
    cli: Cli, library: Path, workplace: Path
) -> None:
    """A moved file keeps its document; --refresh-metadata sends what would be another today."""
    prepared(cli, library)
    (library / ARCHES).rename(library / "Week 9 - On arches.txt")
    assert "1  moved" in cli("scan").out
    assert "0 files" in cli("fsm-upload", "--dry-run").out

    outcome = cli("scan", "--refresh-metadata")
    assert "1  changed" in outcome.out
    assert "5  unchanged" in outcome.out
    assert "Indexed 1 file" in cli("fsm-upload").out

    (workplace / "objlib.toml").write_text(
        'templates = ["Year {y:int}/Week {w:int} - {title}{ext}"]'
    )
    assert "6  unchanged" in cli("scan").out
    assert "5  changed" in cli("sync", "--yes", "--refresh-metadata").out
    assert "6  unchanged" in cli("scan", "--refresh-metadata").out
    assert cli("store-sync").exit_code == 0


def test_the_keys_of_all_files_are_listed(cli: Cli, library: Path) -> None:
    """With their values, for filters; and a filter without a chance is told with them."""
    assert cli("metadata").exit_code == 2
    assert cli("metadata", "a", "--keys").exit_code == 2
    cli("scan", "--library", library)
    assert "no keys" in cli("metadata", "--keys").out
    cli("fsm-upload")
    listed = cli("metadata", "--keys")
    assert listed.exit_code == 0
    assert "number" in listed.out and "text" in listed.out
    keys = {one["key"]: one for one in cli("metadata", "--keys", "--json").json["keys"]}
    assert keys["year"]["kind"] == "number"
    outcome = cli("search", "arches", "--filter", "yaer = 1")
    assert "did you mean year?" in outcome.out
    assert cli("search", "arches", "--filter", "year:1").exit_code == 0


def test_a_bad_line_of_front_matter_costs_no_other_and_is_named(
    cli: Cli, library: Path, rows: Query
) -> None:
    """`scan` counts the texts and names the first lines, `metadata` all; the others are sent."""
    note = library / "note.md"
    note.write_text("---\ntitle: On arches\nby: A: B\nof: @ada\nyear: 010\n---\nStones.\n")
    outcome = cli("scan", "--library", library)
    assert "note.md, front matter: line 3 is not understood" in outcome.out
    assert "and 1 more line" in outcome.out
    assert "1 text with lines of front matter that are not used" in outcome.out
    assert "front matter" not in cli("scan").out  # it was not looked at again
    assert rows("SELECT metadata_json FROM files WHERE file_path = 'note.md'") == [
        ('{"title": "On arches", "year": 10}',)
    ]
    shown = cli("metadata", "note.md").out
    assert "front matter, line 3 is not understood (put its text in quotes): by: A: B" in shown
    assert "line 4" in shown
    assert len(cli("metadata", "note.md", "--json").json["bad_lines"]) == 2
    note.write_text("---\nby: @ada\n---\nStones.\n")
    assert list(cli("scan", "--json").json["bad_lines"]) == ["note.md"]


def test_front_matter_may_be_longer_than_the_head_of_a_file(cli: Cli, library: Path) -> None:
    """An abstract of three pages goes before the author."""
    abstract = "It stands. " * 800
    (library / "long.md").write_text(f"---\nabstract: {abstract}\nby: Ada\n---\nStones.\n")
    assert "front matter" not in cli("scan", "--library", library).out
    found = cli("metadata", "long.md", "--json").json["metadata"]
    assert {"key": "by", "value": "Ada", "from": "front matter"} in found
