"""File search stores."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from objlib.filestore import bodies, resources
from objlib.filestore.paging import DOCUMENTS_PAGE, page, paging
from objlib.filestore.storage import DEFAULT_EMBEDDING_MODEL, STORE_COLUMNS, FileStore
from objlib.filestore.wire import CREATE_STORE, MAX_JSON_BYTES, boolean, parse_json


class Stores:
    """The handlers of stores."""

    def __init__(self, store: FileStore) -> None:
        self._store = store

    async def create(self, request: Request) -> Response:
        """A new store."""
        wanted = parse_json(await bodies.read_body(request, MAX_JSON_BYTES), CREATE_STORE)
        identifier = self._store.create_store(
            wanted.get("displayName", ""),
            wanted.get("embeddingModel") or DEFAULT_EMBEDDING_MODEL,
        )
        return JSONResponse(self._json(self._store.store_row(identifier)))

    async def get(self, request: Request) -> Response:
        """A store and its counters."""
        return JSONResponse(self._json(self._store.store_row(request.path_params["store"])))

    async def list(self, request: Request) -> Response:
        """A page of stores."""
        size, after = paging(request, *DOCUMENTS_PAGE)
        rows = self._store.all(
            f"SELECT {STORE_COLUMNS} FROM stores WHERE position > :after"
            " ORDER BY position LIMIT :limit",
            after=after,
            limit=size + 1,
        )
        items = [self._json(row) for row in rows]
        return page("fileSearchStores", items, [row[0] for row in rows], size)

    async def delete(self, request: Request) -> Response:
        """Delete a store."""
        self._store.delete_store(
            request.path_params["store"], force=boolean(request.query_params.get("force"))
        )
        return JSONResponse({})

    def _json(self, row: tuple[Any, ...]) -> dict[str, Any]:
        return resources.store(row, self._store.store_counters(row[1]))
