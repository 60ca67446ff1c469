"""The pages for doing: the run, live, with its plan and price before; and what was proven."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse

from objlib.errors import ConfigurationError
from objlib.service.pilot import Phase, Snapshot
from objlib.service.status import UNDER_WAY
from objlib.web.pages import desk_of
from objlib.web.rendering import rendered, respond, wants_json

#: Seconds between two snapshots.
BEAT_S = 1.0
FORM_BYTES_MAX = 16 * 1024
#: Of files on their way, and of failures, so many are named.
NAMED = 8


async def run(request: Request) -> Response:
    """`GET /run`: where the round stands, and what can be done now."""
    snapshot = desk_of(request).pilot.snapshot()
    about = await _context(request, snapshot)
    return respond(request, "run.html", {"run": snapshot}, about=about)


async def _context(request: Request, snapshot: Snapshot) -> dict[str, object]:
    desk = desk_of(request)
    last = (await desk.library.status()).last_run
    is_ours = snapshot.phase in (Phase.RUNNING, Phase.DRAINING)
    return {
        "elsewhere": last is not None and last.ended == UNDER_WAY and not is_ours,
        "last": last,
        "named": NAMED,
    }


async def events(request: Request) -> Response:
    """`GET /run/events`: one snapshot a second while somebody looks, each complete by itself."""
    desk = desk_of(request)

    async def beats() -> AsyncIterator[str]:
        last = ""
        while not desk.closing.is_set() and not await request.is_disconnected():
            snapshot = desk.pilot.snapshot()
            about = await _context(request, snapshot)
            shown = rendered(request, "_run.html", {"run": snapshot, "about": about})
            yield f"event: run\ndata: {json.dumps(shown)}\n\n" if shown != last else ": still\n\n"
            last = shown
            try:
                await asyncio.wait_for(desk.closing.wait(), BEAT_S)
            except TimeoutError:
                continue

    return StreamingResponse(beats(), media_type="text/event-stream")


async def act(request: Request) -> Response:
    """`POST /run`: plan, start, drain or stop, as the form's button says."""
    desk = desk_of(request)
    form = await _form(request)
    if form is None:
        return PlainTextResponse("That form is too large.\n", 413)
    if not desk.door.may_post(request.headers, form):
        return PlainTextResponse("That did not come from a form of this page.\n", 403)
    match form.get("do"):
        case "plan":
            desk.pilot.plan()
        case "start":
            desk.pilot.start(form.get("plan_id", ""))
        case "drain":
            desk.pilot.drain()
        case "stop":
            desk.pilot.stop()
        case other:
            raise ConfigurationError(f"there is nothing to do that is called {other!r}")
    if wants_json(request):
        return respond(request, "run.html", {"run": desk.pilot.snapshot()})
    return RedirectResponse("/run", 303)


async def _form(request: Request) -> dict[str, str] | None:
    """Return the fields of a form, or None for one that is too large."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > FORM_BYTES_MAX:
            return None
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


async def verify(request: Request) -> Response:
    """`GET /verify`: how many files the store has cited, and how long ago."""
    status = await desk_of(request).library.status()
    record = {
        "indexed": status.states["indexed"]["files"],
        "proven": status.proven,
        "oldest_proof": status.oldest_proof,
    }
    return respond(request, "verify.html", record)
