"""The files of a library as resources: `objlib://file/{id}`, and its later parts by an offset."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS

from mcp import types
from objlib import FilePage
from objlib.errors import ObjlibError
from objlib.mcp import shapes, tools
from objlib.mcp.desk import URI, Desk, Unanswerable, uri_of
from objlib.mcp.quoting import WARNING, clean, one_line

T = TypeVar("T")


async def listed(
    desk: Desk,
    _context: ServerRequestContext[Any, Any],
    params: types.PaginatedRequestParams | None,
) -> types.ListResourcesResult:
    """Return a page of the files that can be searched."""
    cursor = clean(params.cursor) if params is not None and params.cursor else None

    async def page_of() -> FilePage:
        library = (await desk.at()).library
        return await library.files(state="indexed", after=cursor, size=tools.PAGE_FILES)

    page = await _or_refused(desk, page_of)
    return types.ListResourcesResult(
        resources=[
            types.Resource(
                uri=uri_of(one.upload_key), name=one_line(one.file_path), mime_type="text/plain"
            )
            for one in page.files
            if one.upload_key is not None
        ],
        next_cursor=page.next_after,
    )


async def templates(
    _context: ServerRequestContext[Any, Any], _params: types.PaginatedRequestParams | None
) -> types.ListResourceTemplatesResult:
    """Return the one form of the names of files."""
    return types.ListResourceTemplatesResult(
        resource_templates=[
            types.ResourceTemplate(
                uri_template=URI + "{id}{?offset}",
                name="file",
                title="A file of the library",
                description=f"16,000 characters of its text, from an offset. {WARNING}",
                mime_type="text/plain",
            )
        ]
    )


async def read(
    desk: Desk, _context: ServerRequestContext[Any, Any], params: types.ReadResourceRequestParams
) -> types.ReadResourceResult:
    """Return a piece of the text of a file."""

    async def fetched() -> shapes.FetchGiven:
        return await tools.fetch(desk, _taken(params.uri))

    given = await _or_refused(desk, fetched)
    text = f"{given.note}\n{given.text}" if given.note else given.text
    if given.next_offset is not None:
        text += f"\nIt goes on: {uri_of(given.id)}?offset={given.next_offset}"
    return types.ReadResourceResult(
        contents=[types.TextResourceContents(uri=params.uri, mime_type="text/plain", text=text)]
    )


def _taken(uri: str) -> shapes.FetchTaken:
    """Return what the name of a resource asks for."""
    name, _, query = clean(uri).partition("?")
    offset = parse_qs(query).get("offset", ["0"])[-1]
    is_number = offset.isascii() and offset.isdigit() and len(offset) < 12
    key = unquote(name.removeprefix(URI))
    if not name.startswith(URI) or not key or not is_number:
        raise Unanswerable(f"{one_line(uri)!r} names no file; it should begin with {URI}")
    return shapes.FetchTaken.model_construct(id=key, offset=int(offset))


async def _or_refused(desk: Desk, work: Callable[[], Awaitable[T]]) -> T:
    """Return what the work returns; an error becomes one of the protocol."""
    try:
        return await work()
    except ObjlibError as error:
        await desk.forget_after(error)
        raise MCPError(INVALID_PARAMS, desk.sentence(error)) from None
    except Exception as error:
        raise MCPError(types.INTERNAL_ERROR, desk.sentence(error)) from None
