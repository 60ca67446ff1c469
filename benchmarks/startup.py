"""How long commands take to answer, cold: a process for each, beside Python that does nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.figures import Comparison
from benchmarks.scan import make_library

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("--help",),
    ("--version",),
    ("status",),
    ("failures",),
    ("search", "anything"),
)
#: What takes half a second to load and has no business in a command that sends nothing.
SDK = "google.genai"


def compare_startup(work: Path, rounds: int) -> list[Comparison]:
    """Each command beside `python -c pass`, with a small library that is indexed."""
    make_library(work / "small", 3)
    for arguments in (("scan", "--library", "small"), ("fsm-upload", "-q")):
        _run(work, arguments)
    bare_s = median(_seconds(work, [sys.executable, "-c", "pass"]) for _ in range(rounds))
    return [
        Comparison(
            f"start-up, objlib {' '.join(arguments)}",
            1,
            median(_seconds(work, _call(arguments)) for _ in range(rounds)),
            "python -c pass",
            bare_s,
            target="200 ms" if arguments == ("--help",) else "-",
        )
        for arguments in COMMANDS
    ]


def loads_the_sdk(work: Path, arguments: tuple[str, ...]) -> bool:
    """Whether a command imports google-genai, by Python's own account."""
    run = subprocess.run(
        [sys.executable, "-X", "importtime", *_call(arguments)[1:]],
        cwd=work,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return any(line.endswith(SDK) for line in run.stderr.splitlines())


def _call(arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "objlib", *arguments]


def _run(work: Path, arguments: tuple[str, ...]) -> None:
    call = _call(arguments)
    subprocess.run(call, cwd=work, env=_environment(), capture_output=True, check=True)


def _seconds(work: Path, call: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(call, cwd=work, env=_environment(), capture_output=True, check=False)
    return time.perf_counter() - started


def _environment() -> dict[str, str]:
    """Without a key, so that nothing leaves this machine."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GEMINI_", "GOOGLE_", "OBJLIB_"))
    }
