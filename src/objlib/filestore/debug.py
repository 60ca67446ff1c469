"""`/debug/faults`: look at the trouble that is on, and change it, from this machine only.

    GET     the plan's time, its faults, and how often each has struck
    PUT     other faults: the body is that of a fault file, as JSON
    DELETE  no faults

The route exists only while faults are on. It takes no key: whoever reaches it is on this machine,
which is judged by the peer's address and by the Host header, so that no web page can reach it
through a name that it has pointed here.
"""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from objlib.filestore import bodies
from objlib.filestore.declared import Declared, faults_json, read_faults
from objlib.filestore.faults import FaultPlan
from objlib.filestore.gate import json_error
from objlib.filestore.net import is_loopback
from objlib.filestore.storage import FileStore
from objlib.filestore.wire import MAX_JSON_BYTES, ApiError, invalid

PATH = "/debug/faults"


def debug_routes(plan: FaultPlan, store: FileStore) -> list[Route]:
    """The route, for a plan that is on."""

    async def serve(request: Request) -> Response:
        try:
            _let_in(request)
            if request.method == "PUT":
                _use(plan, store, await _declared_in(request))
            elif request.method == "DELETE":
                _use(plan, store, Declared())
        except ApiError as error:
            return json_error(error)
        return JSONResponse(faults_json(plan, store.indexing_delay_s))

    return [Route(PATH, serve, methods=["GET", "PUT", "DELETE"])]


def _let_in(request: Request) -> None:
    try:
        asked_for = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        asked_for = ""
    # Mounted in-process the host is a name in `.invalid`, which nobody can point anywhere.
    is_here = request.client is not None and is_loopback(request.client.host)
    if not (is_here and (is_loopback(asked_for) or asked_for.endswith(".invalid"))):
        raise ApiError(403, f"{PATH} is for this machine only.")


async def _declared_in(request: Request) -> Declared:
    try:
        return read_faults(json.loads(await bodies.read_body(request, MAX_JSON_BYTES)))
    except (ValueError, RecursionError) as error:
        raise invalid(f"Invalid faults: {error}") from error


def _use(plan: FaultPlan, store: FileStore, declared: Declared) -> None:
    plan.replace(declared.faults, declared.seed)
    store.indexing_delay_s = declared.indexing_delay_s
