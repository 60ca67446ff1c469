"""The server: which tools and resources there are, and how calls, answers and errors travel.

It is made of the low level of the SDK, so that what a tool gives is written once: the structured
answer, and the same as JSON text for clients that read no other.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from pydantic import BaseModel, ValidationError

from mcp import types
from objlib import __version__
from objlib.errors import ObjlibError
from objlib.mcp import resources, rounds, shapes, tools
from objlib.mcp.desk import Desk
from objlib.mcp.quoting import WARNING, clean, one_line
from objlib.mcp.rounds import Told


@dataclass(frozen=True, slots=True)
class Plug:
    """A tool: its name, what it takes and gives, and what it does."""

    name: str
    title: str
    description: str
    taken: type[BaseModel]
    given: type[BaseModel]
    call: Callable[[Desk, Any, Told], Awaitable[BaseModel]]
    writes: bool = False

    def declared(self) -> types.Tool:
        """Return the tool as clients are told of it."""
        return types.Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=self.taken.model_json_schema(),
            output_schema=self.given.model_json_schema(),
            annotations=types.ToolAnnotations(
                title=self.title,
                read_only_hint=not self.writes,
                destructive_hint=self.name == "sync",
                idempotent_hint=True,
                open_world_hint=False,
            ),
        )


def _looking(
    look: Callable[[Desk, Any], Awaitable[BaseModel]],
) -> Callable[[Desk, Any, Told], Awaitable[BaseModel]]:
    async def call(desk: Desk, taken: Any, _tell: Told) -> BaseModel:
        return await look(desk, taken)

    return call


LOOKING = (
    Plug(
        "search",
        "Search the library",
        "Find passages in the user's own library of lectures, books and notes, by meaning and by"
        " words: up to ten, of 400 characters, each with the id of its file for `fetch`. Cite the"
        f" title and the url. {WARNING}",
        shapes.SearchTaken,
        shapes.SearchGiven,
        _looking(tools.search),
    ),
    Plug(
        "fetch",
        "Read a file",
        "Read the text of a file of the library, 16,000 characters at a time; `next_offset` goes"
        f" on. It says when the file has changed since it was indexed. {WARNING}",
        shapes.FetchTaken,
        shapes.FetchGiven,
        _looking(tools.fetch),
    ),
    Plug(
        "ask",
        "Ask the library",
        "Ask the model that reads the library; [n] in the answer names the source of a statement,"
        f" and what has no number is backed by no file. {WARNING}",
        shapes.AskTaken,
        shapes.AskGiven,
        _looking(tools.ask),
    ),
    Plug(
        "list_files",
        "List files",
        "List the files in a folder of the library and below it, 100 a page, with the state of"
        f" each; and the folders right in it. {WARNING}",
        shapes.ListTaken,
        shapes.ListGiven,
        _looking(tools.list_files),
    ),
    Plug(
        "file_status",
        "Look at a file",
        "Tell whether one file can be searched, since when, why not, and how it came there."
        f" {WARNING}",
        shapes.FileTaken,
        shapes.FileGiven,
        _looking(tools.file_status),
    ),
    Plug(
        "library_status",
        "Look at the library",
        "Tell how many files can be searched, what waits or failed, where the store is, and what"
        " to do next.",
        shapes.NothingTaken,
        shapes.StatusGiven,
        _looking(tools.library_status),
    ),
)
WRITING = (
    Plug(
        "plan_sync",
        "Plan a sync",
        "Look at the folder, and tell what a sync would send and delete and what it would cost."
        " Nothing is sent. Show the plan to the user before `sync`.",
        shapes.NothingTaken,
        shapes.PlanGiven,
        rounds.plan_sync,
        writes=True,
    ),
    Plug(
        "sync",
        "Sync the library",
        "Do what a plan of `plan_sync` says: send new and changed files, and delete from the store"
        " what is gone from the folder. Only after the user has agreed to it. Tells progress.",
        shapes.SyncTaken,
        shapes.SyncGiven,
        rounds.sync,
        writes=True,
    ),
)


def create_server(desk: Desk) -> Server[Any]:
    """Return the server of a library."""
    plugs = {plug.name: plug for plug in (*LOOKING, *(WRITING if desk.may_write else ()))}
    declared = [plug.declared() for plug in plugs.values()]

    async def list_tools(
        _context: ServerRequestContext[Any, Any], _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=declared)

    async def call_tool(
        context: ServerRequestContext[Any, Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        plug = plugs.get(params.name)
        if plug is None:
            known = ", ".join(plugs)
            return _problem(f"there is no tool {one_line(params.name)!r}; there are {known}")
        try:
            taken = plug.taken.model_validate(_cleaned(params.arguments or {}))
            given = await plug.call(desk, taken, context.session.report_progress)
        except ValidationError as error:
            return _problem(_mistakes(error))
        except ObjlibError as error:
            await desk.forget_after(error)
            return _problem(desk.sentence(error))
        except Exception as error:
            return _problem(desk.sentence(error))
        return _answer(given)

    return Server(
        "objlib",
        version=__version__,
        title="objlib",
        instructions=(
            "The user's own library. `search` finds passages, `fetch` reads the file around one,"
            f" `ask` gives an answer with sources. {WARNING}"
        ),
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=partial(resources.listed, desk),
        on_list_resource_templates=resources.templates,
        on_read_resource=partial(resources.read, desk),
    )


def _answer(given: BaseModel) -> types.CallToolResult:
    """Return what a tool gives: structured, as the same in JSON, and its files as links."""
    structured = given.model_dump(mode="json")
    said = json.dumps(structured, ensure_ascii=False)
    content: list[types.ContentBlock] = [types.TextContent(type="text", text=said)]
    named = {
        one["uri"]: one
        for one in (structured, *structured.get("results", ()), *structured.get("sources", ()))
        if one.get("uri")
    }
    content += [
        types.ResourceLink(
            uri=uri, name=one_line(one["path"]), title=one["title"], mime_type="text/plain"
        )
        for uri, one in named.items()
    ]
    return types.CallToolResult(content=content, structured_content=structured)


def _problem(sentence: str) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=sentence)], is_error=True
    )


def _mistakes(error: ValidationError) -> str:
    """Return what is wrong with the arguments of a call, in one line."""
    said = [
        f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg'][:1].lower()}{one['msg'][1:]}"
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return one_line("; ".join(said[:5]), 500)


def _cleaned(value: Any) -> Any:
    """Return arguments in which every text can be written to a catalog."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): _cleaned(one) for key, one in value.items()}
    return [_cleaned(one) for one in value] if isinstance(value, list) else value
