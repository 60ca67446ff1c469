"""The memory that a process needs does not grow with the length of a text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(),
    reason="the peak of a process is read from Linux's /proc",
)

#: Does what `objlib` does, and says last how much memory the process has held at most, in kB.
MEASURED = """
import runpy, sys
from pathlib import Path
try:
    runpy.run_module("objlib", run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code, end.code
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""


def peak_mb(*arguments: str) -> float:
    """The most memory that a command held, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1]) / 1024


def test_a_long_text_is_not_held_in_memory(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text of 24 MB, scanned, sent to the embedded store and indexed there in one process, takes
    less than 60 MB more than one of a line. Held as bytes and as characters it took 100."""
    monkeypatch.setenv("OBJLIB_POLL_DEADLINE_S", "3600")  # however long it takes
    short, long = workplace / "short", workplace / "long"
    for root in (short, long):
        root.mkdir()
    # Long words are cut up sooner than short ones.
    line = f"The sluice {{:07}} {' '.join(['kept' * 10] * 10)} – nobody has ever met her. "
    (short / "a.txt").write_text(line.format(0))
    with (long / "a.txt").open("w") as file:
        file.writelines(line.format(number) for number in range(24_000_000 // len(line)))

    base = peak_mb("--db", "short.db", "sync", "--library", "short", "--yes")
    peak = peak_mb("--db", "long.db", "sync", "--library", "long", "--yes")

    assert peak - base < 60, f"{base:.0f} MB, and {peak:.0f} MB for the long text"
