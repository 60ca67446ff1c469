"""Standard error besides results: lines for people, or JSON lines for machines.

With `--log-json` everything that would be said there is one JSON object a line: log records,
notices, warnings, and the error that ends a command.
"""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from objlib.cli.cleaning import one_line
from objlib.cli.terminal import notice, notice_text, trace_lines

JSON_OPTION = "--log-json"
JSON_VARIABLE = "OBJLIB_LOG_JSON"

_NOISY = ("httpx2", "httpcore2", "google_genai", "asyncio", "Rx", "urllib3")


def wants_json(arguments: Sequence[str]) -> bool:
    """True if JSON lines are asked for, by a command line that may yet turn out to be wrong."""
    said = os.environ.get(JSON_VARIABLE, "").strip().lower()
    return JSON_OPTION in arguments or said in {"1", "true", "t", "yes", "y", "on"}


class JsonLines(logging.Formatter):
    """`{"time": …, "level": …, "logger": …, "message": …}`, with `exception` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)  # in ASCII: whatever the encoding of standard error, it is JSON


class _LinesForPeople(logging.Formatter):
    """`WARNING pypdf: …` on one line, and below it the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = one_line(f"{record.levelname} {record.name}: {record.getMessage()}")
        error = record.exc_info[1] if record.exc_info else None
        return line if error is None else f"{line}\n{trace_lines(error)}"


class _ToStandardError(logging.Handler):
    """Standard error as it is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        notice_text(self.format(record))


_handler = _ToStandardError()


def set_up(verbosity: int, *, as_json: bool) -> None:
    """Send log records to standard error; said again, it replaces what was said before."""
    level = {0: logging.ERROR, 1: logging.INFO}.get(verbosity, logging.DEBUG)
    _handler.setFormatter(JsonLines() if as_json else _LinesForPeople())
    root = logging.getLogger()
    root.addHandler(_handler)  # once, however often it is asked for
    root.setLevel(level)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(as_json)


def say_as_json(message: str, level: int = logging.INFO, exc_info: Any = None) -> None:
    """One line, whatever the verbosity."""
    record = logging.LogRecord("objlib", level, __file__, 0, message, None, exc_info)
    notice(JsonLines().format(record))


class NoticesAsJson(io.TextIOBase):
    """A file for a console: every line of what is written to it becomes a JSON line."""

    def write(self, text: str, /) -> int:
        for line in text.splitlines():
            if line.strip():
                say_as_json(line.strip())
        return len(text)
