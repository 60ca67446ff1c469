"""The event stream: what it carries, and that no subscriber can harm the run."""

from __future__ import annotations

import json
import logging
from dataclasses import fields
from pathlib import Path

import pytest

from objlib.upload import events as ev
from objlib.upload.event_stream import EventStream

PAGE = Path(__file__).parents[2] / "docs" / "events.md"

#: One of each, with text that has to be escaped.
ODD = 'a "b"\n\\ é 𝄞 \u2028'
EVENTS: list[ev.Event] = [
    ev.RunStarted(ODD, ODD, 3, 2**40),
    ev.PhaseFinished(ODD, 1, 2, 3),
    ev.PhaseFailed(ODD, ODD),
    ev.FileStarted(ODD, 0),
    ev.CallRetried(ODD, 2, 0.5, ODD, True),
    ev.ImportAccepted(ODD),
    ev.FileResumed(ODD),
    ev.DocumentShownFailed(ODD, 1.5),
    ev.FileIndexed(ODD, ODD, False, 2.5),
    ev.FileFailed(ODD, ODD, True),
    ev.FileReleased(ODD, ODD),
    ev.FileVanished(ODD, ODD),
    ev.FileTaken(ODD),
    ev.LeftBehind(ODD, ODD, ODD),
    ev.RetryPassScheduled(4, 30.0),
    ev.PressureChanged("open", 30.0, 4, 25, 612.5),
    ev.Draining(ODD),
]


def test_every_kind_of_event_is_in_this_list() -> None:
    """A new class has to be added here, and so is checked below."""
    known = {kind.__name__ for kind in ev.Event.__subclasses__()}
    assert {type(event).__name__ for event in EVENTS} == known


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_documented_with_its_fields(event: ev.Event) -> None:
    """The page has a row for it, and the row names what it carries."""
    names = ", ".join(f"`{field.name}`" for field in fields(event))
    assert f"| `{type(event).__name__}` | {names} |" in PAGE.read_text("utf-8")


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_one_line_of_json(event: ev.Event) -> None:
    """Its name and its fields survive the way through a JSON line."""
    line = json.dumps(event.to_json(), ensure_ascii=False)

    read = json.loads(line)
    assert "\n" not in line
    assert read.pop("event") == type(event).__name__
    assert read == {field.name: getattr(event, field.name) for field in fields(event)}


def test_everybody_hears_everything_in_order() -> None:
    """Two subscribers get the same events, each once, and the end."""
    stream, one, other = EventStream(), list[object](), list[object]()
    stream.events.subscribe(one.append, on_completed=lambda: one.append("end"))
    stream.events.subscribe(other.append, on_completed=lambda: other.append("end"))

    for event in EVENTS:
        stream.emit(event)
    stream.complete()

    assert one == other == [*EVENTS, "end"]


def test_the_stream_is_hot() -> None:
    """Who comes late has missed what was said before; who leaves hears no more."""
    stream, early, late = EventStream(), list[object](), list[object]()
    subscription = stream.events.subscribe(early.append)
    stream.emit(EVENTS[0])
    stream.events.subscribe(late.append)
    stream.emit(EVENTS[1])
    subscription.dispose()
    stream.emit(EVENTS[2])

    assert early == EVENTS[:2]
    assert late == EVENTS[1:3]


def test_a_subscriber_that_raises_is_cut_off_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It gets no second event, it is reported once, and neither run nor neighbours notice."""
    stream, before, after, calls = EventStream(), list[object](), list[object](), list[object]()

    def broken(event: ev.Event) -> None:
        calls.append(event)
        raise ZeroDivisionError("the bar broke")

    stream.events.subscribe(before.append)
    stream.events.subscribe(broken)
    stream.events.subscribe(after.append)
    with caplog.at_level(logging.ERROR):
        for event in EVENTS:
            stream.emit(event)
        stream.complete()

    assert calls == EVENTS[:1]
    assert before == after == EVENTS
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "cut off" in caplog.text
    assert "the bar broke" in caplog.text


def test_a_subscriber_that_raises_at_the_end_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The last signal is guarded like the others."""
    stream, ended = EventStream(), list[str]()

    def broken() -> None:
        raise ZeroDivisionError

    stream.events.subscribe(on_completed=broken)
    stream.events.subscribe(on_completed=lambda: ended.append("end"))
    with caplog.at_level(logging.ERROR):
        stream.complete()

    assert ended == ["end"]
    assert len(caplog.records) == 1


def test_an_interrupt_in_a_subscriber_is_not_swallowed() -> None:
    """Ctrl-C during drawing is Ctrl-C, not a broken subscriber."""
    stream = EventStream()

    def interrupted(_event: ev.Event) -> None:
        raise KeyboardInterrupt

    stream.events.subscribe(interrupted)
    with pytest.raises(KeyboardInterrupt):
        stream.emit(EVENTS[0])
