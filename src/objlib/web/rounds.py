"""The pages for doing: choose the folder, plan and run, live; and what was proven."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from urllib.parse import parse_qsl

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse

from objlib.errors import ConfigurationError, Hint, LibraryGone, ObjlibError
from objlib.service.pilot import AT_WORK, Snapshot
from objlib.service.prover import PROVEN_MAX
from objlib.service.servers import is_loopback
from objlib.service.steering import Elsewhere, steer
from objlib.web.browsing import COUNT_S
from objlib.web.desk import NoFolderYet, desk_of
from objlib.web.rendering import rendered, respond, wants_json

#: Seconds between two snapshots. After so many of them the stream ends and the browser asks anew:
#: it has six connections to a page and no more, and with six tabs open a seventh waits for one.
BEAT_S, BEATS = 1.0, 10
AGAIN_MS = 1_000
#: Seconds that a form may take to arrive.
FORM_S = 10.0
FORM_BYTES_MAX = 16 * 1024
#: Of files on their way, and of failures, so many are named.
NAMED = 8
#: Files that a verification from the page asks about, unless somebody says another number.
PROVEN = 20


async def run(request: Request) -> Response:
    """`GET /run`: where the round stands, and what can be done now."""
    snapshot = desk_of(request).opened.pilot.snapshot()
    elsewhere = await _elsewhere(request, snapshot)
    record = {"run": snapshot, "elsewhere": elsewhere and asdict(elsewhere)}
    return respond(request, "run.html", record, about=_about(elsewhere))


async def _elsewhere(request: Request, snapshot: Snapshot) -> Elsewhere | None:
    """Return the run of another process, unless this page has one itself."""
    if snapshot.phase in AT_WORK:
        return None
    figure = await desk_of(request).opened.counts.elsewhere.at(None, COUNT_S)
    return None if figure is None else figure.value


def _about(elsewhere: Elsewhere | None) -> dict[str, object]:
    return {"elsewhere": elsewhere, "named": NAMED}


async def events(request: Request) -> Response:
    """`GET /run/events`: one snapshot a second while somebody looks, each complete by itself."""

    async def shown() -> str:
        snapshot = desk_of(request).opened.pilot.snapshot()
        about = _about(await _elsewhere(request, snapshot))
        return rendered(request, "_run.html", {"run": snapshot, "about": about})

    return _beats(request, shown)


async def proof_events(request: Request) -> Response:
    """`GET /verify/events`: the same of the verification."""

    async def shown() -> str:
        return rendered(request, "_verify.html", await _proof_record(request))

    return _beats(request, shown)


def _beats(request: Request, shown: Callable[[], Awaitable[str]]) -> Response:
    desk = desk_of(request)
    desk.library  # noqa: B018  without one there is nothing to look at

    async def beats() -> AsyncIterator[str]:
        last = ""
        yield f"retry: {AGAIN_MS}\n\n"
        for _ in range(BEATS):
            if desk.closing.is_set() or await request.is_disconnected():
                return
            try:
                now = await shown()
            except ObjlibError as error:  # the catalog is locked, say; later it is not
                now = str(Markup('<p class="warn">{}</p>').format(str(error)))
            yield f"event: run\ndata: {json.dumps(now)}\n\n" if now != last else ": still\n\n"
            last = now
            try:
                await asyncio.wait_for(desk.closing.wait(), BEAT_S)
            except TimeoutError:
                continue

    return StreamingResponse(beats(), media_type="text/event-stream")


async def act(request: Request) -> Response:
    """`POST /run`: plan, start, drain or stop, as the form's button says."""
    form = await _own_form(request)
    if isinstance(form, Response):
        return form
    opened = desk_of(request).opened
    match form.get("do"):
        case "plan":
            opened.pilot.plan()
        case "start":
            opened.pilot.start(form.get("plan_id", ""))
        case "drain":
            opened.pilot.drain()
        case "stop":
            opened.pilot.stop()
        case "drain elsewhere":
            await steer(opened.library.catalog, "drain")
        case "stop elsewhere":
            await steer(opened.library.catalog, "stop")
        case other:
            raise ConfigurationError(f"there is nothing to do that is called {other!r}")
    if wants_json(request):
        return respond(request, "run.html", {"run": opened.pilot.snapshot()})
    return RedirectResponse("/run", 303)


async def choose(request: Request) -> Response:
    """`POST /library`: the folder that somebody typed becomes the library, and is looked at."""
    form = await _own_form(request)
    if isinstance(form, Response):
        return form
    desk = desk_of(request)
    if not is_loopback(desk.door.host):
        raise ConfigurationError(
            "choose the folder on the computer itself: objlib scan --library DIR"
        )
    said = form.get("folder", "")
    try:
        await desk.choose(said, is_home_meant=form.get("home") == "meant")
    except (ConfigurationError, LibraryGone) as error:
        if desk.has_library:
            raise
        is_doubtful = error.hint is Hint.ACCEPT_HOME
        return first_page(request, said, str(error), is_doubtful=is_doubtful, status=400)
    desk.opened.pilot.plan()
    return RedirectResponse("/run", 303)


def first_page(
    request: Request,
    said: str = "",
    problem: str | None = None,
    *,
    is_doubtful: bool = False,
    status: int = 200,
) -> Response:
    """Return the page that asks for the folder, before there is a library.

    Args:
        is_doubtful: it is a home directory, and somebody may mean it.
    """
    desk = desk_of(request)
    if wants_json(request):
        return respond(request, "first.html", {"problem": problem or _NO_FOLDER}, status=409)
    return respond(
        request,
        "first.html",
        {"said": said or str(desk.settings.library or ""), "problem": problem},
        status=status,
        is_doubtful=is_doubtful,
        may_choose=is_loopback(desk.door.host),
    )


_NO_FOLDER = "choose the folder of your library first"


async def no_folder_yet(request: Request, error: Exception) -> Response:
    """Answer any page before there is a library."""
    assert isinstance(error, NoFolderYet)
    return first_page(request)


async def _own_form(request: Request) -> dict[str, str] | Response:
    """Return the fields of a form of ours, or the refusal of what is none."""
    try:
        async with asyncio.timeout(FORM_S):
            form = await _form(request)
    except TimeoutError:
        return PlainTextResponse("That form took too long.\n", 408)
    if form is None:
        return PlainTextResponse("That form is too large.\n", 413)
    if not desk_of(request).door.may_post(request.headers, form):
        return PlainTextResponse("That did not come from a form of this page.\n", 403)
    return form


async def _form(request: Request) -> dict[str, str] | None:
    """Return the fields of a form, or None for one that is too large."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > FORM_BYTES_MAX:
            return None
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


async def verify(request: Request) -> Response:
    """`GET /verify`: how many files the store has cited, how long ago, and what is asked now."""
    return respond(request, "verify.html", await _proof_record(request))


async def _proof_record(request: Request) -> dict[str, object]:
    opened = desk_of(request).opened
    figure = await opened.counts.status.at(None)
    assert figure is not None, "it was waited for"
    status = figure.value
    return {
        "indexed": status.states["indexed"]["files"],
        "proven": status.proven,
        "oldest_proof": status.oldest_proof,
        "proving": opened.prover.snapshot(),
        "usual": PROVEN,
        "most": PROVEN_MAX,
    }


async def prove(request: Request) -> Response:
    """`POST /verify`: ask about some files, or about no more of them."""
    form = await _own_form(request)
    if isinstance(form, Response):
        return form
    prover = desk_of(request).opened.prover
    match form.get("do"):
        case "prove":
            said = form.get("files", "")
            prover.start(int(said) if said.isascii() and said.isdigit() and len(said) < 9 else 0)
        case "stop":
            prover.stop()
        case other:
            raise ConfigurationError(f"there is nothing to do that is called {other!r}")
    if wants_json(request):
        return respond(request, "verify.html", await _proof_record(request))
    return RedirectResponse("/verify", 303)
