"""From events and calls to spans and metrics, in memory; the pipeline and the server are real."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from reactivex.subject import Subject

from objlib.filestore import Fault, Kind
from objlib.gemini.calls import Call, Observed, template_of
from objlib.telemetry.observer import LINGERING_MAX, Observer
from objlib.upload import events as ev
from tests.upload.world import World, make_world

IMPORT = "POST *:importFile"


class Kept:
    """An observer whose spans and points stay in memory."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        tracing = TracerProvider()
        tracing.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._metering = MeterProvider([self._reader])
        self.observer = Observer(tracing.get_tracer("test"), self._metering.get_meter("test"))

    async def upload(self, world: World, **options: Any) -> None:
        """One run under observation."""
        run = world.new_run(**options)
        self.observer.follow_calls(world.client.calls)
        self.observer.follow_run(run.stream.events)
        await run.until_done()

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Those that have ended."""
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        """The spans of that name."""
        return [span for span in self.spans if span.name == name]

    def children(self, parent: ReadableSpan) -> list[ReadableSpan]:
        """Those below a span."""
        context = parent.get_span_context()
        assert context is not None
        return [
            span
            for span in self.spans
            if span.parent is not None and span.parent.span_id == context.span_id
        ]

    def totals(self, name: str) -> dict[Any, float]:
        """Value of the first attribute -> sum of a counter."""
        found: dict[Any, float] = defaultdict(float)
        data = self._reader.get_metrics_data()
        assert data is not None
        for metric in data.resource_metrics[0].scope_metrics[0].metrics:
            if metric.name == name:
                for point in metric.data.data_points:
                    found[next(iter((point.attributes or {}).values()), None)] += point.value  # type: ignore[union-attr]
        return dict(found)


def test_a_file_that_goes_round_again_is_one_span(tmp_path: Path) -> None:
    """Two attempts, the outcome is the last one, and the calls of both are below it."""
    kept = Kept()

    async def scenes() -> int:
        fault = Fault(Kind.DOCUMENT_FAILED, route=IMPORT, times=1)
        async with make_world(tmp_path, files=1, faults=[fault], settle_s=0.05) as world:
            before = world.requests.total()
            await kept.upload(world)
            return world.requests.total() - before

    requests = asyncio.run(scenes())
    (file,) = kept.named("objlib.file")
    assert file.attributes is not None
    assert file.attributes["objlib.attempts"] == 2
    assert file.attributes["objlib.outcome"] == "indexed"
    assert file.status.status_code is StatusCode.UNSET
    assert "document shown as failed" in [event.name for event in file.events]
    calls = kept.children(file)
    assert len(calls) == requests
    assert sum(call.name.endswith(":importFile") for call in calls) == 2
    assert kept.totals("objlib.files") == {"indexed": 1}
    assert kept.totals("objlib.files.in_flight") == {"sending": 0, "indexing": 0}


def test_a_file_that_fails_says_why_and_its_call_is_an_error(tmp_path: Path) -> None:
    """The others are as ever."""
    kept = Kept()

    async def scenes() -> None:
        fault = Fault(Kind.ERROR, route=IMPORT, times=1, status=400, message="Invalid metadata.")
        async with make_world(tmp_path, files=3, faults=[fault]) as world:
            await kept.upload(world)

    asyncio.run(scenes())
    (file,) = [span for span in kept.named("objlib.file") if span.status.description]
    assert "Invalid metadata." in str(file.status.description)
    (call,) = [span for span in kept.children(file) if span.status.status_code is StatusCode.ERROR]
    assert call.attributes is not None
    assert call.attributes["error.type"] == "400"
    assert call.attributes["http.response.status_code"] == 400
    assert kept.totals("objlib.files") == {"indexed": 2, "failed": 1}


def test_a_repeated_call_is_an_event_and_a_span(tmp_path: Path) -> None:
    """Each try is a span of its own, each wait an event of the file."""
    kept = Kept()

    async def scenes() -> None:
        fault = Fault(Kind.ERROR, route=IMPORT, times=3, status=429)
        async with make_world(tmp_path, files=1, faults=[fault]) as world:
            await kept.upload(world)

    asyncio.run(scenes())
    (file,) = kept.named("objlib.file")
    assert file.attributes is not None
    retried = [event for event in file.events if event.name == "call retried"]
    assert file.attributes["objlib.retries"] == len(retried) == 3
    errors = [span for span in kept.children(file) if span.status.status_code is StatusCode.ERROR]
    assert len(errors) == 3


def test_what_a_file_leaves_behind_is_tidied_up_within_its_span(tmp_path: Path) -> None:
    """Its raw file goes after it is indexed; still there is one span a file, and none is open."""
    kept = Kept()

    async def scenes() -> int:
        async with make_world(tmp_path, files=12) as world:
            before = world.requests.total()
            await kept.upload(world)
            return world.requests.total() - before

    requests = asyncio.run(scenes())
    files = kept.named("objlib.file")
    assert len(files) == 12
    assert sum(len(kept.children(file)) for file in files) == requests
    assert len(kept.named("objlib.run")) == 1


@pytest.mark.parametrize(
    "end",
    [
        lambda path: ev.FileIndexed(path, "d", False, 1.0),
        lambda path: ev.FileFailed(path, "no answer", transient=True),
    ],
    ids=["indexed", "failed and may go round again"],
)
def test_spans_of_ended_files_are_not_kept_for_ever(end: Callable[[str], ev.Event]) -> None:
    """As many as may still be tidied up after, however long the run."""
    kept = Kept()
    events: Subject[ev.Event] = Subject()
    kept.observer.follow_run(events)
    events.on_next(ev.RunStarted("r", "fileSearchStores/s", 3, 9))
    for number in range(LINGERING_MAX + 5):
        events.on_next(ev.FileStarted(f"{number}", 1))
        events.on_next(end(f"{number}"))
    assert len(kept.named("objlib.file")) == 5


def test_a_run_that_is_cut_short_closes_its_spans() -> None:
    """A file without an end is unfinished; a vanished or taken one has a span as well."""
    kept = Kept()
    events: Subject[ev.Event] = Subject()
    kept.observer.follow_run(events)
    for event in (
        ev.FileStarted("too-early", 1),
        ev.RunStarted("r", "fileSearchStores/s", 3, 9),
        ev.PressureChanged("closed", 0.0, 8, 50, 60.0),
        ev.PressureChanged("open", 30.0, 4, 25, 30.0),
        ev.FileStarted("a", 9),
        ev.ImportAccepted("a"),
        ev.FileTaken("b"),
        ev.FileVanished("c", "gone since the scan"),
        ev.FileResumed("d"),
        ev.FileReleased("d", "the run has ended"),
        ev.FileStarted("e", 1),
        ev.FileFailed("e", "no answer", transient=True),
        ev.PhaseFailed("leftovers", "offline"),
        ev.Draining("interrupted"),
    ):
        events.on_next(event)
    events.on_completed()
    outcomes = {
        (span.attributes or {})["file.path"]: (span.attributes or {})["objlib.outcome"]
        for span in kept.named("objlib.file")
    }
    assert outcomes == {
        "a": "unfinished",
        "b": "taken",
        "c": "vanished",
        "d": "released",
        "e": "failed",
    }
    assert "no answer" in [span.status.description for span in kept.named("objlib.file")]
    (run,) = kept.named("objlib.run")
    assert [event.name for event in run.events] == ["circuit open", "phase failed", "draining"]
    assert kept.totals("objlib.files.in_flight") == {"sending": 0, "indexing": 0}
    assert kept.totals("objlib.limit") == {"sending": 4, "indexing": 25}


# The wire


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/v1beta/fileSearchStores", "/v1beta/fileSearchStores"),
        ("/v1beta/fileSearchStores/a-b-1", "/v1beta/fileSearchStores/{store}"),
        ("/v1beta/fileSearchStores/s:importFile", "/v1beta/fileSearchStores/{store}:importFile"),
        (
            "/v1beta/fileSearchStores/s/documents/d",
            "/v1beta/fileSearchStores/{store}/documents/{document}",
        ),
        (
            "/v1beta/fileSearchStores/s/upload/operations/o",
            "/v1beta/fileSearchStores/{store}/upload/operations/{operation}",
        ),
        ("/upload/v1beta/files", "/upload/v1beta/files"),
        ("/v1beta/files/abc", "/v1beta/files/{file}"),
        ("/v1beta/files/files", "/v1beta/files/files"),
        ("/v1beta/models/gemini-9:generateContent", "/v1beta/models/{model}:generateContent"),
        ("/u/0/secret-upload-id", "/{id}/{id}/{id}"),
        ("/v1beta/files/a:b/c:d?e", "/v1beta/files/{file}/{id}:"),
        ("/", "/{id}"),
    ],
)
def test_a_template_holds_words_of_the_api_and_nothing_else(path: str, template: str) -> None:
    """Whatever is not known to be one stands for an identifier."""
    assert template_of(path) == template


class _Failing(httpx2.AsyncBaseTransport):
    """No answer."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("nobody there")


def test_a_call_without_an_answer_is_told_and_a_bad_listener_harms_nobody() -> None:
    """With the kind of error in place of a status; counted whether or not somebody listens."""
    wire = Observed(_Failing())
    told: list[Call] = []

    def spoilt(_call: Call) -> None:
        raise RuntimeError

    async def ask() -> None:
        request = httpx2.Request("GET", "http://a.invalid:81/v1beta/files/x?key=secret")
        with pytest.raises(httpx2.ConnectError):
            await wire.handle_async_request(request)

    asyncio.run(ask())
    wire.calls.subscribe(spoilt)
    wire.calls.subscribe(told.append)
    asyncio.run(ask())
    (call,) = told
    assert (call.status, call.error) == (None, "ConnectError")
    assert (call.server, call.port, call.template) == ("a.invalid", 81, "/v1beta/files/{file}")
    assert wire.requests == 2
