"""What `read_isolated` runs: a document on standard input, its pages as JSON on standard output."""

from __future__ import annotations

import json
import sys

from objlib.formats import read
from objlib.formats.isolated import MEMORY_BYTES_MAX
from objlib.formats.text import NoText


def main() -> None:
    """Read one document."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    try:
        answer: dict[str, object] = {"pages": list(read(sys.stdin.buffer.read(), sys.argv[1]))}
    except NoText as problem:
        answer = {"problem": type(problem).__name__, "message": str(problem)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
