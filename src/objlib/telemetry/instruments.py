"""The metrics, by name. Counts of requests are those of their durations, by method and status."""

from __future__ import annotations

from opentelemetry.metrics import Meter
from opentelemetry.util.types import AttributeValue

from objlib.gemini.calls import Call
from objlib.upload import events as ev

#: The buckets that the semantic conventions advise for requests.
REQUEST_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
INDEXING_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 180, 300, 600)


class Instruments:
    """The instruments that measure calls and runs."""

    def __init__(self, meter: Meter) -> None:
        self._files = meter.create_counter(
            "objlib.files", unit="{file}", description="Files by what became of them."
        )
        self._sent = meter.create_counter(
            "objlib.sent", unit="By", description="Bodies of requests put on the wire."
        )
        self._requests = meter.create_histogram(
            "http.client.request.duration",
            unit="s",
            description="From a request until its answer begins.",
            explicit_bucket_boundaries_advisory=REQUEST_BUCKETS_S,
        )
        self._indexing = meter.create_histogram(
            "objlib.indexing.duration",
            unit="s",
            description="From an accepted import until the document is active.",
            explicit_bucket_boundaries_advisory=INDEXING_BUCKETS_S,
        )
        self._in_flight = meter.create_up_down_counter(
            "objlib.files.in_flight", unit="{file}", description="Files being worked on, by stage."
        )
        self._limit = meter.create_gauge(
            "objlib.limit", unit="{file}", description="Files allowed at a time, by stage."
        )
        self._rate = meter.create_gauge(
            "objlib.limit.rate", unit="{request}/min", description="Requests allowed, if limited."
        )

    def call(self, call: Call) -> None:
        """A request and its answer."""
        self._requests.record(call.took_s, http_attributes(call))
        if call.sent_bytes:
            self._sent.add(call.sent_bytes)

    def file(self, outcome: str) -> None:
        """A file came to an end."""
        self._files.add(1, {"objlib.outcome": outcome})

    def indexed_in(self, took_s: float | None) -> None:
        """A document became active."""
        if took_s is not None:
            self._indexing.record(took_s)

    def moved(self, before: str | None, after: str | None) -> None:
        """A file is in another stage."""
        for stage, change in ((before, -1), (after, 1)):
            if stage is not None and before != after:
                self._in_flight.add(change, {"objlib.stage": stage})

    def pressure(self, event: ev.PressureChanged) -> None:
        """Record the limits of what the backend may be asked for."""
        self._limit.set(event.sending, {"objlib.stage": "sending"})
        self._limit.set(event.indexing, {"objlib.stage": "indexing"})
        if event.requests_per_minute is not None:
            self._rate.set(event.requests_per_minute)


def http_attributes(call: Call) -> dict[str, AttributeValue]:
    """Return the attributes of a request's span and duration; each has few values."""
    attributes: dict[str, AttributeValue] = {
        "http.request.method": call.method,
        "server.address": call.server,
        "url.template": call.template,
    }
    if call.port is not None:
        attributes["server.port"] = call.port
    if call.status is not None:
        attributes["http.response.status_code"] = call.status
    if (failure := failure_of(call)) is not None:
        attributes["error.type"] = failure
    return attributes


def failure_of(call: Call) -> str | None:
    """Return the kind of error or the status; None for a call that went well."""
    if call.error is None and call.status is not None and call.status >= 400:
        return str(call.status)
    return call.error
