"""Files that a run writes as it goes: all events, and one line for each file at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from reactivex import Observable

from objlib import events as ev
from objlib.cli.cleaning import as_json
from objlib.cli.terminal import notice
from objlib.errors import ConfigurationError

events_option = click.option(
    "--events",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Add a JSON line for each event to FILE.",
)
results_option = click.option(
    "--results",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Add a JSON line for what came of each file to FILE.",
)


@dataclass(frozen=True, slots=True)
class Files:
    """The files to write. Lines are added to those that are there.

    Args:
        torn: those that could not be written to their end, a full disk for instance. The run itself
            goes on: what it does in the store and in the catalog does not depend on them.
    """

    events: Path | None = None
    results: Path | None = None
    torn: list[Path] = field(default_factory=list)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, whether they are there yet or not."""
        return tuple(path for path in (self.events, self.results) if path is not None)

    @contextmanager
    def written(self, events: Observable[ev.Event]) -> Iterator[None]:
        """Write while the block lasts.

        Raises:
            ConfigurationError: a file cannot be written.
        """
        with ExitStack() as stack:
            for path, line_of in ((self.events, ev.Event.to_json), (self.results, result_of)):
                if path is not None:
                    stack.enter_context(self._lines(events, path, line_of))
            yield

    @contextmanager
    def _lines(
        self,
        events: Observable[ev.Event],
        path: Path,
        line_of: Callable[[Any], dict[str, Any] | None],
    ) -> Iterator[None]:
        try:
            file = path.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error

        def write(event: ev.Event) -> None:
            if path in self.torn or (said := line_of(event)) is None:
                return
            line = {"at": round(time.time(), 3), **said}
            try:
                file.write(as_json(line) + "\n")
            except OSError as error:
                self.torn.append(path)
                notice(f"objlib: cannot write {path}: {error.strerror}; the run goes on without it")

        subscription = events.subscribe(write)
        try:
            yield
        finally:
            subscription.dispose()
            with suppress(OSError):  # said already: each line is written at once
                file.close()


def result_of(event: ev.Event) -> dict[str, Any] | None:
    """`{"path": …, "result": …}` for an event with which a file came to an end, else None.

    The last line of a path counts: a file that failed for a passing reason goes round again.
    """
    match event:
        case ev.FileIndexed():
            result, said = "indexed", {"document": event.document_name, "adopted": event.adopted}
        case ev.FileFailed():
            result, said = "failed", {"reason": event.reason, "transient": event.transient}
        case ev.FileReleased():
            result, said = "released", {"reason": event.reason}
        case ev.FileVanished():
            result, said = "vanished", {"reason": event.reason}
        case ev.FileTaken():
            result, said = "taken_by_another_run", {}
        case _:
            return None
    return {"path": event.path, "result": result, **said}
