"""Kill real processes at random moments, and see that nothing is lost or doubled.

    python -m tests.chaos [--kills 200] [--seed 1] [--files 60] [--minutes 30]

A server with faults on, a library that keeps changing, and the command line, killed with SIGKILL
again and again; now and then two at once, and now and then the server itself. At the end the faults
are off: one scan, one upload and one repair must put everything right. The exit code is 1, and the
lines say what is off, when they do not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.chaos.chaos import Chaos


def main() -> int:
    """Parse the arguments, run, report."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--kills", type=int, default=200, help="of the command line [200]")
    parser.add_argument("--seed", type=int, default=1, help="decides what is done when [1]")
    parser.add_argument("--files", type=int, default=60, help="to begin with [60]")
    parser.add_argument("--minutes", type=float, help="strike no longer than that [no limit]")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos") as folder:
        chaos = Chaos(Path(folder), seed=chosen.seed, files=chosen.files)
        chaos.kill(chosen.kills, chosen.minutes)
        problems = chaos.settle()
    print(*chaos.report(), *problems or ["Nothing was lost, nothing doubled."], sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
