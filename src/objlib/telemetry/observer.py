"""Turns events and calls into spans and metrics. It subscribes, and nothing else.

    objlib sync                        made by `traced`, or whatever span the program is in
      GET /v1beta/fileSearchStores     calls outside of a run
      objlib.run
        objlib.file                    from the first sign of a file to the last
          POST /upload/v1beta/files    its calls
          …

Names and attributes follow the semantic conventions of OpenTelemetry where they have one. There is
no attribute for a URL: an upload URL is as good as a key.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field

from opentelemetry import context, metrics, trace
from opentelemetry.metrics import Meter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue
from reactivex import Observable

from objlib import __version__
from objlib.gemini.calls import Call
from objlib.telemetry.instruments import Instruments, failure_of, http_attributes
from objlib.upload import events as ev

#: Files that are not in flight and may yet have a call made for them, or go round again; more than
#: can be in flight.
LINGERING_MAX = 1_000


@dataclass(slots=True)
class _Journey:
    """The span of one file while it lasts."""

    span: Span
    ended_ns: int
    stage: str | None = None
    outcome: str | None = None
    reason: str | None = None
    attempts: int = 0
    retries: int = 0


@dataclass(slots=True)
class _Run:
    """A run, and the files it has at hand."""

    span: Span
    circuit: str = "closed"
    at_hand: dict[str, _Journey] = field(default_factory=dict)
    lingering: OrderedDict[str, _Journey] = field(default_factory=OrderedDict)

    def find(self, path: str) -> _Journey | None:
        return self.at_hand.get(path) or self.lingering.get(path)


class Observer:
    """Follows one library: the calls of its client, and each of its runs.

    Args:
        tracer, meter: those of the program's providers if not given.
    """

    def __init__(self, tracer: Tracer | None = None, meter: Meter | None = None) -> None:
        self._tracer = tracer or trace.get_tracer("objlib", __version__)
        self._measure = Instruments(meter or metrics.get_meter("objlib", __version__))
        self._run: _Run | None = None

    def follow_calls(self, calls: Observable[Call]) -> None:
        """Make a span of each call."""
        calls.subscribe(self._call)

    def follow_run(self, events: Observable[ev.Event]) -> None:
        """Make a span of the run and of each of its files."""
        events.subscribe(self._event, on_completed=self._end_run)

    # Calls

    def _call(self, call: Call) -> None:
        now_ns = time.time_ns()
        span = self._tracer.start_span(
            f"{call.method} {call.template}",
            context=self._parent_of(call, now_ns),
            kind=SpanKind.CLIENT,
            attributes={**http_attributes(call), "http.request.body.size": call.sent_bytes},
            start_time=now_ns - round(call.took_s * 1e9),
        )
        if failure_of(call) is not None:
            span.set_status(Status(StatusCode.ERROR))
        span.end(now_ns)
        self._measure.call(call)

    def _parent_of(self, call: Call, now_ns: int) -> context.Context | None:
        """The file's span, else the run's, else what the program is in."""
        if self._run is None:
            return None
        if call.path is None:
            return trace.set_span_in_context(self._run.span)
        began_ns = now_ns - round(call.took_s * 1e9)
        journey = self._journey(self._run, call.path, began_ns)
        journey.ended_ns = now_ns
        return trace.set_span_in_context(journey.span)

    # Runs

    def _event(self, event: ev.Event) -> None:
        if isinstance(event, ev.RunStarted):
            self._begin_run(event)
        elif self._run is None:
            return
        elif isinstance(event, ev.PressureChanged):
            self._note_pressure(self._run, event)
        elif isinstance(event, ev.Draining):
            self._run.span.add_event("draining", {"reason": event.reason})
        elif isinstance(event, ev.PhaseFailed):
            self._run.span.add_event("phase failed", {"phase": event.phase, "reason": event.reason})
        elif (path := getattr(event, "path", None)) is not None:
            now_ns = time.time_ns()
            journey = self._journey(self._run, path, now_ns)
            journey.ended_ns = now_ns
            self._file(self._run, journey, path, event)

    def _begin_run(self, event: ev.RunStarted) -> None:
        attributes: dict[str, AttributeValue] = {
            "objlib.run.id": event.run_id,
            "objlib.run.files": event.files,
            "objlib.run.size": event.size_bytes,
        }
        self._run = _Run(self._tracer.start_span("objlib.run", attributes=attributes))

    def _note_pressure(self, run: _Run, event: ev.PressureChanged) -> None:
        self._measure.pressure(event)
        if event.circuit != run.circuit:
            run.circuit = event.circuit
            run.span.add_event(f"circuit {event.circuit}", {"pause_s": event.pause_s})

    def _end_run(self) -> None:
        if self._run is None:
            return
        run, self._run = self._run, None
        for journey in (*run.at_hand.values(), *run.lingering.values()):
            self._end(journey)
        run.span.end()

    # Files

    def _journey(self, run: _Run, path: str, began_ns: int) -> _Journey:
        """The journey of a file, which begins with the first sign of it."""
        if (known := run.find(path)) is not None:
            return known
        span = self._tracer.start_span(
            "objlib.file",
            context=trace.set_span_in_context(run.span),
            attributes={"file.path": path},
            start_time=began_ns,
        )
        journey = _Journey(span, began_ns)
        self._let_linger(run, path, journey)
        return journey

    def _file(self, run: _Run, journey: _Journey, path: str, event: ev.Event) -> None:
        match event:
            case ev.FileStarted(size_bytes=size_bytes):
                journey.attempts += 1
                journey.span.set_attribute("file.size", size_bytes)
                self._take_up(run, journey, path, "sending")
            case ev.ImportAccepted():
                journey.span.add_event("import accepted")
                self._move(journey, "indexing")
            case ev.FileResumed():
                self._take_up(run, journey, path, "indexing")
            case ev.CallRetried(attempt=attempt, wait_s=wait_s, reason=reason):
                journey.retries += 1
                noted: dict[str, AttributeValue] = {
                    "attempt": attempt,
                    "wait_s": wait_s,
                    "reason": reason,
                }
                journey.span.add_event("call retried", noted)
            case ev.DocumentShownFailed():
                journey.span.add_event("document shown as failed")
            case ev.FileIndexed(took_s=took_s):
                self._measure.indexed_in(took_s)
                self._settle(run, journey, path, "indexed")
            case ev.FileFailed(reason=reason):
                self._settle(run, journey, path, "failed", reason)
            case ev.FileReleased(reason=reason):
                self._settle(run, journey, path, "released", reason)
            case ev.FileVanished(reason=reason):
                self._settle(run, journey, path, "vanished", reason)
            case ev.FileTaken():
                self._settle(run, journey, path, "taken")

    def _move(self, journey: _Journey, stage: str | None) -> None:
        self._measure.moved(journey.stage, stage)
        journey.stage = stage

    def _take_up(self, run: _Run, journey: _Journey, path: str, stage: str) -> None:
        """It is in flight, perhaps once more."""
        run.lingering.pop(path, None)
        run.at_hand[path] = journey
        journey.outcome = journey.reason = None
        self._move(journey, stage)

    def _settle(
        self, run: _Run, journey: _Journey, path: str, outcome: str, reason: str | None = None
    ) -> None:
        """Its span lasts a little longer: it may be tidied up after, or go round again."""
        self._move(journey, None)
        journey.outcome, journey.reason = outcome, reason
        run.at_hand.pop(path, None)
        self._let_linger(run, path, journey)

    def _let_linger(self, run: _Run, path: str, journey: _Journey) -> None:
        run.lingering[path] = journey
        if len(run.lingering) > LINGERING_MAX:
            self._end(run.lingering.popitem(last=False)[1])

    def _end(self, journey: _Journey) -> None:
        self._move(journey, None)
        span, outcome = journey.span, journey.outcome
        if outcome is None and journey.attempts:
            outcome = "unfinished"
        span.set_attribute("objlib.attempts", journey.attempts)
        span.set_attribute("objlib.retries", journey.retries)
        if outcome is not None:
            span.set_attribute("objlib.outcome", outcome)
            self._measure.file(outcome)
        if outcome == "failed":
            span.set_status(Status(StatusCode.ERROR, journey.reason))
        elif journey.reason is not None:
            span.set_attribute("objlib.reason", journey.reason)
        span.end(journey.ended_ns)
