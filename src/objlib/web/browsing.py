"""The pages of the files: folders and facets, a hundred files at a time, and one file."""

from __future__ import annotations

import asyncio
import itertools

from starlette.requests import Request
from starlette.responses import Response

from objlib import FileRecord
from objlib.errors import ConfigurationError
from objlib.service.counts import SKIPPED, Selection
from objlib.service.files import FOLDERS_MAX, folders_below
from objlib.service.hits import known_of
from objlib.web.choosing import groups_of, said_by
from objlib.web.desk import desk_of
from objlib.web.rendering import address, respond
from objlib.web.words import STATES

PAGE = 100
PATH_CHARS_MAX = 4_096
#: Folders that are shown before somebody asks for more.
FOLDERS_SHOWN = 60
#: Seconds that a page waits for counts; after that it shows without them, or with older ones.
COUNT_S = 0.15


async def files(request: Request) -> Response:
    """`GET /files?in=folder/&state=…&f=key:value&after=…`: folders, states, facets, 100 files."""
    desk, query = desk_of(request), request.query_params
    folder, state, after = query.get("in", ""), query.get("state"), query.get("after")
    if state is not None and state not in (*STATES, SKIPPED):
        raise ConfigurationError(f"there is no state {state!r}")
    chosen = Selection.of(folder, state, query.getlist("f"))
    said = said_by(chosen)
    page = await desk.library.files(
        beginning=folder, state=state, values=said, after=after, size=PAGE
    )
    counts = desk.opened.counts
    tallies, values = await asyncio.gather(
        counts.tallies.at(chosen, COUNT_S), counts.values.at(chosen, COUNT_S)
    )
    files_in = {} if tallies is None else tallies.value.folders
    folders = [] if after else list(files_in)
    if tallies is None and not after:
        folders = await folders_below(desk.library.catalog, folder)

    def here(said: list[str] | None = None, more: str | None = None, **other: object) -> str:
        query = {"in": folder, "state": state, "f": chosen_said if said is None else said}
        return address("/files", **{**query, "more": more, **other})

    chosen_said = said
    record = {
        "in": folder,
        "state": state,
        "filters": said,
        "folders": folders,
        "files": [
            {
                "id": one.upload_key,
                "path": one.file_path,
                "state": one.gemini_state,
                "size_bytes": one.file_size,
                "reason": one.skip_reason or one.error_message,
            }
            for one in page.files
        ],
        "counts": None
        if tallies is None
        else {"states": tallies.value.states, "folders": files_in, "age_s": int(tallies.age_s)},
        "facets": None
        if values is None
        else {
            key: {str(one.value): one.files for one in some.named}
            for key, some in values.value.items()
        },
        "next": page.next_after and here(after=page.next_after),
    }
    return respond(
        request,
        "files.html",
        record,
        rows_by_folder=[
            (beginning, list(some))
            for beginning, some in itertools.groupby(
                page.files, lambda row: _folder_of(row, folder)
            )
        ],
        is_first=not after,
        here=here,
        tallies=tallies,
        groups=groups_of(
            None if values is None else values.value,
            chosen,
            lambda said, more: here(list(said), more),
            query.get("more"),
        ),
        is_counted=values is not None,
        folders_max=FOLDERS_MAX,
        folders_shown=FOLDERS_MAX if query.get("more") == "/" else FOLDERS_SHOWN,
        crumbs=[""] + [folder[: at + 1] for at, char in enumerate(folder) if char == "/"],
    )


def _folder_of(row: FileRecord, above: str) -> str:
    """Return the folder of a file, with a closing slash; that above, where it begins in a name."""
    path, slash, _ = row.file_path.rpartition("/")
    return max(path + slash, above, key=len)


async def file(request: Request) -> Response:
    """`GET /file?path=…`: one file, its metadata, its moves, and what to do where it is not in."""
    desk = desk_of(request)
    path = request.query_params.get("path", "")
    if len(path) > PATH_CHARS_MAX:
        raise ConfigurationError(f"no file has a path of {len(path):,} characters")
    history = await desk.library.history(path)
    problem, described = None, None
    try:
        described = await desk.library.metadata(history.file)
    except ConfigurationError as error:  # it is gone, or is not sent at all: that is said
        problem = str(error)
    rows = [trail.record for trail in history.trails]
    proofs = {row.file_path: (await known_of(desk.library.catalog, row))[1] for row in rows}
    record = {
        "file": history.file,
        "trails": history.trails,
        "metadata": described,
        "proofs": proofs,
    }
    return respond(request, "file.html", record, history=history, problem=problem)
