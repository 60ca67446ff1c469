"""A File Search server whose answers to questions are those of a script, then its own."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from typing import Any

import uvicorn
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from objlib.filestore import FileStore, create_app


@contextmanager
def scripted(data: Path, answers: list[tuple[int, dict[str, Any]]]) -> Iterator[str]:
    """Run the server on a thread; yields its URL.

    Args:
        answers: (status, body) of each question to come; taken from as questions are asked.
    """
    listening: queue.Queue[str] = queue.Queue()
    ended = threading.Event()

    async def serve() -> None:
        store = FileStore.open(data)
        real = create_app(store)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"].endswith(":generateContent") and answers:
                status, body = answers.pop(0)
                await JSONResponse(body, status)(scope, receive, send)
            else:
                await real(scope, receive, send)

        socket = create_server(("127.0.0.1", 0))
        config = uvicorn.Config(app, lifespan="off", log_level="critical")
        running = uvicorn.Server(config)
        listening.put(f"http://127.0.0.1:{socket.getsockname()[1]}")
        task = asyncio.create_task(running.serve([socket]))
        await asyncio.to_thread(ended.wait)
        running.should_exit = True
        await task
        store.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        yield listening.get(timeout=30)
    finally:
        ended.set()
        thread.join()


def candidate(
    *texts: str | dict[str, Any], finish: str | None = "STOP", **grounding: Any
) -> dict[str, Any]:
    """A GenerateContentResponse of one candidate; a part is its text or the whole of it."""
    parts = [{"text": text} if isinstance(text, str) else text for text in texts]
    said: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish is not None:
        said["finishReason"] = finish
    if grounding:
        said["groundingMetadata"] = grounding
    return {"candidates": [said]}


def chunk(title: str, **context: Any) -> dict[str, Any]:
    """A grounding chunk."""
    return {"retrievedContext": {"title": title, "text": f"Of {title}.", **context}}


def support(*indices: int, **segment: Any) -> dict[str, Any]:
    """A grounding support."""
    return {"segment": segment, "groundingChunkIndices": list(indices)}
