"""The progress of a run while it lasts: a live bar on a terminal, plain lines without one.

Both are subscribers of the event stream and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from reactivex import Observable
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

from objlib import Progress
from objlib import events as ev
from objlib.cli.screen import Screen
from objlib.service.files import title
from objlib.service.numbers import count, duration
from objlib.service.steering import ASKED
from objlib.service.uploads import progress_after

#: Without a terminal: a line at least this often while something happens.
PLAIN_INTERVAL_S = 5.0
#: Seconds: for a longer pause it is said when it ends.
_LONG_S = 60.0
#: The failed attempt at a call from which on a run tells of it, once.
_TOLD_ATTEMPT = 2

#: Columns of a terminal from which there is room for the speed, and for more beside it.
_ROOM_FOR_DETAIL = 58
#: Columns beside it that the limits need as well.
_ROOM_FOR_LIMITS = 40


@contextmanager
def show_progress(events: Observable[ev.Event], notices: Screen, verbosity: int) -> Iterator[None]:
    """Show a run on `notices` while the context lasts."""
    subscriptions = [events.subscribe(_Narrator(notices, verbosity).tell)]
    states = progress_after(events)
    if notices.is_live and not notices.quiet:
        with _bar(notices) as bar:
            task = bar.add_task("uploading", total=None, detail="")

            def draw(progress: Progress) -> None:
                bar.update(
                    task,
                    total=progress.total or None,
                    completed=min(progress.settled, progress.total),
                    description="finishing" if progress.draining else "uploading",
                    detail=_detail(progress, notices.width - _ROOM_FOR_DETAIL),
                )

            subscriptions.append(states.subscribe(draw))
            try:
                yield
            finally:
                for subscription in subscriptions:
                    subscription.dispose()
        return
    subscriptions.append(states.subscribe(_PlainLines(notices).tell))
    try:
        yield
    finally:
        for subscription in subscriptions:
            subscription.dispose()


def _bar(notices: Screen) -> Bar:
    columns: list[ProgressColumn] = [_text("{task.description}"), BarColumn(bar_width=None)]
    columns.append(MofNCompleteColumn(table_column=Column(no_wrap=True)))
    if notices.width >= _ROOM_FOR_DETAIL:
        columns.append(_Speed(table_column=Column(no_wrap=True)))
    if notices.width > _ROOM_FOR_DETAIL:
        columns.append(_text("{task.fields[detail]}"))
    return Bar(
        *columns,
        TimeRemainingColumn(compact=True),
        console=notices,
        expand=True,
        transient=True,
    )


def _text(template: str) -> TextColumn:
    return TextColumn(template, table_column=Column(no_wrap=True))


class _Speed(ProgressColumn):
    """Files a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} files/s")


def _detail(progress: Progress, room: int | None = None) -> str:
    """Describe the work in hand; unusual things come first, and limits need room."""
    allowed = progress.pressure if room is None or room >= _ROOM_FOR_LIMITS else None
    sending, indexing = (
        (f" of {allowed.sending}", f" of {allowed.indexing}") if allowed else ("", "")
    )
    work = [f"{progress.uploading}{sending} sending", f"{progress.indexing}{indexing} indexing"]
    trouble = _brakes(progress.pressure)
    if progress.retries:
        trouble.append(f"{progress.retries} retries")
    if progress.failed:
        trouble.append(f"{progress.failed} failed")
    if room is None:
        return ", ".join(work + trouble)
    shown: list[str] = []
    for part in reversed(work + trouble):
        if len(", ".join([part, *shown])) <= room:
            shown.insert(0, part)
    return ", ".join(shown)


def _brakes(pressure: ev.PressureChanged | None) -> list[str]:
    """Name what else holds a run back, where something does."""
    if pressure is None:
        return []
    brakes = []
    if pressure.circuit != "closed":
        brakes.append(f"circuit {pressure.circuit}")
    if pressure.pause_s >= ev.SAID_FROM_S and not _is_over(pressure):
        brakes.append(_next_look(pressure).removeprefix("; "))
    if brakes:
        return brakes
    if pressure.requests_per_minute is not None:
        return [f"{pressure.requests_per_minute:.0f} requests/min"]
    return []


def _next_look(pressure: ev.PressureChanged) -> str:
    """Return `; next look at 14:05`, by the clock on the wall."""
    if pressure.next_look_at is None:
        return ""
    return f"; next look at {datetime.fromisoformat(pressure.next_look_at).astimezone():%H:%M}"


def _is_over(pressure: ev.PressureChanged) -> bool:
    at = pressure.next_look_at
    return at is None or datetime.fromisoformat(at) <= datetime.now(UTC)


class _Narrator:
    """Says in a line what people should know while it happens."""

    def __init__(self, notices: Screen, verbosity: int) -> None:
        self._notices = notices
        self._verbosity = verbosity
        self._has_told_of_trouble = verbosity > 0  # then each retry is told
        #: The wait that was told last: its end, UTC, ISO 8601.
        self._told_until: str | None = None

    def tell(self, event: ev.Event) -> None:
        line = self._line(event)
        if line is not None:
            self._notices.say(line)

    def _line(self, event: ev.Event) -> str | None:
        match event:
            case ev.Draining(reason="interrupted"):
                return "Finishing what is in flight; interrupt again to stop at once"
            case ev.Draining(reason=reason) if reason == ASKED:
                return "Asked to stop from elsewhere; finishing what is in flight"
            case ev.PressureChanged(asked_s=float(asked_s)) if asked_s >= ev.SAID_FROM_S:
                return self._wait(event, asked_s)
            case ev.PressureChanged(circuit="open", pause_s=pause_s):
                said = f"The backend refuses or fails too often; pausing for {duration(pause_s)}"
                return said + (_next_look(event) if pause_s >= _LONG_S else "")
            case ev.CallRetried(wait_s=wait_s, reason=reason, attempt=attempt) if (
                attempt >= _TOLD_ATTEMPT and not self._has_told_of_trouble
            ):
                self._has_told_of_trouble = True
                return f"No luck so far: {reason}; again in {duration(wait_s)}"
            case ev.FileVanished(path=path, reason=reason):
                return f"{title(path)}: {reason}"
            case ev.RetryPassScheduled(files=files, wait_s=wait_s):
                return f"Trying {count(files, 'file')} again in {duration(wait_s)}"
            case ev.PhaseFinished(phase=phase, adopted=adopted, released=released, left=left):
                return (
                    f"Recovery, {phase}: {adopted:,} taken up, {released:,} released, "
                    f"{left:,} left to another run"
                )
            case ev.PhaseFailed(phase=phase, reason=reason):
                return f"Recovery, {phase}: {reason}; its files stay as they were"
            case ev.CallRetried(path=path, wait_s=wait_s, reason=reason) if self._verbosity:
                return f"{title(path)}: {reason}; again in {duration(wait_s)}"
            case ev.FileIndexed(path=path) if self._verbosity:
                return f"{title(path)}: indexed"
            case _:
                return None

    def _wait(self, event: ev.PressureChanged, asked_s: float) -> str | None:
        """Tell of a wait once, however many refusals ask for it and whatever else changes."""
        until = self._told_until
        if until is not None and datetime.fromisoformat(until) > datetime.now(UTC):
            return None
        self._told_until = event.next_look_at
        self._has_told_of_trouble = True
        return f"The backend asks to wait {duration(asked_s)}{_next_look(event)}"


class _PlainLines:
    """A line now and then, for logs and pipes."""

    def __init__(self, notices: Screen) -> None:
        self._notices = notices
        self._last = time.monotonic()

    def tell(self, progress: Progress) -> None:
        if time.monotonic() - self._last >= PLAIN_INTERVAL_S:
            self._last = time.monotonic()
            done = f"{progress.settled:,} of {count(progress.total, 'file')}"
            self._notices.say(f"{done} done, {_detail(progress)}")
