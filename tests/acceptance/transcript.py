"""What was run and what it said, word for word, with the verdicts on it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Short enough to see failures through; the settling window is the shortest that makes sense here.
WAITS = {
    "OBJLIB_SETTLE_S": "3",
    "OBJLIB_POLL_DEADLINE_S": "5",
    "OBJLIB_POLL_S": "0.05",
    "OBJLIB_RETRY_PASS_DELAY_S": "1",
    "OBJLIB_BREAKER_COOLDOWN_S": "0.5",
    "OBJLIB_BACKOFF_BASE_S": "0.1",
    "OBJLIB_BACKOFF_CAP_S": "1",
}
_FOREIGN = ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "OBJLIB_BASE_URL")


@dataclass(slots=True)
class Transcript:
    """Runs commands in a scratch folder and keeps what they print."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    checks: list[tuple[bool, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        inherited = {name: said for name, said in os.environ.items() if name not in _FOREIGN}
        self.environment = {**inherited, **WAITS, "COLUMNS": "100"}

    @property
    def failures(self) -> list[str]:
        """What is off."""
        return [f"{what}: {seen}" for holds, what, seen in self.checks if not holds]

    def heading(self, text: str) -> None:
        """A new section."""
        self._write(f"\n## {text}\n")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """An `objlib` process in the scratch folder; its output is one stream."""
        return subprocess.Popen(
            [sys.executable, "-m", "objlib", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, expect: int = 0) -> str:
        """Run a command to its end, show it, and check its exit code."""
        process = self.start(*arguments)
        out, _ = process.communicate(timeout=300)
        self.show(" ".join(["objlib", *(_quoted(word) for word in arguments)]), out)
        name = f"`objlib {arguments[0]}` exits with {expect}"
        self.check(name, process.returncode == expect, str(process.returncode))
        return out

    def show(self, command: str, out: str) -> None:
        """Keep a command and its output, paths of the scratch folder left out."""
        shown = out.replace(f"{self.folder}/", "").rstrip()
        self._write(f"\n```console\n$ {command}\n{shown}\n```\n".replace("\n\n```\n", "\n```\n"))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the catalog, and show it as the `sqlite3` shell would."""
        rows = self.rows(sql)
        answer = "\n".join("|".join(map(str, row)) for row in rows)
        self.show(f'sqlite3 data/library.db "{sql}"', answer)
        return rows

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the catalog without a word."""
        with closing(sqlite3.connect(self.folder / "data" / "library.db")) as connection:
            return connection.execute(sql).fetchall()

    def events(self, *names: str) -> Counter[str]:
        """What runs said in their event files: the kind of event -> how often."""
        kinds: Counter[str] = Counter()
        for name in names:
            path = self.folder / name
            if path.exists():
                kinds.update(json.loads(line)["event"] for line in path.read_text().splitlines())
        return kinds

    def check(self, what: str, holds: bool, seen: str) -> None:
        """Note a verdict."""
        self.checks.append((holds, what, seen))

    def note(self, text: str) -> None:
        """A sentence between the commands."""
        self._write(f"\n{text}\n")

    def page(self, introduction: str) -> str:
        """The whole as a page of documentation."""
        several = Counter(self.checks)
        table = [
            f"| {'yes' if holds else '**NO**'} | {what} | {seen} | {times} |"
            for (holds, what, seen), times in several.items()
        ]
        verdicts = ["", "| holds | what must hold | seen | times |", "| --- | --- | --- | --- |"]
        verdicts += [*table, ""]
        return introduction + "\n".join(verdicts) + "".join(self.lines)

    def _write(self, text: str) -> None:
        self.lines.append(text)
        sys.stdout.write(text)
        sys.stdout.flush()


def _quoted(word: str) -> str:
    return f'"{word}"' if " " in word else word
