"""The ASGI app: which handler answers which route.

Mounted in-process by an ASGI transport or served by uvicorn; either way no lifespan event is
needed. Speaks `v1`, `v1beta` and `v1alpha` alike. Facts: the Gemini API reference (v1beta).
"""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from objlib.filestore.answer import MetadataForm
from objlib.filestore.debug import debug_routes
from objlib.filestore.endpoints import models
from objlib.filestore.endpoints.documents import IMPORT, Documents
from objlib.filestore.endpoints.files import FILE, Files
from objlib.filestore.endpoints.interactions import Interactions
from objlib.filestore.endpoints.search import Search
from objlib.filestore.endpoints.stores import Stores
from objlib.filestore.endpoints.uploads import PLAIN_STORE_UPLOAD, STORE_UPLOAD, Uploads
from objlib.filestore.faults import FaultPlan
from objlib.filestore.gate import Gate, Handler, Sleep, json_error
from objlib.filestore.storage import FileStore
from objlib.filestore.wire import ApiError


def create_app(
    store: FileStore,
    *,
    api_key: str | None = None,
    faults: FaultPlan | None = None,
    sleep: Sleep = asyncio.sleep,
    citation_metadata: MetadataForm | None = None,
) -> Starlette:
    """The ASGI app over an open store.

    Args:
        api_key: the only key accepted; None accepts any and none.
        faults: trouble on purpose, on the store's clock; None for none. With a plan, requests from
            this machine may look at it and change it at `/debug/faults`.
        sleep: how latency waits.
        citation_metadata: its form in citations; None for a list in generateContent and a map in
            interactions.

    `app.state.requests` counts what came in, by "METHOD template".
    """
    plan = faults if faults is not None else FaultPlan(())
    plan.use_clock(store.clock)
    gate = Gate(api_key, plan, sleep)
    routes = [
        Route(template, gate.endpoint(f"{method} {template}", handler), methods=[method])
        for method, template, handler in _table(store, plan, citation_metadata)
    ]
    if faults is not None:
        routes = [*debug_routes(faults, store), *routes]
    app = Starlette(routes=routes, exception_handlers={404: _no_route, 405: _no_route})
    app.router.redirect_slashes = False
    app.state.requests = gate.requests
    return app


async def _no_route(request: Request, _error: Exception) -> Response:
    return json_error(ApiError(404, f"Not found: {request.method} {request.url.path}"))


def _table(
    store: FileStore, faults: FaultPlan, form: MetadataForm | None
) -> list[tuple[str, str, Handler]]:
    """(method, template, handler); the more special template first."""
    files, stores = Files(store, faults), Stores(store)
    documents, uploads = Documents(store, faults), Uploads(store, faults)
    search = Search(store, form or "list")
    interactions = Interactions(store, search, form or "map")
    every = "/{version}/fileSearchStores"
    one, model = every + "/{store}", "/{version}/models/{model}"
    return [
        ("POST", "/upload/{version}/files", uploads.upload),
        ("POST", STORE_UPLOAD, uploads.upload),
        ("POST", PLAIN_STORE_UPLOAD, uploads.upload),
        ("GET", "/{version}/files", files.list),
        ("GET", FILE, files.get),
        ("DELETE", FILE, files.delete),
        ("GET", every, stores.list),
        ("POST", every, stores.create),
        ("POST", IMPORT, documents.import_file),
        ("GET", one + "/documents", documents.list),
        ("GET", one + "/documents/{document}", documents.get),
        ("DELETE", one + "/documents/{document}", documents.delete),
        ("GET", one + "/media/{media}", documents.get_media),
        ("GET", one + "/operations/{operation}", documents.get_operation),
        ("GET", one + "/upload/operations/{operation}", documents.get_operation),
        ("GET", one, stores.get),
        ("DELETE", one, stores.delete),
        ("POST", "/{version}/interactions", interactions.create),
        ("GET", "/{version}/interactions/{interaction}", interactions.get),
        ("DELETE", "/{version}/interactions/{interaction}", interactions.delete),
        ("GET", "/{version}/models", models.list_models),
        ("POST", model + ":generateContent", search.generate),
        ("POST", model + ":streamGenerateContent", search.generate),
        ("POST", model + ":countTokens", models.count_tokens),
        ("POST", model + ":embedContent", models.embed),
        ("POST", model + ":batchEmbedContents", models.batch_embed),
        ("GET", model, models.get_model),
    ]
