"""A File Search server in a process of its own, with trouble on demand."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from objlib.filestore import Fault

_PROGRAM = """
import asyncio, json, resource, sys
from pathlib import Path
from objlib.filestore import Fault, FaultPlan
from objlib.filestore.server import serve

options = json.loads(sys.argv[1])
if most := options.pop("most_bytes", 0):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
faults = FaultPlan([Fault(**fault) for fault in options.pop("faults")], seed=1)
data = Path(options.pop("data"))
say = lambda url: print(url, flush=True)
asyncio.run(serve(data=data, faults=faults, on_listening=say, **options))
"""


@contextmanager
def server(data: Path, *faults: Fault, **options: Any) -> Iterator[str]:
    """Run a server while the context lasts; yields its URL.

    Args:
        options: those of `serve`, and `most_bytes` of a file, as on a disk that fills up.
    """
    told = json.dumps({"data": str(data), "faults": [asdict(fault) for fault in faults], **options})
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, told], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            process.wait()


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Let a handler answer every request while the context lasts; yields its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.server_address[1]}"
        finally:
            listening.shutdown()
