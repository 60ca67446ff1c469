"""The SDK, set up from the standard variables: OTLP over HTTP with protobuf.

Export happens on threads of the SDK's own. A collector that is down costs a run nothing but one
warning at its end: what the exporters would log is not shown, and nobody waits for a peer that was
not there when it was last tried.
"""

from __future__ import annotations

import functools
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import requests
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

from objlib import __version__

#: The longest wait at the end of a command.
FLUSH_S = 5.0
LOOK_S = 0.05

NOT_DELIVERED = (
    "Telemetry was not delivered, or not all of it; is OTEL_EXPORTER_OTLP_ENDPOINT a collector?"
)
NOT_KNOWN = "is not supported (only otlp over http/protobuf is); going on without"


class _Session(requests.Session):
    """Knows whether the collector answered when it was last asked."""

    is_down = False

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        try:
            response = super().request(*arguments, **options)
        except requests.RequestException:
            self.is_down = True
            raise
        self.is_down = False
        return response


class _Spans(OTLPSpanExporter):
    """Counts what could not be delivered."""

    lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        if result is not SpanExportResult.SUCCESS:
            self.lost += len(spans)
        return result


class _Metrics(OTLPMetricExporter):
    """Knows whether the last state of affairs was delivered."""

    is_behind = False

    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = None, **options: Any
    ) -> MetricExportResult:
        result = super().export(metrics_data, timeout_millis, **options)
        self.is_behind = result is not MetricExportResult.SUCCESS
        return result


class Exporting:
    """The providers of this process, and how their exports fare."""

    def __init__(self) -> None:
        self._problems: list[str] = []
        self._sessions: list[_Session] = []
        self._flushes: list[Callable[[int], bool]] = []
        self._spans: _Spans | None = None
        self._metrics: _Metrics | None = None
        if not logging.getLogger().isEnabledFor(logging.DEBUG):
            logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        resource = _resource()
        if self._is_on("TRACES"):
            self._spans = _Spans(session=self._session())
            tracing = TracerProvider(resource=resource, shutdown_on_exit=False)
            tracing.add_span_processor(BatchSpanProcessor(self._spans))
            trace.set_tracer_provider(tracing)
            self._flushes.append(tracing.force_flush)
        if self._is_on("METRICS"):
            self._metrics = _Metrics(session=self._session())
            reader = PeriodicExportingMetricReader(self._metrics)
            metering = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
            metrics.set_meter_provider(metering)
            self._flushes.append(metering.force_flush)

    @contextmanager
    def span(self, name: str, warn: Callable[[str], None]) -> Iterator[None]:
        """A span around a command; at its end everything is sent.

        Args:
            warn: told in a line what is not exported, and what was not delivered.
        """
        while self._problems:
            warn(self._problems.pop())
        tracer = trace.get_tracer("objlib", __version__)
        try:
            with tracer.start_as_current_span(name, record_exception=False):
                yield
        finally:
            if not self._flush():
                warn(NOT_DELIVERED)

    def _flush(self) -> bool:
        """Send what there is, in no more than `FLUSH_S`. Whether all of it was delivered."""

        def deliver() -> None:
            for flush in self._flushes:
                flush(round(FLUSH_S * 1000))

        delivery = threading.Thread(target=deliver, daemon=True)
        delivery.start()
        for _ in range(round(FLUSH_S / LOOK_S)):
            delivery.join(LOOK_S)
            if not delivery.is_alive() or self._is_down:
                break
        lost, behind = False, self._metrics is not None and self._metrics.is_behind
        if self._spans is not None:
            lost, self._spans.lost = self._spans.lost > 0, 0
        return not (delivery.is_alive() or self._is_down or lost or behind)

    @property
    def _is_down(self) -> bool:
        return any(session.is_down for session in self._sessions)

    def _session(self) -> _Session:
        self._sessions.append(session := _Session())
        return session

    def _is_on(self, signal: str) -> bool:
        """Return True if a signal is exported: its own variables decide, else the common ones."""
        exporter = _said(f"OTEL_{signal}_EXPORTER")
        endpoint = _said(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
        protocol = _said(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL")
        if exporter not in ("", "otlp", "none"):
            self._problems.append(f"OTEL_{signal}_EXPORTER={exporter} {NOT_KNOWN}")
            return False
        if exporter == "none" or not (exporter or endpoint or _said("OTEL_EXPORTER_OTLP_ENDPOINT")):
            return False
        protocol = protocol or _said("OTEL_EXPORTER_OTLP_PROTOCOL")
        if protocol not in ("", "http/protobuf"):
            self._problems.append(f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol} {NOT_KNOWN}")
            return False
        return True


@functools.cache
def exporting() -> Exporting:
    """The one of this process: providers can be set but once."""
    return Exporting()


def _resource() -> Resource:
    resource = Resource.create({"service.version": __version__})
    if _said("OTEL_SERVICE_NAME") or "service.name=" in _said("OTEL_RESOURCE_ATTRIBUTES"):
        return resource
    return resource.merge(Resource({"service.name": "objlib"}))


def _said(name: str) -> str:
    return os.environ.get(name, "").strip()
