"""One verification at a time, held for a front end that comes and goes."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from typing import Any

from objlib.errors import ConfigurationError, ObjlibError
from objlib.search.proof import Proof, ProofReport
from objlib.service.library import Library
from objlib.service.runs import Run

_log = logging.getLogger(__name__)

#: Files of a verification at most: each is a question, which costs money at Google.
PROVEN_MAX = 1_000
#: Failures that are named.
NAMED = 20
#: Seconds between two looks at a verification that is to be over.
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Proving:
    """A verification at one moment."""

    #: Files that were to be asked about; 0 before the first verification.
    wanted: int = 0
    is_at_work: bool = False
    is_stopping: bool = False
    report: ProofReport = field(default_factory=ProofReport)
    #: The first files of which the store does not hold what the catalog says.
    failures: tuple[Proof, ...] = ()
    #: Why it ended before its time, for people.
    problem: str | None = None


class Prover:
    """Starts and stops the verifications of one library."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._task: asyncio.Task[None] | None = None
        self._run: Run[Any, Any] | None = None
        self._last = Proving()
        #: Verifications that have ended.
        self.ended = 0

    def snapshot(self) -> Proving:
        """Return where the verification stands."""
        if self._run is None:
            return self._last
        return replace(self._last, is_stopping=self._run.is_stopping)

    def start(self, files: int) -> None:
        """Begin to ask about those files whose last proof is oldest.

        Raises:
            ConfigurationError: one is at work, or the number is out of bounds.
        """
        if self._last.is_at_work:
            raise ConfigurationError("files are being asked about already; it is shown here")
        if not 1 <= files <= PROVEN_MAX:
            raise ConfigurationError(f"ask about 1 to {PROVEN_MAX:,} files at a time")
        self._last = Proving(files, is_at_work=True)
        self._task = asyncio.ensure_future(self._told(files))

    def stop(self) -> None:
        """Ask about no further file. Without a verification nothing happens."""
        if self._run is not None:
            self._run.stop("stopped on the page")

    async def close(self) -> None:
        """Stop the verification, and wait for its end."""
        while self._task is not None and not self._task.done():
            self.stop()  # before the work has begun it says nothing
            await asyncio.wait({self._task}, timeout=_LOOK_S)

    async def _told(self, files: int) -> None:
        problem: str | None = "it was cancelled"
        try:
            await self._proven(files)
            problem = None
        except ObjlibError as error:
            problem = str(error)
        except Exception as error:  # nobody waits for the task: the log and the page tell it
            _log.exception("a verification failed")
            problem = f"a bug in objlib: {error!r}"
        finally:
            self.ended += 1
            self._run = None
            self._last = replace(self._last, is_at_work=False, problem=problem)

    async def _proven(self, files: int) -> None:
        async with self._library.verify(limit=files) as run:
            self._run = run
            async for proof in run.events:
                failures = self._last.failures
                if proof.is_failure:
                    failures = (*failures, proof)[:NAMED]
                self._last = replace(self._last, report=run.progress, failures=failures)
