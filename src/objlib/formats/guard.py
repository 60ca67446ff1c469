"""The program between objlib and a command of its user: it ends the command when objlib ends.

It is run as a file, without anything else of objlib: `guard.py FOLDER COMMAND ARGUMENT …`. Standard
input is a pipe that nobody writes to. Its end means that objlib wants no more, or is gone; then the
command, with all that it has started, and its folder go.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading

#: Exit codes of a shell: no such command; ended by signal N, which is added.
NOT_STARTED, SIGNALLED = 127, 128


def main() -> int:
    """Run the command; return its exit code."""
    folder, *command = sys.argv[1:]
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, cwd=folder, start_new_session=True
        )
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode("utf-8", "replace"))
        return NOT_STARTED

    def end() -> None:
        if sys.platform == "win32":
            child.kill()
            return
        # macOS permits no signal to a group in which all are dead.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)

    def until_unwanted() -> None:
        while os.read(0, 1024):
            pass
        end()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(NOT_STARTED)

    threading.Thread(target=until_unwanted, daemon=True).start()
    if sys.platform != "win32" and hasattr(os, "waitid"):
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        end()  # what it has left behind; its number is taken until the next line
        code = child.wait()
    else:  # macOS before Python 3.13: whoever is left in the group keeps its number taken
        code = child.wait()
        if sys.platform != "win32":
            end()
    return code if code >= 0 else SIGNALLED - code


if __name__ == "__main__":
    sys.exit(main())
