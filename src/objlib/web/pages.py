"""The pages for reading: search, a passage in its text, the files, one file, what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from objlib.errors import ConfigurationError
from objlib.service.files import folders_below
from objlib.service.hits import Answered
from objlib.service.passages import locate
from objlib.service.texts import Original, original_of, text_of
from objlib.web.desk import Desk
from objlib.web.marking import marked_answer, marked_words
from objlib.web.rendering import address, respond

PAGE = 100
#: Characters of a text that are shown around a passage; one can go on from there.
WINDOW = 12_000
#: Characters of a passage that an address carries: enough to find it.
PASSAGE_CHARS = 600
QUESTION_CHARS_MAX = 2_000
#: Values of a facet that are offered, and facets.
VALUES, FACETS = 8, 6
FAILURE_GROUPS, FAILURE_PATHS = 50, 20


def desk_of(request: Request) -> Desk:
    """Return what the pages share."""
    desk: Desk = request.app.state.desk
    return desk


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of the metadata as a link: with it, or without it where it is chosen."""

    value: str
    files: int
    is_chosen: bool
    address: str


async def search(request: Request) -> Response:
    """`GET /?q=…&f=key:value`: the question, the answer, its passages, and facets as links."""
    desk = desk_of(request)
    question = " ".join(request.query_params.get("q", "").split())
    if len(question) > QUESTION_CHARS_MAX:
        raise ConfigurationError(
            f"that question has {len(question):,} characters; ask in {QUESTION_CHARS_MAX:,} or less"
        )
    chosen = request.query_params.getlist("f")
    by_key = await desk.answers.facets()
    wanted = [
        facet
        for facets in by_key.values()
        for facet in facets
        if f"{facet.key}:{facet.value}" in chosen
    ]
    answered = await desk.answers.answer(question, wanted) if question else None
    facets = {
        key: [
            Choice(
                str(facet.value),
                facet.files,
                name in chosen,
                address("/", q=question, f=_toggled(chosen, name)),
            )
            for facet in values[:VALUES]
            for name in (f"{key}:{facet.value}",)
        ]
        for key, values in list(by_key.items())[:FACETS]
        if len(values) > 1 or any(f"{key}:{value.value}" in chosen for value in values)
    }
    record: dict[str, object] = {
        "question": question,
        "filters": chosen,
        "facets": facets,
    }
    if answered is not None:
        record |= {
            "answer": answered.result.cited_answer,
            "outcome": answered.result.outcome,
            "hits": [_hit_record(answered, number) for number in range(len(answered.hits))],
        }
    return respond(
        request,
        "search.html",
        record,
        answered=answered,
        status_of_library=await desk.library.status(),
        marked_answer=marked_answer,
        marked=marked_words,
        passage_address=passage_address,
    )


def _toggled(chosen: list[str], name: str) -> list[str]:
    return [one for one in chosen if one != name] if name in chosen else [*chosen, name]


def passage_address(answered: Answered, number: int) -> str | None:
    """Return the address of the passage of a hit, counted from 0, or None without a file."""
    hit = answered.hits[number]
    if hit.key is None:
        return None
    return address(
        f"/passage/{quote(hit.key, safe='')}",
        text=hit.citation.text[:PASSAGE_CHARS],
        page=hit.citation.page,
        q=answered.question,
        n=number + 1,
    )


def _hit_record(answered: Answered, number: int) -> dict[str, object]:
    hit = answered.hits[number]
    return {
        "id": hit.key,
        "path": hit.citation.path,
        "title": hit.citation.title,
        "part": hit.citation.part,
        "page": hit.citation.page,
        "text": hit.citation.text,
        "metadata": hit.citation.metadata,
        "state": None if hit.record is None else hit.record.gemini_state,
        "has_changed": hit.has_changed,
        "proven_at": hit.proven_at,
        "url": passage_address(answered, number),
    }


async def passage(request: Request) -> Response:
    """`GET /passage/{key}?text=…`: the text of a file, with the passage marked in it."""
    desk = desk_of(request)
    key, wanted = request.path_params["key"], request.query_params.get("text", "")
    found = await text_of(desk.library.catalog, desk.library.settings, key)
    place = await asyncio.to_thread(locate, found.text, wanted)
    begin = _number(request, "from", max(0, place.start - WINDOW // 3) if place else 0)
    begin = max(0, min(begin, max(0, len(found.text) - 1)))
    if begin:
        # At the beginning of a line, where one is near.
        begin = found.text.rfind("\n", max(0, begin - WINDOW // 6), begin) + 1 or begin
    end = min(len(found.text), begin + WINDOW)
    inside = place is not None and place.start < end and place.end > begin
    start = max(place.start, begin) if place and inside else end
    stop = min(place.end, end) if place and inside else end
    page = found.page_at(place.start) if place else _number(request, "page", 0) or None
    record = {
        "id": key,
        "file": found.file,
        "part": found.part,
        "title": str(found.record.metadata.get("title") or found.file),
        "has_changed": found.has_changed,
        "is_located": place is not None,
        "share": place.share if place else 0.0,
        "page": page,
        "from": begin,
        "to": end,
        "length": len(found.text),
        "before": found.text[begin:start],
        "hit": found.text[start:stop],
        "after": found.text[stop:end],
    }
    return respond(
        request,
        "passage.html",
        record,
        asked_for=bool(wanted.strip()),
        earlier=_window(request, begin - WINDOW) if begin else None,
        later=_window(request, end) if end < len(found.text) else None,
        original=address(f"/original/{quote(key, safe='')}") + (f"#page={page}" if page else ""),
        is_pdf=found.record.mime_type == "application/pdf",
        file_title=str(found.record.metadata.get("title") or found.file),
        question=request.query_params.get("q", ""),
        neighbours=await _neighbours(desk, request),
    )


async def _neighbours(desk: Desk, request: Request) -> dict[str, str | None]:
    """Return the addresses of the hits before and after, of an answer that is still at hand."""
    question, number = request.query_params.get("q", ""), _number(request, "n", 0)
    if not question or not number:
        return {"previous": None, "following": None}
    answered = await desk.answers.at_hand(question)
    if answered is None:
        return {"previous": None, "following": None}
    places = range(len(answered.hits))
    before = [passage_address(answered, one) for one in places if one < number - 1]
    after = [passage_address(answered, one) for one in places if one > number - 1]
    return {
        "previous": next((one for one in reversed(before) if one), None),
        "following": next((one for one in after if one), None),
    }


def _window(request: Request, begin: int) -> str:
    query = {name: value for name, value in request.query_params.items() if name != "from"}
    return address(request.url.path, **query, **{"from": max(0, begin)})


def _number(request: Request, name: str, otherwise: int) -> int:
    said = request.query_params.get(name, "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 12 else otherwise


async def original(request: Request) -> Response:
    """`GET /original/{key}`: the file itself; shown where nothing in it can run, else saved."""
    desk = desk_of(request)
    found = await original_of(
        desk.library.catalog, desk.library.settings, request.path_params["key"]
    )
    shown = "inline" if found.is_shown else "attachment"
    media_type = found.mime_type if found.is_shown else "application/octet-stream"
    if media_type.startswith("text/"):
        media_type = "text/plain; charset=utf-8"
    headers = {
        "Content-Disposition": f"{shown}; filename*=UTF-8''{quote(found.name, safe='')}",
        "Content-Length": str(found.size_bytes),
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if media_type == "application/pdf":  # the browser's own reader does not start in a sandbox
        headers["Content-Security-Policy"] = "default-src 'none'; object-src 'self'"
    return StreamingResponse(_pieces(found), headers=headers, media_type=media_type)


async def _pieces(found: Original) -> AsyncIterator[bytes]:
    left = found.size_bytes
    with found.content as content:
        while left > 0 and (piece := await asyncio.to_thread(content.read, min(left, 1 << 18))):
            left -= len(piece)
            yield piece


async def files(request: Request) -> Response:
    """`GET /files?in=folder/&state=…&after=…`: folders, files and their states, 100 a page."""
    desk, query = desk_of(request), request.query_params
    folder, state, after = query.get("in", ""), query.get("state"), query.get("after")
    if state is not None and state not in (
        "indexed",
        "processing",
        "uploading",
        "untracked",
        "failed",
    ):
        raise ConfigurationError(f"there is no state {state!r}")
    page = await desk.library.files(beginning=folder, state=state, after=after, size=PAGE)
    folders = await folders_below(desk.library.catalog, folder) if not after and not state else []
    record = {
        "in": folder,
        "state": state,
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
        "next": page.next_after
        and address("/files", **{"in": folder, "state": state, "after": page.next_after}),
    }
    crumbs = [""] + [folder[: at + 1] for at, char in enumerate(folder) if char == "/"]
    return respond(
        request,
        "files.html",
        record,
        rows=page.files,
        record_in=folder,
        crumbs=crumbs,
        status_of_library=await desk.library.status(),
    )


async def file(request: Request) -> Response:
    """`GET /file?path=…`: one file, its metadata, its moves, and what to do where it is not in."""
    desk = desk_of(request)
    path = request.query_params.get("path", "")
    history = await desk.library.history(path)
    problem, described = None, None
    try:
        described = await desk.library.metadata(path)
    except ConfigurationError as error:  # it is gone, or is not sent at all: that is said
        problem = str(error)
    record = {"file": history.file, "trails": history.trails, "metadata": described}
    return respond(request, "file.html", record, history=history, problem=problem)


async def failures(request: Request) -> Response:
    """`GET /failures`: what is not searchable, by reason, with the remedy."""
    found = await desk_of(request).library.failures()
    groups = []
    async for group in found.groups(FAILURE_GROUPS):
        paths = [path async for page in found.pages(group, FAILURE_PATHS) for path in page]
        groups.append(
            {
                "kind": group.kind,
                "reason": group.reason,
                "files": group.files,
                "remedy": group.remedy,
                "paths": paths,
            }
        )
    return respond(request, "failures.html", {"reasons": found.reasons, "groups": groups})


async def health(request: Request) -> Response:
    """`GET /health`: the state of all in one word, and the figures behind it."""
    desk = desk_of(request)
    status = await desk.library.status()
    record = {"state": state_in_a_word(status.states, status.unread), "status": status}
    return respond(request, "health.html", record)


def state_in_a_word(states: Mapping[str, Mapping[str, int]], unread: int) -> str:
    """Return `searchable`, `waiting`, `working`, `trouble` or `empty`."""
    files = {name: tally["files"] for name, tally in states.items()}
    if files["uploading"] or files["processing"]:
        return "working"
    if files["failed"] or unread:
        return "trouble"
    if files["untracked"]:
        return "waiting"
    return "searchable" if files["indexed"] else "empty"
