"""A run in another process, whose sets of strings come in another order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def digest_elsewhere(*arguments: str) -> str:
    """Return the first 16 digits of the digest of a run of `python -m tests.simulator`."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.simulator", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "5", "PYTHONPATH": f"{ROOT}:{ROOT}/src"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"digest ([0-9a-f]{16}),", run.stdout)
    assert found, run.stdout
    return found[1]
