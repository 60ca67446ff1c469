"""The pages for reading: search, a passage in its text, an original, what is missing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from objlib.errors import ConfigurationError
from objlib.service.counts import Selection, Values
from objlib.service.figures import Figure
from objlib.service.hits import Answered
from objlib.service.passages import locate
from objlib.service.texts import Original, original_of, text_of
from objlib.web.browsing import COUNT_S
from objlib.web.choosing import groups_of, said_by
from objlib.web.desk import Desk, desk_of
from objlib.web.marking import marked_answer, marked_words, unwrapped
from objlib.web.rendering import address, respond

#: Characters of a text that are shown around a passage; one can go on from there.
WINDOW = 12_000
#: Characters of a passage that an address carries: enough to find it.
PASSAGE_CHARS = 600
QUESTION_CHARS_MAX = 2_000
#: A key that a filter can name, and a number.
KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?")


async def search(request: Request) -> Response:
    """`GET /?q=…&f=key:value`: the question, the answer, its passages, and facets as links."""
    desk = desk_of(request)
    question = " ".join(request.query_params.get("q", "").split())
    if len(question) > QUESTION_CHARS_MAX:
        raise ConfigurationError(
            f"that question has {len(question):,} characters; ask in {QUESTION_CHARS_MAX:,} or less"
        )
    chosen = Selection.of("", "indexed", request.query_params.getlist("f"))
    said = said_by(chosen)
    values = await desk.opened.counts.values.at(chosen, COUNT_S)
    answered = None
    if question:
        answered = await desk.opened.answers.answer(question, _typed(chosen, values))
    groups = groups_of(
        {key: some for key, some in values.value.items() if KEY.fullmatch(key)} if values else None,
        chosen,
        lambda said, more: address("/", q=question, f=list(said), more=more),
        request.query_params.get("more"),
    )
    record: dict[str, object] = {
        "question": question,
        "filters": said,
        "facets": {group.key: group.choices for group in groups},
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
        groups=groups,
        is_counted=values is not None,
        figure=await desk.opened.counts.status.at(None, COUNT_S),
        marked_answer=marked_answer,
        marked=marked_words,
        unwrapped=unwrapped,
        passage_address=passage_address,
    )


def _typed(
    chosen: Selection, values: Figure[dict[str, Values]] | None
) -> dict[str, list[str | int | float]]:
    """Return the chosen values as the store has them: a number is another value than its text."""
    typed: dict[str, list[str | int | float]] = {}
    for key, said in chosen.values:
        if not KEY.fullmatch(key):
            raise ConfigurationError(f"there is no key {key!r}")
        known = values.value[key].named if values and key in values.value else ()
        as_known = {str(one.value): one.value for one in known}
        for value in said:
            both = [as_known[value]] if value in as_known else [value, *_as_number(value)]
            typed.setdefault(key, []).extend(both)
    return typed


def _as_number(value: str) -> list[int | float]:
    if not _NUMBER.fullmatch(value):
        return []
    return [float(value) if "." in value else int(value)]


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
        "place": hit.citation.place,
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
    opened = desk.opened
    found = await text_of(opened.library.catalog, desk.settings, key, opened.readings)
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
        "place": found.place_at(place.start) if place else None,
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
    answered = await desk.opened.answers.at_hand(question)
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
    found = await original_of(desk.library.catalog, desk.settings, request.path_params["key"])
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


async def failures(request: Request) -> Response:
    """`GET /failures`: what is not searchable, by reason, with the remedy."""
    figure = await desk_of(request).opened.counts.failures.at(None)
    assert figure is not None, "it was waited for"
    found = figure.value
    groups = [
        {
            "kind": group.kind,
            "reason": group.reason,
            "files": group.files,
            "remedy": group.remedy,
            "paths": paths,
        }
        for group, paths in found.groups
    ]
    record = {"reasons": found.reasons, "groups": groups}
    return respond(request, "failures.html", record, figure=figure)


async def health(request: Request) -> Response:
    """`GET /health`: the state of all in one word, and the figures behind it."""
    desk = desk_of(request)
    figure = await desk.opened.counts.status.at(None)
    assert figure is not None, "it was waited for"
    status = figure.value
    record = {"state": state_in_a_word(status.states, status.unread), "status": status}
    return respond(request, "health.html", record, figure=figure)


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
