"""Formats through the command line, on the embedded store: converted, odd-named, too long."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from objlib.library import parts
from tests.conftest import Cli, Query, states
from tests.formats.pdfs import pdf_of
from tests.formats.test_formats import epub_of, odt_of, sheets_of, slides_of, word_of

SPANS = "The span of the old bridge at Trilj is nineteen metres and a half.\n\n"
FILLER = "Rope and tar were bought at the market, as in every year before that one.\n\n"


@pytest.fixture
def shelf(workplace: Path) -> Path:
    """An empty library."""
    root = workplace / "library"
    root.mkdir()
    return root


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of at most 4,096 bytes, for texts of more than 10,000."""
    monkeypatch.setattr(parts, "WINDOW_BYTES", 4096)
    monkeypatch.setattr(parts, "MARGIN_BYTES", 256)
    monkeypatch.setattr(parts, "WHOLE_BYTES_MAX", 10_000)


def cited(cli: Cli, question: str) -> tuple[str, int | None]:
    """File and part of the first citation."""
    first = cli("search", question, "--json").json["citations"][0]
    return first["path"], first["part"]


# Converted


def test_a_book_goes_from_disk_to_citation(cli: Cli, shelf: Path, rows: Query) -> None:
    """As text, under its title; a second upload sends nothing; verify finds it."""
    (shelf / "On Arches.epub").write_bytes(epub_of())
    assert cli("scan", "--library", shelf, "--json").json["new"] == 1
    plan = cli("fsm-upload", "--dry-run").out
    assert "+ On Arches.epub (new" in plan
    assert "and those of other formats" in plan

    assert cli("fsm-upload", "--json").json["indexed"] == 1
    assert cli("fsm-upload", "--json").json["indexed"] == 0

    assert cited(cli, "What do stones do?") == ("On Arches.epub", None)
    assert cited(cli, "What is in On Arches?") == ("On Arches.epub", None)
    passage = cli("search", "What do stones do?", "--json").json["citations"][0]["text"]
    assert "Stones press." in passage
    assert "<p>" not in passage
    assert cli("verify").exit_code == 0
    assert cli("store-sync").exit_code == 0
    assert rows("SELECT mime_type FROM files") == [("application/epub+zip",)]
    shown = cli("metadata", "On Arches.epub")
    assert shown.out.startswith("On Arches.epub (application/epub+zip, sent as text)")


@pytest.mark.parametrize("identity_header", ["true", "false"])
def test_the_same_book_gives_the_same_document(
    cli: Cli, shelf: Path, rows: Query, monkeypatch: pytest.MonkeyPatch, identity_header: str
) -> None:
    """So `--refresh-metadata` finds nothing to do, and a lost catalog finds its document."""
    monkeypatch.setenv("OBJLIB_IDENTITY_HEADER", identity_header)
    (shelf / "On Arches.epub").write_bytes(epub_of())
    cli("scan", "--library", shelf)
    cli("fsm-upload")
    before = rows("SELECT upload_key, gemini_store_doc_id FROM files")
    assert cli("scan", "--refresh-metadata", "--json").json["changed"] == 0

    for database in Path("data").glob("library.db*"):
        database.unlink()
    cli("recover", "--from-store", "--library", shelf)

    assert rows("SELECT upload_key, gemini_store_doc_id FROM files") == before
    assert cli("store-sync").exit_code == 0


def test_another_version_of_a_converter_shows_in_the_plan(
    cli: Cli, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is asked for, with its reason, and replaces the document."""
    from objlib.library import conversion

    (shelf / "On Arches.epub").write_bytes(epub_of())
    (shelf / "plain.txt").write_text("Nothing is converted here.\n")
    cli("scan", "--library", shelf)
    cli("fsm-upload")
    newer = conversion.Converter("epub", 3)
    monkeypatch.setitem(conversion.CONVERTERS, "application/epub+zip", newer)

    scanned = cli("scan", "--json").json
    assert (scanned["changed"], scanned["outdated"]["files"]) == (0, 1)
    assert scanned["outdated"]["tokens"] > 0
    assert cli("status", "--json").json["outdated"] == scanned["outdated"]
    for outcome in (cli("scan"), cli("status"), cli("sync", "--dry-run")):
        assert "Read by an older objlib: 1 file in the store; `objlib sync --refresh" in outcome.out
    assert cli("scan", "--refresh-metadata", "--json").json["changed"] == 1
    plan = cli("fsm-upload", "--dry-run").out
    assert "+ On Arches.epub (form" in plan
    assert "sent differently" in plan
    assert cli("fsm-upload", "--json").json["indexed"] == 1
    assert cli("store-sync", "--json").json["documents"]["canonical"] == 2
    assert cli("status", "--json").json["outdated"]["files"] == 0
    assert "older objlib" not in cli("status").out


@pytest.mark.parametrize("name", ["On Arches.docx", "On Arches.pdf"])
def test_a_better_reader_of_the_embedded_store_waits_until_it_is_asked_for(
    cli: Cli, shelf: Path, rows: Query, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What goes up as it is, is read there by readers of ours: counted when they are older, with
    the command, and read anew once that is given."""
    from objlib.library import conversion

    (shelf / name).write_bytes(word_of() if name.endswith("docx") else pdf_of("Stones press."))
    cli("sync", "--library", shelf, "--yes")
    ((kind, reader),) = rows("SELECT mime_type, reader FROM files")
    assert reader == conversion.READERS[kind].treatment
    newer = conversion.Converter(conversion.READERS[kind].name, 9)
    monkeypatch.setitem(conversion.READERS, kind, newer)

    again = cli("sync", "--yes", "--json").json
    assert (again["scan"]["changed"], again["upload"]["indexed"]) == (0, 0)
    assert cli("status", "--json").json["outdated"]["files"] == 1
    assert "objlib sync --refresh-metadata" in cli("scan").out
    assert cli("sync", "--refresh-metadata", "--yes").exit_code == 0
    assert rows("SELECT reader FROM files") == [(newer.treatment,)]
    assert cli("status", "--json").json["outdated"]["files"] == 0
    assert cli("store-sync", "--json").json["documents"]["canonical"] == 1


def test_documents_from_before_the_readers_had_versions_are_counted(
    cli: Cli, shelf: Path, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their keys say nothing of a reader, which is that of the first version."""
    from objlib.library import conversion

    (shelf / "On Arches.docx").write_bytes(word_of())
    for version in (1, 2):
        with monkeypatch.context() as earlier:
            if version == 1:
                kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
                earlier.setitem(conversion.READERS, kind, conversion.Converter("word", 1))
            cli("sync", "--library", shelf, "--yes")
            if version == 1:
                with closing(sqlite3.connect(Path("data/library.db"))) as catalog, catalog:
                    catalog.execute("UPDATE files SET reader = NULL, text_bytes = NULL")
    assert rows("SELECT reader FROM files") == [("word:1",)]
    assert cli("status", "--json").json["outdated"]["files"] == 1


def test_what_the_embedded_store_has_not_read_is_said(cli: Cli, shelf: Path) -> None:
    """As of what is converted: by the upload, in `status` and by name in `history`."""
    (shelf / "scan.pdf").write_bytes(pdf_of("Stones press.", ""))
    synced = cli("sync", "--library", shelf, "--yes")
    assert synced.exit_code == 0, synced.err
    assert "1  read in part" in synced.out
    assert cli("history", "scan.pdf", "--json").json["not_read"] == ["1 page without text: scans?"]
    assert cli("status", "--json").json["partly_read_files"] == 1


@pytest.mark.parametrize("is_moved", [False, True])
def test_the_readers_of_an_earlier_catalog_are_found_out(
    cli: Cli, shelf: Path, rows: Query, monkeypatch: pytest.MonkeyPatch, is_moved: bool
) -> None:
    """From the keys of its documents, at the next scan; of a file that was moved it is unknown."""
    from objlib.library import conversion

    (shelf / "On Arches.epub").write_bytes(epub_of())
    cli("sync", "--library", shelf, "--yes")
    (made,) = rows("SELECT reader FROM files")
    with closing(sqlite3.connect(Path("data/library.db"))) as catalog, catalog:
        catalog.execute("UPDATE files SET reader = NULL, text_bytes = NULL")
    if is_moved:
        (shelf / "On Arches.epub").rename(shelf / "Arches.epub")
    newer = conversion.Converter("epub", 9)
    monkeypatch.setitem(conversion.CONVERTERS, "application/epub+zip", newer)

    assert cli("scan", "--json").json["outdated"]["files"] == (0 if is_moved else 1)
    assert rows("SELECT reader FROM files") == [("",) if is_moved else made]


def test_what_of_a_document_was_not_read_is_said(cli: Cli, shelf: Path) -> None:
    """By the upload, in `status` and by name in `history`, for people and for scripts."""
    items = '<item id="a" href="second.xhtml"/><item id="b" href="lost.xhtml"/>'
    package = (
        f'<package xmlns="http://www.idpf.org/2007/opf"><manifest>{items}</manifest>'
        '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>'
    )
    (shelf / "Half.epub").write_bytes(epub_of(**{"OEBPS/book.opf": package}))
    (shelf / "plain.txt").write_text("Nothing is missing here.\n")
    cli("scan", "--library", shelf)
    uploaded = cli("fsm-upload", "--events", "events.jsonl")
    assert uploaded.exit_code == 0
    assert "1  read in part" in uploaded.out
    assert '"event": "PartlyRead"' in Path("events.jsonl").read_text()
    (part,) = cli("history", "Half.epub", "--json").json["not_read"]
    assert part == "chapter 2 (lost.xhtml) is missing"
    assert f"Not read: {part}\n" in cli("history", "Half.epub").out
    assert cli("history", "plain.txt", "--json").json["not_read"] == []
    assert "Read in part: 1 file" in cli("status").out
    status = cli("status", "--json").json
    assert (status["partly_read_files"], status["partly_read"]) == (1, {"Half.epub": [part]})

    (shelf / "Half.epub").write_bytes(epub_of())
    assert cli("sync", "--yes", "--json").json["upload"]["partly_read"] == 0
    assert "Not read" not in cli("history", "Half.epub").out


def test_a_damaged_book_fails_once_with_its_reason(cli: Cli, shelf: Path, rows: Query) -> None:
    """It never reaches the store, the others do, and an edit heals it."""
    book = shelf / "Protected.epub"
    book.write_bytes(epub_of(**{"META-INF/rights.xml": "<rights/>"}))
    (shelf / "plain.txt").write_text("Bricks are baked of clay.\n")
    cli("scan", "--library", shelf)

    uploaded = cli("fsm-upload", "--json")

    assert uploaded.exit_code == 1
    assert (uploaded.json["indexed"], uploaded.json["failed"]) == (1, 1)
    assert uploaded.json["retries"] == 0
    assert states(rows) == {"indexed": 1, "failed": 1}
    failures = cli("failures").out
    assert "it cannot be converted to text: the e-book is protected" in failures
    assert "change the file" in failures
    trail = [move["reason"] for move in cli("history", "Protected.epub", "--json").json["moves"]]
    assert len(trail) == 2
    assert cli("store-sync").exit_code == 0

    book.write_bytes(epub_of())
    assert cli("sync", "--yes").exit_code == 0
    assert states(rows) == {"indexed": 2}


def test_whatever_people_own_is_found(cli: Cli, shelf: Path) -> None:
    """One of each kind that is converted, and odd names of those that go up as they are."""
    (shelf / "show.odp").write_bytes(odt_of("<text:p>Larch is split with wedges.</text:p>"))
    (shelf / "talk.pdf_old").write_bytes(pdf_of("Amber is fished for with nets."))
    (shelf / "report").write_bytes(pdf_of("Copper is beaten while it is cold."))
    (shelf / "letter.bak1").write_bytes(word_of())
    (shelf / "deck.ppsx").write_bytes(slides_of())
    (shelf / "loads.xlsm").write_bytes(sheets_of())
    (shelf / "novel.fb2").write_text(
        '<?xml version="1.0"?><FictionBook xmlns="http://www.gribuser.ru/xml/fictionbook/2.0">'
        "<description><title-info><book-title>Tides</book-title></title-info></description>"
        "<body><section><p>The ferry leaves at dusk.</p></section></body>"
        '<binary id="c">aGlkZGVu</binary></FictionBook>'
    )
    scanned = cli("scan", "--library", shelf, "--json").json
    assert (scanned["new"], scanned["skipped"]) == (7, 0)

    uploaded = cli("fsm-upload", "--json")

    assert uploaded.json["failures"] == {}
    assert uploaded.json["indexed"] == 7
    for question, path in {
        "How is larch split?": "show.odp",
        "What is amber fished with?": "talk.pdf_old",
        "How is copper beaten?": "report",
        "When does the ferry leave?": "novel.fb2",
        "Кирпичи": "letter.bak1",
        "Mention the keystone": "deck.ppsx",
    }.items():
        assert cited(cli, question) == (path, None), question
    assert "aGlkZGVu" not in cli("search", "the ferry in Tides", "--json").out


# In parts


def long_text() -> str:
    """In four parts of which the third tells the span of a bridge."""
    return FILLER * 130 + SPANS + FILLER * 60


def test_a_text_in_parts_is_cited_as_one_file(
    cli: Cli, shelf: Path, rows: Query, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Search, ask and verify name the file and the part; links and --open lead to the file."""
    (shelf / "Ledger.txt").write_text(long_text())
    scanned = cli("scan", "--library", shelf)
    assert "4  of those are parts of texts" in scanned.out
    assert "+ Ledger.txt, part 1 (new" in cli("fsm-upload", "--dry-run").out
    assert cli("fsm-upload", "--json").json["indexed"] == 4
    assert cli("store-sync").exit_code == 0

    question = "What is the span of the bridge at Trilj?"
    assert cited(cli, question) == ("Ledger.txt", 3)
    assert "[1] Ledger.txt, part 3\n" in cli("search", question).out
    assert "[1] Ledger.txt, part 3\n" in cli("ask", question).out
    opened: list[str] = []

    def launch(path: str) -> int:
        opened.append(path)
        return 0

    monkeypatch.setattr("click.launch", launch)
    assert cli("search", question, "--open").exit_code == 0
    assert opened == [str(shelf / "Ledger.txt")]
    assert cli("verify").exit_code == 0
    assert rows("SELECT COUNT(*) FROM files WHERE proven_at IS NOT NULL") == [(4,)]
    assert "1 text, too long for one document, in 4" in cli("status").out
    assert cli("metadata", "Ledger.txt").out.startswith("Ledger.txt (text/plain, in 4 parts)")
    history = cli("history", "Ledger.txt").out
    assert history.count("processing -> indexed") == 4
    assert "Ledger.txt, part 3:" in history
    assert "part" not in cli("history", "Ledger.txt, part 3").out
    assert len(cli("history", "Ledger.txt", "--json").json["parts"]) == 4


def test_parts_have_as_many_entries_as_whole_files(
    cli: Cli, shelf: Path, small_parts: None
) -> None:
    """Sixteen of one's own are still twenty in all, which is what may be sent."""
    (shelf / "Ledger.txt").write_text(long_text())
    entries = "\n".join(f'k{n} = "v{n}"' for n in range(20))
    (shelf / "Ledger.txt.meta.toml").write_text(entries)
    cli("scan", "--library", shelf)

    assert cli("fsm-upload", "--json").json["indexed"] == 4

    assert len(cli("metadata", "Ledger.txt", "--json").json["metadata"]) == 16


def test_appending_sends_the_last_part_and_no_other(
    cli: Cli, shelf: Path, rows: Query, small_parts: None
) -> None:
    """The documents of the others stay what they were."""
    ledger = shelf / "Ledger.txt"
    ledger.write_text(long_text())
    cli("sync", "--library", shelf, "--yes")
    before = rows("SELECT file_path, gemini_store_doc_id FROM files ORDER BY 1")
    with ledger.open("a") as file:
        file.write("The last line tells of the eels.\n")

    assert cli("sync", "--yes", "--json").json["upload"]["indexed"] == 1

    after = rows("SELECT file_path, gemini_store_doc_id FROM files ORDER BY 1")
    assert after[:3] == before[:3]
    assert after[3] != before[3]
    assert cited(cli, "What tells of the eels?") == ("Ledger.txt", 4)


@pytest.mark.parametrize("change", ["shrink", "delete", "move", "grow", "lose the catalog"])
def test_every_change_of_a_text_in_parts_converges(
    cli: Cli, shelf: Path, rows: Query, small_parts: None, change: str
) -> None:
    """One sync, and the store holds what is on disk, once."""
    ledger, small = shelf / "Ledger.txt", shelf / "Small.txt"
    ledger.write_text(long_text())
    small.write_text("Pitch is boiled in small kettles.\n")
    cli("sync", "--library", shelf, "--yes")
    expected = {"shrink": 2, "delete": 1, "move": 5, "grow": 8, "lose the catalog": 5}[change]
    if change == "shrink":
        ledger.write_text(SPANS)
    elif change == "delete":
        ledger.unlink()
    elif change == "move":
        (shelf / "Old").mkdir()
        ledger.rename(shelf / "Old" / "Ledger.md")
    elif change == "grow":
        small.write_text(long_text().replace("Rope", "Hemp"))
    else:
        for database in Path("data").glob("library.db*"):
            database.unlink()
        cli("recover", "--from-store", "--library", shelf)

    if change == "delete":
        cli("scan")
        assert "delete Ledger.txt, part 2 (" in cli("store-sync").out
    synced = cli("sync", "--yes", "--max-delete", "100%", "--json")

    assert synced.exit_code == 0
    documents = cli("store-sync", "--json").json["documents"]
    assert {kind: n for kind, n in documents.items() if n} == {"canonical": expected}
    assert rows("SELECT COUNT(*) FROM files WHERE is_deleted = 0") == [(expected,)]
    if change in ("move", "lose the catalog"):
        assert synced.json["upload"]["indexed"] == 0
    if change == "move":
        assert cited(cli, "the span at Trilj") == ("Old/Ledger.md", 3)
    if change == "shrink":
        assert cited(cli, "the span at Trilj") == ("Ledger.txt", None)


def test_a_file_called_like_a_part_is_itself(cli: Cli, shelf: Path) -> None:
    """In a folder of any name."""
    (shelf / "Ledger").mkdir()
    (shelf / "Ledger" / "part 1").write_text(SPANS)
    cli("sync", "--library", shelf, "--yes")
    assert cited(cli, "the span at Trilj") == ("Ledger/part 1", None)


def test_a_text_that_outgrows_a_document_on_the_way_up_says_so(
    cli: Cli, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known only once it is UTF-8."""
    monkeypatch.setattr("objlib.documents.payload.MAX_DOCUMENT_BYTES", 300)
    (shelf / "a.txt").write_bytes(("Über Brücken und Türme. " * 12).encode("cp1252"))
    cli("scan", "--library", shelf)
    done = cli("fsm-upload")
    assert done.exit_code == 1, done
    assert "a document may have 100 MB" in cli("failures").out


def test_a_conversion_that_takes_too_long_fails_with_the_reason(
    cli: Cli, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is ended, and the run goes on."""
    monkeypatch.setattr("objlib.formats.isolated.DEADLINE_S", 0.05)
    (shelf / "On Arches.epub").write_bytes(epub_of())
    cli("scan", "--library", shelf)
    assert cli("fsm-upload").exit_code == 1
    assert "cannot be read within 0.05 seconds" in cli("failures").out
