"""objlib verify: nothing counts but a citation of the right document with the right text."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from objlib.search.proof import Subset, _prose_of
from tests.cli.servers import server
from tests.conftest import Cli, Query

ARCHES = "Course/Year 1/Week 1 - On arches.txt"
BEESWAX = "Course/Year 1/Week 2 - On beeswax.txt"


@pytest.fixture
def indexed(cli: Cli, library: Path) -> Path:
    """The library, all of it in the store."""
    cli("scan", "--library", library)
    assert cli("fsm-upload").exit_code == 0
    return library


def proven(rows: Query) -> dict[str, str]:
    """Path -> date of the last proof, of files that have one."""
    return dict(rows("SELECT file_path, proven_at FROM files WHERE proven_at IS NOT NULL"))


def test_every_file_is_asked_about_and_cited(cli: Cli, indexed: Path, rows: Query) -> None:
    """The date of the proof is kept, and shown."""
    outcome = cli("verify")
    assert outcome.exit_code == 0
    assert outcome.out == "Asked about 6 files\n        6  cited\n"
    assert len(proven(rows)) == 6
    assert "Verified: 6 files, the oldest proof of 2" in cli("status").out
    assert f"proven           {ARCHES}\n" in cli("verify", "-v").out


def test_a_document_that_is_gone_is_a_failure(
    cli: Cli, library: Path, workplace: Path, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows say indexed, and nobody has looked; verify has."""
    with server(workplace / "served.db") as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        cli("scan", "--library", library)
        cli("fsm-upload")
        ((name,),) = rows("SELECT gemini_store_doc_id FROM files WHERE file_path = ?", ARCHES)
        httpx2.delete(f"{url}/v1beta/{name}?force=true").raise_for_status()
        outcome = cli("verify")
        assert outcome.exit_code == 1
        assert outcome.out == (
            f"not cited        {ARCHES}\n"
            "Asked about 6 files\n"
            "        5  cited\n"
            "        1  not cited, even when asked of this file alone\n"
            "Next: objlib store-sync, then objlib fsm-upload\n"
        )
        assert ARCHES not in proven(rows)
        as_json = cli("verify", "--json")
        assert as_json.exit_code == 1
        assert as_json.json["verdicts"]["not cited"] == 1


def test_a_document_with_another_text_is_a_failure(
    cli: Cli, indexed: Path, workplace: Path, rows: Query
) -> None:
    """The right document, but what it holds is not what lies on disk."""
    with closing(sqlite3.connect(workplace / "data" / "filestore.db")) as store:
        store.execute(
            "UPDATE chunks SET text = replace(text, 'Nothing else', 'Everything')"
            " WHERE text LIKE '%beeswax%'"
        )
        store.commit()
    outcome = cli("verify")
    assert outcome.exit_code == 1
    assert f"other text       {BEESWAX}\n" in outcome.out
    assert BEESWAX not in proven(rows)


def test_a_file_that_has_changed_since_is_no_failure(cli: Cli, indexed: Path, rows: Query) -> None:
    """It cannot be judged before the next sync, and its old proof is none of the new version."""
    cli("verify")
    (indexed / ARCHES).write_text("Arches are something else now, and keystones hold them.")
    outcome = cli("verify")
    assert outcome.exit_code == 0
    assert f"changed on disk  {ARCHES}\n" in outcome.out
    assert "Next: objlib sync" in outcome.out
    cli("sync", "--yes")
    assert "Verified: 5 files" in cli("status").out


def test_equal_files_outrank_each_other_and_are_all_in_the_store(cli: Cli, library: Path) -> None:
    """With the same text more often than passages come back, some are found by their key only."""
    for number in range(8):
        (library / f"copy {number}.txt").write_text(
            "A sentence that stands in several files.\n" * 3
        )
    cli("scan", "--library", library)
    cli("fsm-upload")
    outcome = cli("verify")
    assert outcome.exit_code == 0
    assert "in the store, but other files answer better" in outcome.out


def test_a_limit_takes_the_oldest_proofs_first(cli: Cli, indexed: Path, rows: Query) -> None:
    """Run every day, it goes round."""
    for files in (2, 4, 6):
        assert "Asked about 2 files" in cli("verify", "--limit", "2").out
        assert len(proven(rows)) == files
    oldest = min(proven(rows).items(), key=lambda item: item[1])
    cli("verify", "--limit", "2")
    assert proven(rows)[oldest[0]] > oldest[1]


def test_subsets_are_disjoint_and_make_up_the_whole(cli: Cli, indexed: Path, rows: Query) -> None:
    """Three days, every file once."""
    asked = [
        proof["path"]
        for part in ("1/3", "2/3", "3/3")
        for proof in cli("verify", "--subset", part, "--json").json["proofs"]
    ]
    assert sorted(asked) == sorted(path for (path,) in rows("SELECT file_path FROM files"))


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/2"])
def test_a_subset_that_makes_no_sense_is_refused(cli: Cli, indexed: Path, text: str) -> None:
    """One line, exit code 2."""
    outcome = cli("verify", f"--subset={text}")
    assert outcome.exit_code == 2
    assert "a subset is written n/t" in outcome.err
    assert cli("verify", "--subset", "1/2", "--limit", "3").exit_code == 2


def test_parts_are_about_equal() -> None:
    """By a hash of the path, which stays whatever else comes and goes."""
    paths = [f"Course/Week {number}.txt" for number in range(7_000)]
    sizes = [sum(Subset(part, 7).holds(path) for path in paths) for part in range(1, 8)]
    assert sum(sizes) == 7_000
    assert min(sizes) > 900


def test_a_file_without_sentences_is_asked_about_by_its_title(cli: Cli, workplace: Path) -> None:
    """Tables of figures, single words."""
    root = workplace / "library"
    root.mkdir()
    (root / "Keystone.txt").write_text("12 14 15\n")
    cli("scan", "--library", root)
    cli("fsm-upload")
    assert cli("verify").exit_code == 0


def test_small_files_that_are_no_prose_are_asked_about_by_what_they_say(
    cli: Cli, workplace: Path
) -> None:
    """Tables, JSON and pages; their names are in no passage, so the title found nothing, ever."""
    folder = workplace / "data-files"
    folder.mkdir()
    for name, content in {
        "t1.csv": "name,born\nAda,1815\n",
        "t2.tsv": "bee\twax\n",
        "t3.json": '{"zymurgy": ["yeast", 4]}',
        "t4.html": "<style>p { color: red }</style><p>Vespers &amp; bells</p><script>x</script>",
        "t5.md": "Hm, quince.",
    }.items():
        (folder / name).write_text(content)
    cli("scan", "--library", folder)
    assert cli("fsm-upload").exit_code == 0
    outcome = cli("verify", "-v")
    assert outcome.out.endswith("Asked about 5 files\n        5  cited\n"), outcome.out
    asked = {one["path"]: one["question"] for one in cli("verify", "--json", "-v").json["proofs"]}
    assert "Ada,1815" in asked["t1.csv"]
    assert "color" not in asked["t4.html"] and "Vespers & bells" in asked["t4.html"]


def test_a_page_of_nothing_but_tags_takes_no_time() -> None:
    """However they are broken."""
    for markup in ("<script" * 50_000, "<" * 400_000, "<script>" * 40_000, "</" * 100_000):
        assert len(_prose_of(markup)) <= len(markup) + 1
