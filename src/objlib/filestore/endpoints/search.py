"""Questions: generateContent with the fileSearch tool."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from objlib.filestore import answer, bodies, structured
from objlib.filestore.filters import FilterError, parse_filter
from objlib.filestore.limits import STORES_PER_QUERY_MAX
from objlib.filestore.models import check_generates
from objlib.filestore.retrieval import DEFAULT_TOP_K, TOP_K_MAX, Found, find
from objlib.filestore.storage import FileStore
from objlib.filestore.wire import GENERATE, MAX_JSON_BYTES, invalid, parse_json


class Search:
    """The handlers of questions."""

    def __init__(self, store: FileStore, form: answer.MetadataForm = "list") -> None:
        self._store = store
        self._form = form

    async def generate(self, request: Request) -> Response:
        """generateContent, and streamGenerateContent with its one answer in one event."""
        model = request.path_params["model"]
        method = request.url.path.rpartition(":")[2]
        check_generates(model, request.path_params["version"], method)
        wanted = parse_json(await bodies.read_body(request, MAX_JSON_BYTES), GENERATE)
        question = bodies.question(wanted)
        search = bodies.file_search(wanted)
        response_id = self._store.new_id()
        if search is None:
            body = answer.plain_response(question, model, response_id)
        else:
            found = await self.found(question, search)
            body = answer.response(question, model, response_id, found, form=self._form)
        schema = structured.schema_of_generation(wanted.get("generationConfig"))
        if schema is not None:
            structured.reshape(body, schema)
        if method != "streamGenerateContent":
            return JSONResponse(body)
        if request.query_params.get("alt") == "sse":
            text = f"data: {json.dumps(body)}\r\n\r\n"
            return Response(text, media_type="text/event-stream")
        return JSONResponse([body])

    async def found(self, question: str, search: dict[str, Any]) -> Found:
        """The best chunks for a question, as a fileSearch tool asks for them."""
        names = search.get("fileSearchStoreNames", [])
        if not names:
            raise invalid("fileSearchStoreNames must not be empty.", "fileSearchStoreNames")
        if len(names) > STORES_PER_QUERY_MAX:
            raise invalid(
                f"At most {STORES_PER_QUERY_MAX} file search stores can be searched at once.",
                "fileSearchStoreNames",
            )
        ids = [name.removeprefix("fileSearchStores/") for name in names]
        for identifier in ids:
            self._store.store_row(identifier)
        top_k = search.get("topK", DEFAULT_TOP_K)
        if not 1 <= top_k <= TOP_K_MAX:
            raise invalid(f"topK must be between 1 and {TOP_K_MAX}, not {top_k}.", "topK")
        try:
            accepts = parse_filter(text) if (text := search.get("metadataFilter")) else None
        except FilterError as error:
            raise invalid(f"Invalid metadata filter: {error}.", "metadataFilter") from error
        return await find(self._store, question, store_ids=ids, top_k=top_k, accepts=accepts)
