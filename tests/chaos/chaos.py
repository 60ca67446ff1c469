"""One long bad day for a library: a server with faults, edits, and sudden death."""

from __future__ import annotations

import json
import math
import os
import random
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.simulator import catalogs, invariants

FAULTS = """
seed = {seed}
indexing_delay_s = 0.1

[[fault]]
kind = "latency"
seconds = 0.01

[[fault]]
kind = "error"
probability = 0.03

[[fault]]
kind = "rate_limit"
route = "POST *"
probability = 0.02
seconds = 0.1

[[fault]]
kind = "drop_after"
probability = 0.02

[[fault]]
kind = "drop_after"
route = "POST *:importFile"
probability = 0.1

[[fault]]
kind = "silent_import"
probability = 0.03

[[fault]]
kind = "document_failed"
probability = 0.05
seconds = 0.3
"""

WAITS = {
    "OBJLIB_SETTLE_S": "0.5",
    "OBJLIB_LEASE_S": "5",
    "OBJLIB_POLL_DEADLINE_S": "2",
    "OBJLIB_POLL_S": "0.05",
    "OBJLIB_RETRY_PASS_DELAY_S": "0.1",
    "OBJLIB_BACKOFF_BASE_S": "0.02",
    "OBJLIB_BACKOFF_CAP_S": "0.2",
    "OBJLIB_BREAKER_COOLDOWN_S": "0.2",
}
#: What a command names that finds the catalog lost.
RECOVER = "recover --from-store"
#: Before the first upload there is nothing to give back.
NO_STORE = "there is no store"
KEY = "a-key-that-must-not-be-seen"

#: A process is killed when so many times the time of a scan has passed since its start: it takes
#: most of one to come up, and the machine may be slow.
STRIKE = (0.5, 4.0)

#: What is run and killed, and how often in comparison.
COMMANDS: dict[tuple[str, ...], int] = {
    ("fsm-upload", "--concurrency", "4"): 8,
    ("fsm-upload", "--retry-failed"): 4,
    ("fsm-upload", "--reset-existing", "--limit", "20"): 2,
    ("store-sync", "--apply", "--max-delete", "100%"): 3,
    ("recover",): 1,
    ("scan", "--checksum"): 2,
    ("sync", "--yes", "--max-delete", "100%"): 4,
    ("verify", "--limit", "10"): 1,
    ("search", "What does the file hold?"): 1,
}
#: With faults on, a recovery may find that a listing proves nothing, and say so.
RECOVERIES_MAX = 20
#: The share of strikes before which something happens to the catalog.
CATALOG_TROUBLE = 0.2
#: Schema versions that a catalog is brought back to.
OLDER_VERSIONS = (23, 24)


class Chaos:
    """A working folder with a library, a served store, and a history of violence."""

    def __init__(self, folder: Path, *, seed: int, files: int) -> None:
        self._folder = folder
        self._rng = random.Random(seed)
        self._seed = seed
        self._library = folder / "library"
        self._library.mkdir()
        self._counted: Counter[str] = Counter()
        self._killed_in: Counter[str] = Counter()
        self._killed_as: Counter[str] = Counter()
        self._problems: list[str] = []
        #: The catalog was lost, and no recovery has come to its end since.
        self._is_lost = False
        #: A file was in the store.
        self._has_store = False
        #: Seconds that the last scan took.
        self._scan_s = 1.0
        self._began = time.monotonic()
        (folder / "faults.toml").write_text(FAULTS.format(seed=seed))
        for _ in range(files):
            self._add()
        self._url = ""
        self._server = self._serve("--faults", str(folder / "faults.toml"))
        self._scan("--library", str(self._library))

    # The server

    def _serve(self, *options: str) -> subprocess.Popen[str]:
        port = re.search(r":(\d+)", self._url.removeprefix("http://"))
        where = ["--port", port[1] if port else "0", "--data", "served.db"]
        server = subprocess.Popen(
            [sys.executable, "-m", "objlib", "serve", *where, *options],
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert server.stdout is not None
        listening = re.search(r"http://[\d.]+:\d+", server.stdout.readline())
        assert listening is not None
        self._url = listening[0]
        return server

    def _stop_server(self, how: Callable[[], None]) -> None:
        how()
        self._server.communicate()

    def _kill_server(self) -> None:
        self._stop_server(self._server.kill)
        self._counted["kills of the server"] += 1
        self._server = self._serve("--faults", str(self._folder / "faults.toml"))

    # The command line

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        self._counted["commands"] += 1
        return subprocess.Popen(
            [sys.executable, "-m", "objlib", *arguments],
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={
                **os.environ,
                **WAITS,
                "OBJLIB_BASE_URL": self._url,
                "GEMINI_API_KEY": KEY,
            },
        )

    def _end(self, process: subprocess.Popen[str]) -> str:
        output, _ = process.communicate(timeout=120)
        if KEY in output:
            self._problems.append("the key was printed")
        if "Traceback" in output or "a bug in objlib" in output:
            self._problems.append(f"{process.args!r} printed: {output[-500:]}")
        # Before the first upload there is no store, and a command that needs one says so.
        is_right = (NO_STORE in output and not self._has_store) or (
            RECOVER in output and self._is_lost
        )
        is_told = process.returncode == 2 and is_right
        if process.returncode not in (0, 1, 3, 130, -9) and not is_told:
            self._problems.append(f"{process.args!r} ended with {process.returncode}: {output}")
        return output

    def _finish(self, *arguments: str) -> str:
        return self._end(self._start(*arguments))

    def _scan(self, *options: str) -> None:
        began = time.monotonic()
        self._finish("scan", *options)
        self._scan_s = time.monotonic() - began

    def kill(self, kills: int, minutes: float | None = None) -> None:
        """Strike so many times, with edits in between.

        Args:
            minutes: no longer than that.
        """
        until = math.inf if minutes is None else time.monotonic() + minutes * 60
        while self._counted["kills"] < kills and time.monotonic() < until:
            for _ in range(self._rng.randint(0, 8)):
                self._edit()
            if self._rng.random() < 0.5 and self._has_catalog():
                self._scan()
            if self._rng.random() < CATALOG_TROUBLE:
                self._trouble_the_catalog()
            self._strike()
            if self._rng.random() < 0.1:
                self._kill_server()

    def _strike(self) -> None:
        commands = list(COMMANDS)
        number = 2 if self._rng.random() < 0.2 else 1
        chosen = self._rng.choices(commands, list(COMMANDS.values()), k=number)
        outputs = [self._kill_soon(process) for process in [self._start(*one) for one in chosen]]
        if self._is_lost and any(RECOVER in output for output in outputs):
            self._recover()  # as anybody would who reads that

    def _kill_soon(self, process: subprocess.Popen[str]) -> str:
        try:
            process.wait(self._rng.uniform(*STRIKE) * self._scan_s)
        except subprocess.TimeoutExpired:
            process.kill()
            self._counted["kills"] += 1
            assert isinstance(process.args, list)
            self._killed_as[str(process.args[3])] += 1
            if self._has_catalog():
                states = self._states()
                self._killed_in.update(states)
                self._has_store |= "indexed" in states
        else:
            self._counted["ran to the end"] += 1
        return self._end(process)

    # The catalog

    @property
    def _catalog(self) -> Path:
        return self._folder / "data" / "library.db"

    def _has_catalog(self) -> bool:
        return catalogs.is_there(self._catalog)

    def _trouble_the_catalog(self) -> None:
        """Lose it, empty it, or bring it back to an older schema; then kill what mends that."""
        if self._is_lost or not self._has_catalog():
            return
        kind = self._rng.choice(["lost", "emptied", "older schema"])
        self._counted[f"catalogs: {kind}"] += 1
        if kind == "older schema":
            catalogs.make_older(self._catalog, self._rng.choice(OLDER_VERSIONS))
            self._kill_soon(self._start("status"))
            return
        (catalogs.lose if kind == "lost" else catalogs.empty)(self._catalog)
        self._is_lost = True
        process = self._start(*RECOVER.split(), "--library", str(self._library))
        self._is_lost = not self._is_given_back(process, self._kill_soon(process))

    def _recover(self) -> None:
        """The command that is named, to its end."""
        for _ in range(RECOVERIES_MAX):
            process = self._start(*RECOVER.split(), "--library", str(self._library))
            if self._is_given_back(process, self._end(process)):
                self._is_lost = False
                return
        self._problems.append("a lost catalog was not given back")

    def _is_given_back(self, process: subprocess.Popen[str], output: str) -> bool:
        return process.returncode in (0, 1) or NO_STORE in output

    # The library

    def _add(self) -> None:
        self._counted["files added"] += 1
        path = (
            self._library
            / f"Shelf {self._rng.randrange(4)}"
            / f"{self._counted['files added']}.txt"
        )
        path.parent.mkdir(exist_ok=True)
        self._write(path)

    def _write(self, path: Path) -> None:
        path.write_text(f"{path.stem}: {self._rng.random()}\n" * self._rng.randint(1, 200))

    def _edit(self) -> None:
        path = self._rng.choice(sorted(self._library.rglob("*.txt")))
        match self._rng.choice(["add", "edit", "edit", "delete", "move"]):
            case "add":
                self._add()
            case "edit":
                self._counted["edits"] += 1
                self._write(path)
            case "delete":
                self._counted["files deleted"] += 1
                path.unlink()
            case _:
                self._counted["moves"] += 1
                folder = self._library / f"Shelf {self._rng.randrange(4, 8)}"
                folder.mkdir(exist_ok=True)
                path.rename(folder / path.name)

    # The end

    def settle(self) -> list[str]:
        """Faults off, one scan, one upload, one repair; what is off after that."""
        self._stop_server(self._server.terminate)
        self._server = self._serve()
        try:
            if self._is_lost:
                self._recover()
            self._finish("scan")
            self._finish("fsm-upload", "--retry-failed")
            # Of what a lost catalog had uploaded of files that are gone, only a person can tell.
            self._finish("store-sync", "--apply", "--max-delete", "100%", "--include-elsewhere")
            self._finish("fsm-upload")  # what the repair has sent round again
            return [*self._problems, *self._what_is_off()]
        finally:
            self._stop_server(self._server.terminate)

    def _what_is_off(self) -> list[str]:
        off = []
        survey = json.loads(self._finish("store-sync", "--json", "-q"))
        on_disk = len(list(self._library.rglob("*.txt")))
        self._counted["documents at the end"] = survey["documents"]["canonical"]
        if not survey["clean"]:
            off.append(f"the store is not clean: {survey}")
        if survey["documents"]["canonical"] != on_disk:
            off.append(f"{on_disk} files, {survey['documents']['canonical']} canonical documents")
        indexed = "SELECT * FROM files WHERE is_deleted = 0 ORDER BY file_path"
        before = self._ask(indexed)
        again = json.loads(self._finish("fsm-upload", "--json", "-q"))
        if again["indexed"] or self._ask(indexed) != before:
            off.append("an upload with nothing to do has changed rows")
        if self._states().keys() - {"indexed", "untracked"}:
            off.append(f"not at rest: {self._states()}")
        if self._ask("PRAGMA integrity_check") != [("ok",)]:
            off.append("the catalog is damaged")
        rows = {str(row[0]): invariants.Row.of(row) for row in self._ask(invariants.Row.QUERY)}
        trail = self._ask(
            "SELECT file_path, from_state, to_state, version, reason FROM transitions ORDER BY id"
        )
        off.extend(invariants.audit_trail_replays(trail, rows))
        for path in (self._folder / "data").iterdir():
            if KEY.encode() in path.read_bytes():
                off.append(f"the key is in {path.name}")
        return off

    def _ask(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._catalog)) as connection:
            return connection.execute(sql).fetchall()

    def _states(self) -> dict[str, int]:
        return dict(
            self._ask("SELECT gemini_state, COUNT(*) FROM files WHERE is_deleted = 0 GROUP BY 1")
        )

    def report(self) -> list[str]:
        """What was done, a line each."""
        seconds = time.monotonic() - self._began
        lines = [f"seed {self._seed}, {seconds:.0f} s"]
        lines += [f"  {number:>6,}  {what}" for what, number in self._counted.items()]
        killed = ", ".join(f"{number:,} {state}" for state, number in self._killed_in.items())
        commands = ", ".join(f"{number} {name}" for name, number in self._killed_as.most_common())
        return [
            *lines,
            f"killed commands: {commands}",
            f"rows found after kills, together: {killed}",
        ]
