"""Where a run stands, reduced from what it said."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.upload import events as ev
from objlib.upload.reports import NAMED_FAILURES, Progress, advance

FILES = 12


def run(*events: ev.Event) -> Progress:
    return reduce(advance, events, Progress())


@dataclass
class Model:
    """A run told file by file: the whole specification of the counts."""

    where: dict[str, str] = field(default_factory=dict)
    events: list[ev.Event] = field(default_factory=list)
    retries: int = 0
    rate_limited: int = 0
    adopted: int = 0

    def say(self, event: ev.Event, path: str = "", where: str = "") -> None:
        self.events.append(event)
        if path:
            self.where[path] = where

    def count(self, *where: str) -> int:
        return sum(place in where for place in self.where.values())

    def step(self, draw: st.DrawFn) -> None:
        path = draw(st.sampled_from(sorted(self.where)))
        moves = {
            "waiting": ["start", "vanish", "take"],
            "uploading": ["accept", "fail", "release", "take", "retry call"],
            "indexing": ["index", "fail", "release", "take", "retry call"],
        }.get(self.where[path])
        if moves is None:
            return
        flag = draw(st.booleans())
        match draw(st.sampled_from(moves)):
            case "start":
                self.say(ev.FileStarted(path, 1), path, "uploading")
            case "vanish":
                self.say(ev.FileVanished(path, "gone"), path, "vanished")
            case "take":
                self.say(ev.FileTaken(path), path, "taken")
            case "accept":
                self.say(ev.ImportAccepted(path), path, "indexing")
            case "index":
                self.adopted += flag
                self.say(ev.FileIndexed(path, "d", flag), path, "indexed")
            case "fail":
                where = "failed for now" if flag else "failed"
                self.say(ev.FileFailed(path, "why", flag), path, where)
            case "release":
                self.say(ev.FileReleased(path, "why"), path, "released")
            case "retry call":
                self.retries += 1
                self.rate_limited += flag
                self.say(ev.CallRetried(path, 1, 0.1, "why", flag))

    def retry_pass(self) -> None:
        """What failed for now or was released waits once more."""
        self.say(ev.RetryPassScheduled(self.count("failed for now", "released"), 1.0))
        for path, place in self.where.items():
            if place in ("failed for now", "released"):
                self.where[path] = "waiting"


@st.composite
def runs(draw: st.DrawFn) -> Model:
    """A legal run: resumed files, listed files, any interleaving, perhaps a second pass."""
    model = Model()
    for number in range(draw(st.integers(0, 3))):
        model.say(ev.FileResumed(f"resumed {number}"), f"resumed {number}", "indexing")
    listed = draw(st.integers(1, FILES))
    model.say(ev.RunStarted("run", "store", listed, 1))
    model.where |= {f"listed {number:02}": "waiting" for number in range(listed)}
    for _ in range(draw(st.integers(0, 60))):
        model.step(draw)
    if draw(st.booleans()) and not model.count("uploading", "indexing"):
        model.retry_pass()
        for _ in range(draw(st.integers(0, 30))):
            model.step(draw)
    return model


@given(runs())
def test_the_counts_are_those_of_the_files(model: Model) -> None:
    """For all legal runs, each count is the number of files that are there, and they add up."""
    progress = run(*model.events)

    assert progress.total == len(model.where)
    assert progress.uploading == model.count("uploading")
    assert progress.indexing == model.count("indexing")
    assert progress.indexed == model.count("indexed")
    assert progress.failed == model.count("failed", "failed for now")
    assert progress.failed_for_now == model.count("failed for now")
    assert progress.released == model.count("released")
    assert progress.vanished == model.count("vanished")
    assert progress.taken == model.count("taken")
    assert (progress.retries, progress.rate_limited) == (model.retries, model.rate_limited)
    assert progress.adopted == model.adopted
    waiting = model.count("waiting")
    in_flight = progress.uploading + progress.indexing
    assert waiting + in_flight + progress.settled + progress.released == progress.total


@given(runs())
def test_no_count_is_ever_negative(model: Model) -> None:
    """For all legal runs and at every moment of them, there is no less than nothing."""
    progress = Progress()
    for event in model.events:
        progress = advance(progress, event)
        counts = [getattr(progress, name) for name in Progress.__dataclass_fields__]
        assert all(count >= 0 for count in counts if isinstance(count, int))


@given(runs())
def test_a_run_is_clean_when_nothing_was_left_undone(model: Model) -> None:
    """Clean means no file failed, was let go or had vanished."""
    undone = model.count("failed", "failed for now", "released", "vanished")
    assert run(*model.events).is_clean == (undone == 0)


def test_failures_are_named_up_to_a_number_and_counted_beyond() -> None:
    """A summary of a thousand failures names the first few."""
    failures = [ev.FileFailed(f"{n}", "why", False) for n in range(1_000)]

    progress = run(*(ev.FileResumed(f.path) for f in failures), *failures)

    assert progress.failures == tuple(failures[:NAMED_FAILURES])
    assert progress.failed == 1_000


def test_a_second_chance_takes_the_failure_back() -> None:
    """What is tried again is not named as failed; what is final stays named."""
    final = ev.FileFailed("a", "refused", False)
    passing = ev.FileFailed("b", "busy", True)

    progress = run(
        ev.FileResumed("a"), ev.FileResumed("b"), final, passing, ev.RetryPassScheduled(1, 30.0)
    )

    assert progress.failures == (final,)
    assert (progress.failed, progress.failed_for_now) == (1, 0)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (ev.Draining("Ctrl-C"), Progress(draining=True)),
        (ev.LeftBehind("a", "files/1", "busy"), Progress(left_behind=1)),
        (ev.PhaseFinished("leftovers", 1, 2, 3), Progress()),
        (ev.PhaseFailed("leftovers", "no answer"), Progress()),
    ],
)
def test_what_is_about_no_file_moves_no_file(event: ev.Event, expected: Progress) -> None:
    """The run's own news change the news, not the counts."""
    assert advance(Progress(), event) == expected
    assert advance(Progress(total=3), event) == replace(expected, total=3)
