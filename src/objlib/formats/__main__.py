"""The program that `read_isolated` runs: a document comes in, its reading goes out as JSON."""

from __future__ import annotations

import json
import sys

from objlib.formats import NoText, read
from objlib.formats.isolated import DEADLINE_S, MEMORY_BYTES_MAX


def main() -> None:
    """Read one document."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
        # It must come to an end also when whoever started it is gone.
        resource.setrlimit(resource.RLIMIT_CPU, (int(DEADLINE_S), int(DEADLINE_S)))
    answer: dict[str, object]
    try:
        reading = read(sys.stdin.buffer.read(), sys.argv[1])
        answer = {"pages": reading.pages, "missing": reading.missing}
    except NoText as problem:
        answer = {"problem": type(problem).__name__, "message": str(problem)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
