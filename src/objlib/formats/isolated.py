"""Reading in a process of its own: a hostile document costs that process its life, nobody else.

It has a session of its own, so Ctrl-C in a terminal does not reach it: a document whose reader was
interrupted would look damaged.
"""

from __future__ import annotations

import asyncio
import json
import sys

from objlib.formats import NoText, Page, Reading, Unreadable, kind_of

#: An honest document of 100 MB takes less.
DEADLINE_S = 120.0
MEMORY_BYTES_MAX = 2 * 1024**3

_PROBLEMS = {problem.__name__: problem for problem in (NoText, Unreadable)}


async def read_isolated(
    content: bytes, mime_type: str, *, deadline_s: float | None = None
) -> Reading:
    """Return what `objlib.formats.read` does, read in a process that is ended at the deadline.

    Whoever is cancelled takes the process along.

    Raises:
        NoText, Unreadable: as `read` does; Unreadable also for a document that
            takes too long or too much memory.
    """
    deadline_s = DEADLINE_S if deadline_s is None else deadline_s
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "objlib.formats", kind_of(mime_type)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(deadline_s):
            output, _ = await process.communicate(content)
    except TimeoutError as error:
        problem = f"The document cannot be read within {deadline_s:g} seconds."
        raise Unreadable(problem) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()  # not `wait`, which waits for what nobody reads
    return _reading(process.returncode, output)


def _reading(exit_code: int | None, output: bytes) -> Reading:
    if exit_code != 0:
        raise Unreadable("The document is damaged: what read it had to be ended.")
    answer = json.loads(output)
    if "problem" in answer:
        raise _PROBLEMS[answer["problem"]](answer["message"])
    pages = tuple(Page(*page) for page in answer["pages"])
    return Reading(pages, tuple(answer["missing"]))
