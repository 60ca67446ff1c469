"""Repairs: what a survey found, line by line, and the work of putting it right."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reactivex.subject import Subject

from objlib.catalog.protocol import Catalog
from objlib.errors import ConfigurationError
from objlib.service.runs import Work
from objlib.sync.apply import Repair, RepairReport
from objlib.sync.classify import DocumentClass
from objlib.sync.listing import SyncReport, ghosts, missing, verdicts_of
from objlib.sync.plan import NOT_ASKED, Consent, MaxDelete, Step
from objlib.upload.shutdown import Shutdown
from objlib.waits import Waits

if TYPE_CHECKING:
    from objlib.gemini.client import FileSearchClient

GHOST_SIGN, MISSING_SIGN = "!", "+"


@dataclass(frozen=True, slots=True)
class Synced:
    """The outcome of a survey and, where there was one, of its repair."""

    survey: SyncReport
    repair: RepairReport | None = None
    #: The reason for which a repair would be refused.
    refusal: ConfigurationError | None = None
    #: The repair was asked to stop before its end.
    was_interrupted: bool = False

    @property
    def is_clean(self) -> bool:
        """True if all that was off was repaired, or nothing was off."""
        if self.was_interrupted:
            return False
        if self.repair is None:
            return self.survey.is_clean
        return not (self.repair.failed or self.repair.left_for_consent)


@dataclass(frozen=True, slots=True)
class SurveyLine:
    """A document, or a file that has none, as a survey saw it."""

    #: The sign of its `DocumentClass`, `!` for a ghost, `+` for a file that is not in the store.
    sign: str
    #: Path of the file; the document's name where no file is known.
    name: str
    reason: str


async def survey_lines(survey: SyncReport, *classes: DocumentClass) -> AsyncIterator[SurveyLine]:
    """Yield one line for each document, ghost and missing file of a survey.

    Args:
        classes: only documents of these.
    """
    async for verdict in verdicts_of(survey.verdicts, *classes):
        name = verdict.path or verdict.document_name
        yield SurveyLine(verdict.document_class.value, name, verdict.reason)
    if classes:
        return
    async for row in ghosts(survey.verdicts):
        yield SurveyLine(GHOST_SIGN, row.file_path, "indexed, but the store does not have it")
    async for row in missing(survey.verdicts):
        yield SurveyLine(MISSING_SIGN, row.file_path, f"its file is {row.gemini_state.value}")


@dataclass(frozen=True, slots=True)
class PlannedRepair:
    """A repair that a survey calls for, and its bounds."""

    catalog: Catalog
    client: FileSearchClient
    #: Of the library.
    root: Path
    waits: Waits
    survey: SyncReport
    max_delete: MaxDelete
    #: The library lies on another device than last time, and that is right.
    accept_device: bool = False
    consent: Consent = NOT_ASKED

    async def refusal(self) -> ConfigurationError | None:
        """Return the reason for which a guard would refuse it, or None."""
        try:
            await self._check(self._new(Shutdown(), lambda _step: None))
        except ConfigurationError as error:
            return error
        return None

    async def work(self) -> Work[Step, RepairReport]:
        """Return the work of carrying it out, which tells each step that was taken.

        Raises:
            ConfigurationError: a guard refuses; nothing was changed.
        """
        shutdown, told = Shutdown(), Subject[Step]()
        repair = self._new(shutdown, told.on_next)
        await self._check(repair)

        async def until_done() -> None:
            await repair.carry_out()

        return Work(told, until_done, shutdown, lambda: repair.done)

    async def _check(self, repair: Repair) -> None:
        await repair.check(self.max_delete, accept_device=self.accept_device)

    def _new(self, shutdown: Shutdown, on_step: Callable[[Step], None]) -> Repair:
        return Repair(
            self.catalog,
            self.client,
            self.survey,
            root=self.root,
            waits=self.waits,
            consent=self.consent,
            shutdown=shutdown,
            on_step=on_step,
        )
