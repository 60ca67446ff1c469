"""Lists, a page at a time. A token is a position to go on after, so that deletes shift nothing."""

from __future__ import annotations

import base64
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from objlib.filestore.wire import invalid

#: (default, largest) page size.
DOCUMENTS_PAGE, FILES_PAGE, MODELS_PAGE = (10, 20), (10, 100), (50, 1000)

_PAGE_SIZE = re.compile(r"[0-9]{1,9}")
_TOKEN = re.compile(r"p[0-9]{1,18}")


def paging(request: Request, default: int, largest: int) -> tuple[int, int]:
    """(page size, position after which to go on). A size above the largest is brought down."""
    query = request.query_params
    text = query.get("pageSize") or query.get("page_size") or "0"
    if not _PAGE_SIZE.fullmatch(text):
        raise invalid(f"pageSize must be a number that is not negative, not {text!r}.", "pageSize")
    return min(int(text) or default, largest), _position(
        query.get("pageToken") or query.get("page_token") or ""
    )


def page(name: str, items: list[dict[str, Any]], positions: list[int], size: int) -> Response:
    """A page of `size` items; one item more than that means that there is a next page."""
    body: dict[str, Any] = {name: items[:size]} if items else {}
    if len(items) > size:
        body["nextPageToken"] = _token(positions[size - 1])
    return JSONResponse(body)


def empty_page(request: Request) -> Response:
    """A page without items and with a token that leads on from the same place."""
    token = request.query_params.get("pageToken") or _token(0)
    return JSONResponse({"nextPageToken": token})


def _token(position: int) -> str:
    return base64.urlsafe_b64encode(f"p{position}".encode("ascii")).decode("ascii")


def _position(token: str) -> int:
    if not token:
        return 0
    try:
        decoded = base64.urlsafe_b64decode(token.encode("ascii")).decode("ascii")
    except ValueError:
        decoded = ""
    if not _TOKEN.fullmatch(decoded):
        raise invalid("The page token is not valid.", "pageToken")
    return int(decoded[1:])
