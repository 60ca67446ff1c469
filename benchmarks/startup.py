"""How long commands take to answer, cold: a process for each, beside Python that does nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.filled import make_library
from benchmarks.results import Result, Target
from benchmarks.sizes import Sizes

PART = "start-up"

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("--help",),
    ("--version",),
    ("status",),
    ("failures",),
    ("search", "anything"),
)
#: Those that ask the store.
ASKING = ("search",)
#: What takes half a second to load and has no business in a command that sends nothing.
SDK = "google.genai"


def measure(work: Path, sizes: Sizes) -> Iterator[Result]:
    """Each command beside `python -c pass`, with a small library that is indexed."""
    make_library(work / "small", 3)
    _run(work, ("scan", "--library", "small"))
    _run(work, ("fsm-upload", "-q"))
    bare_s = _seconds(work, [sys.executable, "-c", "pass"], sizes.rounds)
    for arguments in COMMANDS:
        is_loaded = loads_the_sdk(work, arguments)  # and the files are in the disk's cache
        targets = (Target("loads the SDK", 0),) if arguments[0] not in ASKING else ()
        yield Result(
            PART,
            f"objlib {' '.join(arguments)}",
            3,
            _seconds(work, _call(arguments), sizes.rounds),
            baseline="python -c pass",
            baseline_s=bare_s,
            targets=(Target("seconds", 0.2), *targets) if arguments == ("--help",) else targets,
            more={"loads the SDK": float(is_loaded)},
        )


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


def _seconds(work: Path, call: list[str], rounds: int) -> float:
    """The median of several runs."""
    took = []
    for _ in range(rounds):
        started = time.perf_counter()
        subprocess.run(call, cwd=work, env=_environment(), capture_output=True, check=False)
        took.append(time.perf_counter() - started)
    return median(took)


def _environment() -> dict[str, str]:
    """Without a key, so that nothing leaves this machine."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GEMINI_", "GOOGLE_", "OBJLIB_"))
    }
