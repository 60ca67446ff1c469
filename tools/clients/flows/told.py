"""Runs the flows of a client and tells each result as a line of JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

URL = os.environ["EMULATOR_URL"]
STORE = os.environ["EMULATOR_STORE"]
MODEL = "gemini-3.5-flash"
EMBEDDING_MODEL = "gemini-embedding-001"
QUESTION = "Why do arches stand?"
SENTENCE = "Arches stand by their keystone."
KEPT_OUT = 'year = "none"'


def flow(name: str, run: Callable[[], Any]) -> Any:
    """Run a flow; its result, or None when it failed."""
    try:
        result = run()
        told: dict[str, str] = {"flow": name, "result": "yes"}
    except Exception as error:
        result = None
        said = " ".join(str(error).split())[:160]
        told = {"flow": name, "result": "no", "note": f"{type(error).__name__}: {said}"}
    print(json.dumps(told), flush=True)
    return result


def must(condition: Any, said: Any = "") -> None:
    """Raises when a client's answer is not as it should be."""
    if not condition:
        raise AssertionError(f"not as expected: {said!r}"[:200])
