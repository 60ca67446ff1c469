"""What a program imports, and what it is told when it misspells something."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import objlib
from objlib import Library, Options, Settings
from objlib.service.wishes import SettingsWishes, UploadWishes
from tests.conftest import write_library

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", objlib.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """And has a line in the documentation of the API."""
    assert getattr(objlib, name) is not None
    assert name in dir(objlib)
    assert f"`{name}`" in (ROOT / "docs" / "api.md").read_text("utf-8")


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As for any module."""
    with pytest.raises(AttributeError, match="Libary"):
        _ = objlib.Libary


def test_importing_objlib_loads_nothing_else() -> None:
    """What is behind its names is loaded when it is asked for."""
    code = "import sys, objlib\nprint(sorted(n for n in sys.modules if n.startswith('objlib')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['objlib']\n"


def test_the_public_names_load_no_sdk() -> None:
    """It takes half a second, and only a backend needs it."""
    code = "import sys\nfrom objlib import *\nprint('google.genai' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_keywords_are_those_of_the_options_and_the_settings() -> None:
    """Whoever adds a field adds a keyword."""
    assert list(UploadWishes.__annotations__) == [field.name for field in fields(Options)]
    assert set(SettingsWishes.__annotations__) == {"config", *Settings.__dataclass_fields__}


def test_a_misspelt_keyword_is_a_type_error(workplace: Path) -> None:
    """It names the method, the keyword, and the one that was probably meant."""
    write_library(workplace / "library", 1)

    async def story() -> None:
        with pytest.raises(TypeError, match=r"Library\.open\(\).*'conccurrency'; did you mean"):
            async with Library.open("library", conccurrency=2):  # type: ignore[call-arg]
                pass
        async with Library.open("library") as library:
            with pytest.raises(
                TypeError, match=r"Library\.upload\(\).*'limmit'; did you mean 'lim"
            ):
                library.upload(limmit=2)  # type: ignore[call-arg]
            with pytest.raises(TypeError, match=r"Library\.plan\(\).*'xyz'$"):
                await library.plan(xyz=2)  # type: ignore[call-arg]
            with pytest.raises(TypeError, match="seeed"):
                library.verify(seeed=2)  # type: ignore[call-arg]
            with pytest.raises(TypeError, match="not both"):
                async with Library.open(settings=library.settings, concurrency=2):
                    pass

    asyncio.run(story())


WRONG = """
from objlib import Library, MaxDelete, SyncReport

async def story(survey: SyncReport) -> None:
    async with Library.open("library", conccurrency=2) as library:
        async for event in library.upload(limmit=20):
            print(event)
        await library.upload(limit="many")
        await library.plan(retry_faled=True)
        library.verify(seeed=1)
        library.scan(refresh_metadata=1.5)
        await library.search("x", topk=3)
        await library.repair(survey, MaxDelete.parse("10%"), include_forein=True)
"""


def test_mypy_sees_a_misspelt_keyword(tmp_path: Path) -> None:
    """One error for each line that has one, and no other."""
    program = tmp_path / "program.py"
    program.write_text(WRONG)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary"]
    command += ["--cache-dir", str(tmp_path / "cache"), str(program)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    lines = [int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line]
    assert sorted(lines) == [5, 6, 8, 9, 10, 11, 12, 13], done.stdout
