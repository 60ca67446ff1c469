"""Reading in a process of its own: a hostile document costs that process its life, nobody else."""

from __future__ import annotations

import json
import subprocess
import sys

from objlib.formats import LibraryMissing, Page, Unreadable, kind_of
from objlib.formats.text import NoText

#: An honest document of 100 MB takes less.
DEADLINE_S = 120.0
MEMORY_BYTES_MAX = 2 * 1024**3

_PROBLEMS = {problem.__name__: problem for problem in (LibraryMissing, NoText, Unreadable)}


def read_isolated(content: bytes, mime_type: str, *, deadline_s: float | None = None) -> list[Page]:
    """What `objlib.formats.read` yields, read in a process that is ended at the deadline.

    Raises:
        NoText, Unreadable, LibraryMissing: as `read` does; Unreadable also for a document that
            takes too long or too much memory.
    """
    deadline_s = DEADLINE_S if deadline_s is None else deadline_s
    command = [sys.executable, "-P", "-m", "objlib.formats", kind_of(mime_type)]
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=deadline_s)
    except subprocess.TimeoutExpired as error:
        raise Unreadable(f"The document cannot be read within {deadline_s:g} seconds.") from error
    if done.returncode != 0:
        raise Unreadable("The document is damaged: what read it had to be ended.")
    answer = json.loads(done.stdout)
    if "problem" in answer:
        raise _PROBLEMS[answer["problem"]](answer["message"])
    return [Page(number, text) for number, text in answer["pages"]]
