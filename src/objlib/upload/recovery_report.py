"""What a recovery did, as a fold over the events of its run."""

from __future__ import annotations

from dataclasses import dataclass, replace

from objlib.upload import events as ev
from objlib.upload.recovery import LATE, PENDING


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """Counts of files, but for `unfinished`."""

    #: Given a document that an earlier run, or a failed attempt, had made.
    adopted: int = 0
    #: Of those, failed ones whose document has come alive since.
    late: int = 0
    #: Free again: nothing of them is in the store.
    released: int = 0
    #: Imports that an earlier run left pending, watched to their end.
    polled_again: int = 0
    #: In the hands of a run that is alive.
    left: int = 0
    #: Became `failed` while they were watched.
    failed: int = 0
    #: Phases that could not finish, with the reason; their rows stay as they were.
    unfinished: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether everything that was there to do was done."""
        return not (self.failed or self.unfinished)


def follow(report: RecoveryReport, event: ev.Event) -> RecoveryReport:
    """The report after one more event."""
    match event:
        case ev.PhaseFinished():
            pending = event.adopted if event.phase == PENDING else 0
            return replace(
                report,
                adopted=report.adopted + event.adopted - pending,
                late=report.late + (event.adopted if event.phase == LATE else 0),
                released=report.released + event.released,
                polled_again=report.polled_again + pending,
                left=report.left + event.left,
            )
        case ev.PhaseFailed():
            problem = f"{event.phase}: {event.reason}"
            return replace(report, unfinished=(*report.unfinished, problem))
        case ev.FileFailed():
            return replace(report, failed=report.failed + 1)
        case _:
            return report
