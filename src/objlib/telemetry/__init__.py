"""OpenTelemetry: traces and metrics of what a program with objlib does, for those who want them.

Two sides, as OpenTelemetry means it. The command line is an application: `traced` sets the SDK up
when the standard variables ask for it. A `Library` is a library: `new_observer` joins whatever the
program around it has set up. Where nobody has, nothing of OpenTelemetry is imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from objlib.telemetry.observer import Observer

#: Any of these switches telemetry on; `OTEL_SDK_DISABLED=true` switches it off.
SWITCHES = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_TRACES_EXPORTER",
    "OTEL_METRICS_EXPORTER",
)


def is_wanted() -> bool:
    """Return True if the environment asks for telemetry."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    return any(os.environ.get(name, "").strip() not in ("", "none") for name in SWITCHES)


@contextmanager
def traced(name: str, warn: Callable[[str], None]) -> Iterator[None]:
    """A span around one command, if telemetry is wanted; at its end all that there is is sent.

    Args:
        warn: told in a line what came in the way; the command itself goes on in any case.
    """
    if not is_wanted():
        yield
        return
    try:
        from objlib.telemetry.export import exporting
    except ImportError:
        warn("Telemetry needs an extra: pip install 'objlib[otel]'; going on without")
        yield
        return
    with exporting().span(name, warn):
        yield


def new_observer() -> Observer | None:
    """Return the observer that makes spans and metrics; None where this program has no SDK."""
    if "opentelemetry.sdk" not in sys.modules:
        return None
    from objlib.telemetry.observer import Observer

    return Observer()
