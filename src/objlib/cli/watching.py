"""The words of a watching sync: after the first round one line for each that did something."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from objlib.cli import terminal
from objlib.cli.errors import worded
from objlib.cli.options import Invocation
from objlib.cli.verdict import verdict_line
from objlib.service.numbers import count, duration
from objlib.service.rounds import SyncOutcome
from objlib.service.watching import WatchBegun, WatchEvent, WatchPolls, WatchTroubled


@dataclass(slots=True)
class WatchLog:
    """Writes the lines, each with its time. What was just said is not said again."""

    invocation: Invocation
    #: The last trouble, until a round has come to an outcome.
    _trouble: str = ""
    #: The last state of the store.
    _state: str = ""

    def tell(self, event: WatchEvent) -> None:
        """Say what happens between the rounds."""
        match event:
            case WatchBegun():
                self._notice("Watching; Ctrl-C to stop")
            case WatchPolls(reason, every_s):
                self._notice(f"Looking every {duration(every_s)}: {reason}")
            case WatchTroubled(error, again_in_s):
                again = "" if again_in_s is None else f"; trying again in {duration(again_in_s)}"
                line = f"objlib: {worded(error)}{again}"
                if line != self._trouble:
                    self._notice(self._timed(line))
                self._trouble = line

    def remember(self, outcome: SyncOutcome) -> None:
        """Take note of a round that was told at length."""
        self._trouble, self._state = "", _state(outcome)

    def round(self, outcome: SyncOutcome) -> None:
        """Say what a round has done, if it has done anything, or if the store is another now."""
        done, state = work_done(outcome), _state(outcome)
        is_news = bool(done) or state != self._state or bool(self._trouble)
        self.remember(outcome)
        if is_news and not (self.invocation.quiet and outcome.is_clean):
            line = ". ".join(filter(None, (", ".join(done), state)))
            terminal.say(self._timed(line))

    def _timed(self, line: str) -> str:
        if self.invocation.log_json:
            return line  # it has its time already
        return f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S}  {line}"

    def _notice(self, line: str) -> None:
        self.invocation.notices().say(line)


def work_done(outcome: SyncOutcome) -> list[str]:
    """Return what a round has done: `2 files sent`, `1 document deleted`."""
    uploads = [up.progress for up in (outcome.uploaded, outcome.uploaded_again) if up is not None]
    done = outcome.store.repair if outcome.store is not None else None
    indexed, failed = sum(up.indexed for up in uploads), sum(up.failed for up in uploads)
    facts = (
        (indexed, "file", "sent"),
        (failed, "file", "failed"),
        (done.deleted if done else 0, "document", "deleted"),
        (done.adopted if done else 0, "document", "adopted"),
        (done.failed if done else 0, "step", "of the repair failed"),
    )
    return [f"{count(number, noun)} {what}" for number, noun, what in facts if number]


def _state(outcome: SyncOutcome) -> str:
    if outcome.was_interrupted:
        return "Interrupted"
    return verdict_line(outcome.verdict) if outcome.verdict is not None else "Not finished"
