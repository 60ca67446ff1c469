"""Lists every document of a store and classifies it, in bounded memory.

Verdicts go to a temporary table beside the catalog, not into a list; a page of documents costs
four look-ups. A listing that fails in the middle raises and proves nothing.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from objlib.catalog.accounts import (
    KEYS_RECORDED_SINCE,
    NEW_LIBRARY,
    has_uploaded,
    note_listed,
)
from objlib.catalog.held import Held
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import (
    files_by_key,
    files_by_path,
    files_by_raw_file,
    get_info,
    leftovers_by_name,
    pointers_to,
    recorded_keys,
)
from objlib.catalog.records import FileRecord
from objlib.catalog.reservations import count_at_work
from objlib.catalog.verdicts import Listed, Verdicts
from objlib.documents.listing import complete_pages
from objlib.documents.payload import KEY, LIBRARY, PATH, SHA256
from objlib.gemini.resources import Document, Store
from objlib.sync.classify import DELETABLE, FOR_CONSENT, DocumentClass, Verdict, classify

if TYPE_CHECKING:
    from objlib.gemini.client import FileSearchClient

_PAGE = 200
#: A file may come to lie here, or lies here, whose document is one of these.
_UNSEEN = (DocumentClass.ELSEWHERE, DocumentClass.LATE)
_OFF = (*DELETABLE, DocumentClass.BROKEN, DocumentClass.LATE, *FOR_CONSENT)


@dataclass(frozen=True, slots=True)
class SyncReport:
    """A store beside its catalog. Counts of documents; ghosts and missing are rows."""

    store_name: str
    library_id: str
    documents: Mapping[DocumentClass, int]
    ghosts: int
    missing: int
    #: Files that another run is at work on.
    in_flight: int
    #: Document by document, as long as the catalog is open.
    verdicts: Verdicts = field(repr=False, compare=False)

    @property
    def is_for_people(self) -> bool:
        """True if nothing is off but what only a person can judge."""
        off = [kind for kind in _OFF if self.documents[kind]]
        return bool(off) and not self.ghosts and all(kind in FOR_CONSENT for kind in off)

    @property
    def is_clean(self) -> bool:
        """Return whether store and catalog agree. Foreign documents do not count."""
        return not (self.ghosts or any(self.documents[kind] for kind in _OFF))


async def survey(
    catalog: Catalog, client: FileSearchClient, store: Store, library_id: str
) -> SyncReport:
    """Classify all documents and find the ghosts. Changes nothing.

    Raises:
        Transient: the listing ended with fewer documents than the store says it has: no proof of
            absence, so no conclusion is drawn from it.
    """
    verdicts = await Verdicts.begun(catalog)
    async for page in complete_pages(client, store):
        judged = await classify_documents(catalog, page, library_id)
        await verdicts.remember(list(map(_listed, page, judged)))
    await verdicts.choose_among_several()
    counted = await verdicts.count_by_sign()
    if await has_uploaded(catalog):
        news = sum(counted.get(kind.value, 0) for kind in _UNSEEN)
        await note_listed(catalog, sum(counted.values()), news=news)
    return SyncReport(
        store.name,
        library_id,
        MappingProxyType({kind: counted.get(kind.value, 0) for kind in DocumentClass}),
        await verdicts.count_ghosts(),
        await verdicts.count_missing(),
        await count_at_work(catalog),
        verdicts,
    )


async def spared(report: SyncReport, held: Held) -> SyncReport:
    """Return a report in which nothing is off about files that are held."""
    orphans = await report.verdicts.spare(held, DocumentClass.ORPHAN.value)
    documents = dict(report.documents)
    documents[DocumentClass.ORPHAN] -= orphans
    return replace(
        report,
        documents=MappingProxyType(documents),
        ghosts=await report.verdicts.count_ghosts(),
        missing=await report.verdicts.count_missing(),
    )


async def classify_documents(
    catalog: Catalog, documents: Sequence[Document], library_id: str
) -> list[Verdict]:
    """The verdicts on some documents as the catalog stands now, each by itself."""
    if not documents:
        return []
    names = [document.name for document in documents]
    # Without a key a document may be of the earlier generation: it bears its raw file's name.
    raw_files = {
        document.name: f"files/{document.display_name}"
        for document in documents
        if KEY not in document.metadata and document.display_name
    }
    pointing = await pointers_to(catalog, names, raw_files)
    # In a store that is in order a row points at every document: the rest is asked for few.
    others = [document for document in documents if document.name not in pointing]
    leftovers = await leftovers_by_name(catalog, names, raw_files) if others else {}
    keys = [str(one.metadata.get(KEY)) for one in others]
    by_key = await files_by_key(catalog, keys)
    by_path = await files_by_path(catalog, [str(one.metadata.get(PATH)) for one in others])
    by_raw_file = await files_by_raw_file(catalog, list(raw_files.values()))
    recorded = await recorded_keys(catalog, keys)
    recorded_since = await get_info(catalog, KEYS_RECORDED_SINCE)
    tells_twins = await get_info(catalog, NEW_LIBRARY) is None
    verdicts = []
    for document in documents:
        row, is_superseded = pointing.get(document.name, (None, False))
        leftover = leftovers.get(document.name)
        claiming = (
            by_key.get(str(document.metadata.get(KEY)))
            or by_path.get(str(document.metadata.get(PATH)))
            or by_raw_file.get(raw_files.get(document.name, ""))
        )
        verdicts.append(
            classify(
                document,
                pointing=row,
                claiming=claiming,
                library_id=library_id,
                is_superseded=is_superseded,
                leftover_of=leftover.file_path if leftover is not None else None,
                is_recorded=str(document.metadata.get(KEY)) in recorded
                or _is_older(document, recorded_since),
                tells_twins=tells_twins,
            )
        )
    return verdicts


def _is_older(document: Document, moment: str | None) -> bool:
    """Return whether a document was made before the trail began to record keys."""
    if moment is None:
        return False
    made_at = document.created_at
    return made_at is None or made_at <= datetime.fromisoformat(moment)


def _listed(document: Document, verdict: Verdict) -> Listed:
    own = {name: document.metadata.get(name) for name in (KEY, PATH, SHA256, LIBRARY)}
    said = {name: value for name, value in own.items() if value is not None}
    key, sha256 = (said.get(name) for name in (KEY, SHA256))
    return Listed(
        verdict.document_name,
        verdict.document_class.value,
        verdict.path,
        verdict.reason,
        document.state,
        document.display_name,
        key if isinstance(key, str) else None,
        sha256 if isinstance(sha256, str) else None,
        json.dumps(said),
    )


async def verdicts_of(survey: Verdicts, *classes: DocumentClass) -> AsyncIterator[Verdict]:
    """Yield the verdicts of a survey by document name, all or of some classes."""
    after: str | None = None
    while page := await verdict_page(survey, classes or tuple(DocumentClass), after, _PAGE):
        for verdict in page:
            yield verdict
        after = page[-1].document_name


async def verdict_page(
    survey: Verdicts, classes: Sequence[DocumentClass], after: str | None, size: int
) -> list[Verdict]:
    """Return the verdicts after a document's name."""
    page = await survey.page([kind.value for kind in classes], after, size)
    return [
        Verdict(one.document_name, DocumentClass(one.sign), one.path, str(one.reason))
        for one in page
    ]


async def listed_document(survey: Verdicts, document_name: str) -> Document | None:
    """Return what a survey saw of a document: name, state and whose it says it is."""
    one = await survey.get(document_name)
    if one is None:
        return None
    return Document(document_name, one.display_name, one.state, 0, None, json.loads(one.identity))


async def ghosts(survey: Verdicts) -> AsyncIterator[FileRecord]:
    """Yield rows that say `indexed` while the store has no usable document for them."""
    async for record in _rows(survey.ghost_page):
        yield record


async def missing(survey: Verdicts) -> AsyncIterator[FileRecord]:
    """Yield files that should be in the store and are not yet."""
    async for record in _rows(survey.missing_page):
        yield record


async def _rows(
    fetch: Callable[[str | None, int], Awaitable[list[FileRecord]]],
) -> AsyncIterator[FileRecord]:
    after: str | None = None
    while page := await fetch(after, _PAGE):
        for record in page:
            yield record
        after = page[-1].file_path
