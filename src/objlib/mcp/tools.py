"""The six tools that look, each a function of what it takes. Nothing is written."""

from __future__ import annotations

import re
from collections.abc import Mapping

from objlib import FileRecord
from objlib.errors import ConfigurationError
from objlib.mcp.desk import Desk, Unanswerable, uri_of
from objlib.mcp.quoting import Quotation, clean, one_line
from objlib.mcp.shapes import (
    AskGiven,
    AskTaken,
    FetchGiven,
    FetchTaken,
    FileGiven,
    FileTaken,
    Listed,
    ListGiven,
    ListTaken,
    Move,
    NothingTaken,
    SearchGiven,
    SearchHit,
    SearchTaken,
    Source,
    StatusGiven,
)
from objlib.service import servers
from objlib.service.files import folders_below, title
from objlib.service.hits import Hit, known_of
from objlib.service.states import state_of
from objlib.service.texts import FileText, row_of, text_of

RESULTS = 10
PASSAGE_CHARS = 400
FETCH_CHARS = 16_000
PAGE_FILES = 100
MOVES = 20
_KEY = re.compile(r"[a-z0-9]{1,40}")


async def search(desk: Desk, taken: SearchTaken) -> SearchGiven:
    """Return the passages that answer best, with the files they are from."""
    question = taken.query.strip()
    if not question:
        raise Unanswerable("the question is empty")
    opened = await desk.at()
    answered = await opened.answers.answer(
        question, metadata_filter=taken.filter or None, top_k=RESULTS
    )
    quoted = Quotation()
    ours = [hit for hit in answered.hits if hit.key is not None]
    return SearchGiven(
        results=[_hit(desk, hit, quoted) for hit in ours[:RESULTS]],
        elsewhere=len(answered.hits) - len(ours),
    )


def _hit(desk: Desk, hit: Hit, quoted: Quotation) -> SearchHit:
    cited, key = hit.citation, hit.key or ""
    text = cited.text
    shown = text if len(text) <= PASSAGE_CHARS else f"{text[: PASSAGE_CHARS - 1]}…"
    return SearchHit(
        id=key,
        title=one_line(cited.title),
        url=desk.address(key, text, cited.page),
        uri=uri_of(key),
        path=clean(cited.path or ""),
        text=quoted(shown),
        page=cited.page,
        place=None if cited.place is None else one_line(cited.place),
        part=cited.part,
        has_changed=hit.has_changed,
        proven_at=hit.proven_at,
    )


async def ask(desk: Desk, taken: AskTaken) -> AskGiven:
    """Return the answer of the model that reads the store, with numbered sources."""
    question = taken.question.strip()
    if not question:
        raise Unanswerable("the question is empty")
    opened = await desk.at()
    answered = await opened.answers.answer(question, metadata_filter=taken.filter or None)
    return AskGiven(
        answer=Quotation()(answered.result.cited_answer),
        is_backed=answered.result.is_backed,
        sources=[_source(desk, number, hit) for number, hit in enumerate(answered.hits, start=1)],
    )


def _source(desk: Desk, number: int, hit: Hit) -> Source:
    cited, key = hit.citation, hit.key
    return Source(
        number=number,
        id=key,
        title=one_line(cited.title),
        url=None if key is None else desk.address(key, cited.text, cited.page),
        uri=None if key is None else uri_of(key),
        path=None if cited.path is None else clean(cited.path),
        page=cited.page,
        place=None if cited.place is None else one_line(cited.place),
        has_changed=hit.has_changed,
    )


async def fetch(desk: Desk, taken: FetchTaken) -> FetchGiven:
    """Return a piece of the text of a file, and where it goes on."""
    opened = await desk.at()
    library = opened.library
    found = await text_of(library.catalog, library.settings, taken.id, opened.readings)
    length, row = len(found.text), found.record
    if taken.offset and taken.offset >= length:
        raise Unanswerable(
            f"offset {taken.offset} is beyond the end: the text has {length:,} characters"
        )
    end = min(length, taken.offset + FETCH_CHARS)
    return FetchGiven(
        id=taken.id,
        title=title_of(row),
        text=Quotation()(found.text[taken.offset : end]),
        url=desk.address(taken.id),
        metadata=described(row),
        uri=uri_of(taken.id),
        path=clean(found.file),
        part=found.part,
        version=row.content_hash or "",
        indexed_at=row.upload_timestamp,
        has_changed=found.has_changed,
        note=_note(found),
        offset=taken.offset,
        length=length,
        next_offset=end if end < length else None,
    )


def _note(found: FileText) -> str | None:
    if not found.has_changed:
        return None
    if found.record.gemini_state.value != "indexed":
        return "This version of the file is not in the store yet: search may quote an older one."
    return "The file has changed since it was indexed: this text is newer than what search quotes."


def title_of(row: FileRecord) -> str:
    """Return the title of a file, or its path."""
    return one_line(str(row.metadata.get("title") or title(row.file_path)))


def described(row: FileRecord) -> dict[str, str | int | float | list[str]]:
    """Return the metadata of a file, cleaned."""

    def cleaned(value: str | int | float | list[str]) -> str | int | float | list[str]:
        if isinstance(value, list):
            return [one_line(one) for one in value]
        return one_line(value) if isinstance(value, str) else value

    return {one_line(key): cleaned(value) for key, value in row.metadata.items()}


async def list_files(desk: Desk, taken: ListTaken) -> ListGiven:
    """Return a page of the files in a folder and below it, and the folders right in it."""
    library = (await desk.at()).library
    folder = taken.folder.strip("/")
    beginning = f"{folder}/" if folder else ""
    page = await library.files(
        beginning=beginning, state=taken.state, after=taken.after or None, size=PAGE_FILES
    )
    is_first = not taken.after
    folders = await folders_below(library.catalog, beginning) if is_first else []
    if is_first and taken.state is None and beginning and not page.files:
        raise Unanswerable(f"the library has no folder {folder!r}")
    return ListGiven(
        folders=[clean(one) for one in folders],
        files=[_listed(row) for row in page.files],
        next_after=page.next_after,
    )


def _listed(row: FileRecord) -> Listed:
    return Listed(
        id=row.upload_key,
        path=clean(row.file_path),
        state=row.gemini_state.value,
        meaning=state_of(row),
        size_bytes=row.file_size,
        reason=_reason(row),
    )


def _reason(row: FileRecord) -> str | None:
    said = row.skip_reason or row.error_message
    return None if not said else one_line(said)


async def file_status(desk: Desk, taken: FileTaken) -> FileGiven:
    """Return where one file stands, and how it came there."""
    library = (await desk.at()).library
    said = taken.file
    if _KEY.fullmatch(said):
        try:
            said = (await row_of(library.catalog, said)).file_path
        except ConfigurationError:  # it may be the name of a file all the same
            said = taken.file
    history = await library.history(said)
    trail = history.trails[0]
    row, key = trail.record, trail.record.upload_key
    has_changed, proven_at = await known_of(library.catalog, row)
    is_indexed = row.gemini_state.value == "indexed"
    return FileGiven(
        id=key,
        uri=None if key is None else uri_of(key),
        url=None if key is None else desk.address(key),
        title=title_of(row),
        path=clean(history.file),
        state=row.gemini_state.value,
        meaning=state_of(row),
        is_searchable=is_indexed and not row.is_deleted,
        reason=_reason(row),
        size_bytes=row.file_size,
        version=row.content_hash,
        indexed_at=row.upload_timestamp if is_indexed else None,
        proven_at=proven_at,
        has_changed=has_changed,
        parts=len(history.parts),
        metadata=described(row),
        moves=[
            Move(at=move.at, to_state=move.to_state, reason=move.reason and one_line(move.reason))
            for move in trail.moves[-MOVES:]
        ],
    )


async def library_status(desk: Desk, _taken: NothingTaken) -> StatusGiven:
    """Return the state of the library at a glance."""
    library = (await desk.at()).library
    status = await library.status()
    files: Mapping[str, int] = {state: tally["files"] for state, tally in status.states.items()}
    run = status.last_run
    return StatusGiven(
        library=status.library and clean(status.library),
        store=status.store,
        where=one_line(servers.redactor(library.settings)(servers.description(library.settings))),
        is_billed=servers.is_at_google(library.settings),
        searchable=files["indexed"],
        waiting=files["untracked"],
        under_way=files["uploading"] + files["processing"],
        failed=files["failed"],
        cannot_be_searched=status.skipped_files,
        gone_from_folder=status.deleted,
        size_bytes=status.states["indexed"]["size_bytes"],
        proven=status.proven,
        oldest_proof=status.oldest_proof,
        last_run=None if run is None else one_line(f"{run.started_at}: {run.ended}"),
        next_step=status.next_step.value,
    )
