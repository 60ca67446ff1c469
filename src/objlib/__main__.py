"""`python -m objlib`, the same as `objlib`."""

from __future__ import annotations

import sys

from objlib.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
