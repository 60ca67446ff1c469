"""Tab completes commands, options, and files of the catalog."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Cli

ARCHES = "Course/Year 1/Week 1 - On arches.txt"

#: What bash does at Tab, with the words that are on the line.
_AT_TAB = """
eval "$(objlib completion bash)"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_objlib_completion objlib 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


def offered(*words: str) -> list[str]:
    """What a real bash offers for the last word."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", _AT_TAB, "bash", *words],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "offer"),
    [
        (("objlib", "sta"), ["status"]),
        (("objlib", "sync", "--dr"), ["--dry-run"]),
        (("objlib", "completion", "z"), ["zsh"]),
        (("objlib", "history", "Course/Year\\ 1/Week\\ 1"), [ARCHES]),
        (("objlib", "metadata", '"Course/Year 1/Week 1'), [ARCHES]),
        (("objlib", "history", "Nothing/like/it"), [""]),
    ],
)
def test_bash_completes(cli: Cli, library: Path, words: tuple[str, ...], offer: list[str]) -> None:
    """Each word whole, with its spaces, however it was begun."""
    cli("scan", "--library", library)
    assert offered(*words) == offer


def test_without_a_catalog_nothing_is_offered_and_nothing_said(workplace: Path) -> None:
    """Tab is no place for complaints, and makes no catalog."""
    assert offered("objlib", "history", "C") == [""]
    assert not (workplace / "data").exists()
