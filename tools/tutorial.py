"""Follow the tutorial in a real terminal, and write down what is seen: `make tutorial`.

Needs tmux, git and the network. The repository's last commit is cloned into a home folder of its
own; the commands of `docs/tutorial.md` are typed there, in a terminal of 80 columns, and what the
terminal shows becomes `docs/tutorial-run.md`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOME = Path("/tmp/ada")
PROMPT = "$"
QUESTION = "[y/N]:"
PATIENCE_S = 120.0
#: Until Ctrl-C is pressed.
UNTIL_INTERRUPTED_S = 3.5

HEAD = """\
# The tutorial, recorded

Written by `make tutorial`: the commands of [the tutorial](tutorial.md), typed into a terminal of
80 columns in a fresh home folder, and what the terminal showed. For the folder of one's own in the
last step stands a copy of this documentation.
"""

_PIECE = re.compile(
    r'^(?:## (?P<heading>[^\n]*)|```sh(?: title="(?P<title>[^"]*)")?\n(?P<commands>.*?)^```)$',
    re.MULTILINE | re.DOTALL,
)


class Terminal:
    """One shell in a tmux of its own."""

    def __init__(self, name: str) -> None:
        self._name = name

    def tmux(self, *words: str) -> str:
        """One tmux command, on a server of our own."""
        command = ["tmux", "-L", self._name, "-f", "/dev/null", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def type(self, text: str) -> None:
        """Text, and the return key as soon as the text is to be seen."""
        self.tmux("send-keys", "-l", text)
        self._wait_until(lambda: _unwrapped(text) in _unwrapped(self.screen()))
        self.tmux("send-keys", "Enter")

    def screen(self) -> str:
        """Everything since the last `clear`."""
        return self.tmux("capture-pane", "-p", "-S", "-").rstrip("\n")

    def wait_for(self, ending: str) -> None:
        """Until what is on the screen ends so, wherever it was wrapped.

        Raises:
            TimeoutError: it never did.
        """
        self._wait_until(lambda: _unwrapped(self.screen()).endswith(_unwrapped(ending)))

    def _wait_until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            if time.monotonic() > deadline:
                raise TimeoutError(self.screen())
            time.sleep(0.1)

    def clear(self) -> None:
        """An empty screen without a past."""
        self.tmux("send-keys", "C-l")
        self._wait_until(self._is_clear)

    def _is_clear(self) -> bool:
        self.tmux("clear-history")  # what the shell has cleared is pushed there
        return self.screen().strip() == PROMPT


def _unwrapped(text: str) -> str:
    return "".join(text.split())


@contextmanager
def terminal(home: Path, folder: Path) -> Iterator[Terminal]:
    """A shell that knows nothing of its caller but how to install packages."""
    path = os.pathsep.join(
        part for part in os.environ["PATH"].split(os.pathsep) if ".venv" not in part
    )
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    environment = {
        **kept,
        "HISTFILE": "",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PATH": path,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_QUIET": "3",  # a mirror's warnings are of no use to a reader
        "PS1": f"{PROMPT} ",
    }
    shell = ["env", "-i", *(f"{name}={value}" for name, value in environment.items())]
    shell += ["TERM=xterm-256color", "bash", "--norc", "--noprofile"]
    opened = Terminal("objlib-tutorial")
    opened.tmux(
        *("new-session", "-d", "-x", "80", "-y", "40", "-c", str(folder)),
        *(";", "set-option", "-g", "history-limit", "10000"),
        *(";", "respawn-pane", "-k", "-c", str(folder), *shell),
    )
    try:
        opened.wait_for(PROMPT)
        yield opened
    finally:
        opened.tmux("kill-server")


def follow(page: str, shell: Terminal) -> Iterator[str]:
    """Type every command of the page; headings, and what the terminal showed."""
    heading: str | None = None
    for piece in _PIECE.finditer(page):
        if piece["heading"] is not None:
            heading = piece["heading"]
            continue
        if heading is not None:
            yield f"## {heading}"
            heading = None
        shell.clear()
        for line in piece["commands"].splitlines():
            shell.type(line)
            if piece["title"] == "press Ctrl-C":
                time.sleep(UNTIL_INTERRUPTED_S)
                yield "Just before Ctrl-C:"
                yield _console(shell.screen())
                shell.tmux("send-keys", "C-c")
            elif piece["title"] == "stays until Ctrl-C":
                shell.wait_for("(Ctrl-C stops)")
                shell.tmux("send-keys", "C-c")
            elif line.startswith("objlib sync") and "--yes" not in line:
                shell.wait_for(QUESTION)
                shell.type("y")
            shell.wait_for(PROMPT)
        if piece["title"] == "press Ctrl-C":
            yield "And after it:"
        yield _console(shell.screen().removesuffix(PROMPT).rstrip())


def _console(text: str) -> str:
    return f"```console\n{text}\n```"


def main() -> int:
    """Make a home folder, follow the tutorial, write the page; 1 if the folder is there already."""
    if HOME.exists():
        sys.stderr.write(f"{HOME} is there already; move it away first\n")
        return 1
    HOME.mkdir()
    try:
        clone = HOME / "objlib"
        subprocess.run(["git", "clone", "-q", "--no-local", str(ROOT), str(clone)], check=True)
        shutil.copytree(clone / "docs", HOME / "Lectures")
        page = (clone / "docs" / "tutorial.md").read_text("utf-8")
        with terminal(HOME, clone) as shell:
            seen = [HEAD.strip(), *follow(page, shell)]
    finally:
        shutil.rmtree(HOME)
    written = "\n\n".join(seen) + "\n"
    if str(ROOT) in written:
        raise ValueError("the recording names a path of this machine")
    (ROOT / "docs" / "tutorial-run.md").write_text(written, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
