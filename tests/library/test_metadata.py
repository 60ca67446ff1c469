"""Path templates: what they read, what they refuse, and that reading undoes writing."""

from __future__ import annotations

import unicodedata
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.errors import ConfigurationError
from objlib.library.metadata import MetadataValue, PathTemplate, extract_metadata

LECTURE = "{course}/Year {year:int}/Q{quarter:int}/Week {week:int} - {title}.txt"

WORDS = (
    st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)
    .map(lambda word: unicodedata.normalize("NFC", word))
    .filter(lambda word: word.strip() == word)
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "The Craft of Bridges/Year 1/Q2/Week 3 - The Inspector's Hammer.txt",
            {
                "course": "The Craft of Bridges",
                "year": 1,
                "quarter": 2,
                "week": 3,
                "title": "The Inspector's Hammer",
            },
        ),
        (
            "Archive/Old/Bees/Year 2/Week 10 - Swarms - and After.md",
            {"course": "Bees", "year": 2, "week": 10, "title": "Swarms - and After"},
        ),
        ("Tides/Week 4 - Mud.pdf", {"course": "Tides", "week": 4, "title": "Mud"}),
        (
            "Speeches/State of the Union - 1961 - Kennedy.txt",
            {"collection": "State of the Union", "year": 1961, "title": "Kennedy"},
        ),
        (
            "Minutes - 2024-02-29 - Harbour Board.docx",
            {"collection": "Minutes", "date": "2024-02-29", "title": "Harbour Board"},
        ),
        ("notes/2024-05-01 Bees.txt", {"date": "2024-05-01", "title": "Bees"}),
        ("2023-02-29 - Not a day.txt", {"title": "2023-02-29 - Not a day"}),
        ("Essays/Über das Brot.txt", {"title": "Über das Brot", "folder": "Essays"}),
        ("a/b/README", {"title": "README", "folder": "a/b"}),
        (".hidden", {"title": ".hidden"}),
        ("v1.2.txt", {"title": "v1.2"}),
    ],
)
def test_the_default_templates_read_common_names(
    path: str, expected: dict[str, MetadataValue]
) -> None:
    """Without any setting, names as people give them become fields, and the rest a title."""
    assert extract_metadata(path) == expected


@given(WORDS, st.integers(0, 9999), st.integers(1, 4), st.integers(1, 53), WORDS)
def test_reading_a_path_undoes_writing_it(
    course: str, year: int, quarter: int, week: int, title: str
) -> None:
    """For all fields, the path made from them gives them back, whatever lies above it."""
    path = f"{course}/Year {year}/Q{quarter}/Week {week} - {title}.txt"
    fields = {"course": course, "year": year, "quarter": quarter, "week": week, "title": title}

    template = PathTemplate.parse(LECTURE)

    assert template.match(path) == fields
    assert template.match(f"above/it all/{path}") == fields
    assert template.match(f"{path}/below.txt") is None


@given(st.dates(date(1000, 1, 1)), st.integers(-(10**9), 10**9))
def test_kinds_read_what_they_print(day: date, hundredths: int) -> None:
    """For all dates and decimal numbers, the value read is the value written."""
    template = PathTemplate.parse("{when:date} at {height:float} m")

    fields = template.match(f"{day.isoformat()} at {hundredths / 100} m")

    assert fields == {"when": day.isoformat(), "height": hundredths / 100}


def test_literal_text_ignores_case_and_normal_form() -> None:
    """`WEEK` is `Week`, and a decomposed ü is a composed one, in template and path alike."""
    decomposed = unicodedata.normalize("NFD", "ÜBUNG 3 - Bögen.txt")

    fields = PathTemplate.parse("Übung {number:int} - {title}.txt").match(decomposed)

    assert fields == {"number": 3, "title": "Bögen"}


@pytest.mark.parametrize("source", ["{title}{ext}", "{title}.{ext}"])
def test_any_extension_is_allowed_where_the_template_says_so(source: str) -> None:
    """`{ext}` takes one extension, with or without its dot, and is no field."""
    template = PathTemplate.parse(source)

    assert template.match("Mud.tar.gz") == {"title": "Mud.tar"}
    assert template.match("README") is None


def test_braces_can_be_written() -> None:
    """Doubled braces stand for themselves."""
    assert PathTemplate.parse("{{{n:int}}}").match("{7}") == {"n": 7}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("a/Week 3 - x.txt", "too few segments"),
        ("a/Year 1/Q1/Week three - x.txt", "no number"),
        ("a/Year 1/Q1/Week ٣ - x.txt", "digits of another script"),
        ("a/Year 1/Q1/Week 3 -  .txt", "nothing but space"),
        ("a/Year 1/Q1/Week 1234567890123456 - x.txt", "more digits than the API holds"),
    ],
)
def test_what_does_not_fit_is_not_read(path: str, reason: str) -> None:
    """A template says nothing of a path that is not of its form."""
    assert PathTemplate.parse(LECTURE).match(path) is None, reason


def test_the_first_template_that_matches_decides() -> None:
    """Order is the user's, and a title is added where the template names none."""
    templates = [PathTemplate.parse("{a}-{b}"), PathTemplate.parse("{c}")]

    assert extract_metadata("x-y", templates) == {"title": "x-y", "a": "x", "b": "y"}
    assert extract_metadata("xy", templates) == {"title": "xy", "c": "xy"}


@pytest.mark.parametrize(
    ("source", "position", "problem"),
    [
        ("", 1, "empty"),
        ("a{b", 2, "lone '{'"),
        ("a}b", 2, "lone '}'"),
        ("{Title}", 1, "'Title'"),
        ("{}", 1, "name"),
        ("x {year:number}", 3, "int, float, date"),
        ("{year:}", 1, "no such kind"),
        ("{a} {a}", 5, "twice"),
        ("{a}{b}", 4, "separates"),
        ("{ext} {a}", 1, "very end"),
        ("{objlib_key}", 1, "taken"),
        ("/{a}", 1, "segment"),
        ("a//{b}", 3, "segment"),
        ("../{a}", 1, "segment"),
        (" ".join(f"{{f{n}}}" for n in range(16)), 1, "16 are possible"),
    ],
)
def test_a_bad_template_is_refused_with_its_place(source: str, position: int, problem: str) -> None:
    """The message quotes the template, counts to the fault and says what it is."""
    with pytest.raises(ConfigurationError) as caught:
        PathTemplate.parse(source)

    assert f"{source!r}, position {position}: " in str(caught.value)
    assert problem in str(caught.value)


@given(st.text(alphabet="{}abc:/. ext", max_size=20), st.text(alphabet="abc/. ", max_size=20))
def test_every_template_is_either_refused_or_usable(source: str, path: str) -> None:
    """For all strings: a ConfigurationError, or a template that reads any path without failing."""
    try:
        template = PathTemplate.parse(source)
    except ConfigurationError:
        return

    assert str(template) == source
    fields = template.match(path)
    assert fields is None or fields.keys() == template.fields.keys()
