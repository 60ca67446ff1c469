"""The bundled library is what the demonstrations say it is."""

from __future__ import annotations

from pathlib import Path

from objlib.library.ignore import IgnoreRules
from objlib.library.metadata import extract_metadata
from objlib.library.mime import Accepted, mime_type_of, size_problem
from objlib.library.walk import FoundFile, walk

ROOT = Path(__file__).parents[2] / "examples" / "library"


def test_every_text_is_found_accepted_and_titled() -> None:
    """At least 26 texts, none skipped, none refused, each with a title that is not its path."""
    found = list(walk(ROOT, IgnoreRules()))

    assert len(found) >= 26
    for file in found:
        assert isinstance(file, FoundFile)
        head = (ROOT / file.path).read_bytes()
        assert isinstance(mime_type_of(file.path, head), Accepted)
        assert size_problem(file.size_bytes) is None
        assert str(extract_metadata(file.path)["title"]) in file.path


def test_lectures_carry_their_course_and_drafts_stay_at_home() -> None:
    """Most texts are lectures with course and week; the draft on disk is not part of the walk."""
    paths = [file.path for file in walk(ROOT, IgnoreRules())]
    lectures = [path for path in paths if "week" in extract_metadata(path)]

    assert len(lectures) >= 20
    assert len({extract_metadata(path)["course"] for path in lectures}) >= 4
    assert any(not path.isascii() for path in paths)
    assert list(ROOT.rglob("*.draft.txt"))
    assert not any(path.endswith(".draft.txt") for path in paths)
