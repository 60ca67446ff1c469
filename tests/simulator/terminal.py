"""What the sweeps and hunts say, and what they keep to themselves."""

from __future__ import annotations

import sys
import warnings


def say(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def hush() -> None:
    """Say nothing of the clean-up that Python runs for dead processes, at the latest at exit."""
    sys.unraisablehook = lambda _unraisable: None
    warnings.simplefilter("ignore", RuntimeWarning)
