"""What must hold, whatever happens: pure functions of what catalog, store and disk hold.

Each yields one line per violation. S1 to S8 follow the numbers of docs/reliability.md. `Facts` says
what the simulation did behind objlib's back, for which no invariant can be held against it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from objlib.documents.payload import KEY, LIBRARY, PATH, SHA256
from objlib.states import legal_moves
from tests.simulator.wire import Exchange

IN_FLIGHT = ("uploading", "processing")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the catalog."""

    path: str
    state: str
    version: int
    document: str | None
    superseded: str | None
    key: str | None
    content_hash: str | None
    owner: str | None
    is_deleted: bool
    skip_reason: str | None

    @property
    def is_searchable(self) -> bool:
        """Whether its file is there, and in the store according to the catalog."""
        return self.state == "indexed" and not self.is_deleted

    QUERY: ClassVar[str] = (
        "SELECT file_path, gemini_state, version, gemini_store_doc_id, superseded_doc_id,"
        " upload_key, content_hash, lease_owner, is_deleted, skip_reason FROM files"
    )

    @classmethod
    def of(cls, values: tuple[Any, ...]) -> Self:
        """A row from the answer to `QUERY`."""
        return cls(*values)


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document in the store. `metadata` by name."""

    name: str
    is_active: bool
    is_failed: bool
    metadata: Mapping[str, str]

    @property
    def key(self) -> str | None:
        """The upload key that it carries."""
        return self.metadata.get(KEY)

    @classmethod
    def of(cls, store: str, identifier: str, metadata: str, ready: int, failed: int) -> Self:
        """A document from the server's own row."""
        entries = {one["key"]: one.get("stringValue", "") for one in json.loads(metadata)}
        name = f"{store}/documents/{identifier}"
        return cls(name, bool(ready and not failed), bool(failed), entries)


@dataclass(slots=True)
class Facts:
    """What was done behind objlib's back."""

    library_id: str
    #: Upload keys whose import took effect when its sender was gone already.
    late_keys: set[str] = field(default_factory=set)
    #: Upload keys of documents that a lost, an older or a copied catalog has made.
    elsewhere: set[str] = field(default_factory=set)
    #: Documents that somebody else deleted.
    lost_documents: set[str] = field(default_factory=set)
    #: Paths that were indexed at some time and have not been deleted from disk since.
    once_indexed: set[str] = field(default_factory=set)
    #: How many documents of others there are.
    foreign: int = 0
    #: Whether somebody has said that documents of others may go.
    include_foreign: bool = False
    #: How many copies somebody has made of documents.
    copies: int = 0

    def follow(self, moment: Moment) -> None:
        """Take note of what is searchable, and of what was taken away."""
        self.once_indexed &= moment.rows.keys()  # a row that moves takes its document along
        for row in moment.rows.values():
            if row.is_deleted or {row.document, row.superseded} & self.lost_documents:
                self.once_indexed.discard(row.path)
            elif row.state == "indexed":
                self.once_indexed.add(row.path)


@dataclass(frozen=True, slots=True)
class Moment:
    """Catalog and store at one moment."""

    rows: Mapping[str, Row]
    documents: Mapping[str, StoredDocument]
    leftovers: frozenset[str]


def violations(moment: Moment, facts: Facts) -> Iterator[str]:
    """Everything that does not hold at this moment."""
    ours = [
        document
        for document in moment.documents.values()
        if document.metadata.get(LIBRARY) == facts.library_id
    ]
    yield from one_document_per_key(moment, ours, facts)
    yield from indexed_means_active(moment, facts)
    yield from every_document_belongs(moment, ours, facts)
    yield from never_neither(moment, facts)


def one_document_per_key(
    moment: Moment, ours: Sequence[StoredDocument], facts: Facts
) -> Iterator[str]:
    """S1: at most one document for a version of a file, but for one that is on its way out."""
    leaving = moment.leftovers | {row.superseded for row in moment.rows.values()}
    counted = Counter(one.key for one in ours if one.name not in leaving and not one.is_failed)
    for key, number in counted.items():
        if number > 1 and key not in facts.late_keys:
            yield f"S1 {number} documents carry the key {key}"


def indexed_means_active(moment: Moment, facts: Facts) -> Iterator[str]:
    """S2: a row is `indexed` only with an active document that holds its content."""
    for row in moment.rows.values():
        if not row.is_searchable or row.document in facts.lost_documents:
            continue
        document = moment.documents.get(str(row.document))
        if document is None:
            yield f"S2 {row.path} is indexed, but {row.document} is not there"
        elif not document.is_active:
            yield f"S2 {row.path} is indexed, but {row.document} is not active"
        elif document.key != row.key:
            yield f"S2 {row.path} is indexed by {row.document}, which carries another key"
        elif document.metadata.get(SHA256) != row.content_hash:
            yield f"S2 {row.path} is indexed by {row.document}, which holds other content"


def every_document_belongs(
    moment: Moment, ours: Sequence[StoredDocument], facts: Facts
) -> Iterator[str]:
    """S3: a document of ours belongs to a row: as current, superseded, left over or in doubt."""
    named = {row.document for row in moment.rows.values()} | moment.leftovers
    named |= {row.superseded for row in moment.rows.values()}
    keys = {row.key for row in moment.rows.values()}
    excused = facts.late_keys | facts.elsewhere
    for document in ours:
        if document.name in named or document.key in keys or document.key in excused:
            continue
        yield f"S3 {document.name} ({document.metadata.get(PATH)}) belongs to no row"


def never_neither(moment: Moment, facts: Facts) -> Iterator[str]:
    """S7: a file that was indexed is found in its old or its new version at every instant."""
    active = {document.name for document in moment.documents.values() if document.is_active}
    by_key = {document.key for document in moment.documents.values() if document.is_active}
    for path in sorted(facts.once_indexed):
        row = moment.rows.get(path)
        if row is None or row.is_deleted or row.skip_reason is not None:
            continue
        if not ({row.document, row.superseded} & active or row.key in by_key):
            yield f"S7 {path} was searchable and is no more ({row.state})"


def audit_trail_replays(
    transitions: Sequence[tuple[str, str, str, int, str | None]], rows: Mapping[str, Row]
) -> Iterator[str]:
    """S5: each move is legal, starts where the last one ended, and the last one ends at the row.

    A row that begins anew has a first version again; one that moves takes its trail along.
    """
    moves = {(before.value, after.value) for before, after in legal_moves()}
    last: dict[str, tuple[str, int]] = {}
    for path, before, after, version, reason in transitions:
        if before == after:
            last.pop((reason or "").removeprefix("moved from "), None)
        else:
            state, known = ("untracked", 0) if version == 1 else last.get(path, (before, -1))
            if (before, after) not in moves:
                yield f"S5 {path}: {before} -> {after} is no legal move"
            if (before, version) != (state, known + 1):
                yield f"S5 {path}: v{version} from {before} does not follow v{known} {state}"
        last[path] = (after, version)
    for path, (state, version) in last.items():
        row = rows.get(path)
        if row is not None and (row.state, row.version) != (state, version):
            yield f"S5 {path} is {row.state} v{row.version}; its trail ends {state} v{version}"


def at_rest(moment: Moment) -> Iterator[str]:
    """L: after the trouble has passed, nothing is in flight and nothing failed for good."""
    for row in moment.rows.values():
        if row.state in IN_FLIGHT:
            yield f"L1 {row.path} is still {row.state}"
        elif row.state != "indexed" and not row.is_deleted and row.skip_reason is None:
            yield f"L2 {row.path} is {row.state}"
        if row.superseded in moment.documents:
            yield f"L3 {row.path} still has a superseded document"
    for name in moment.leftovers & moment.documents.keys():
        yield f"L3 {name} is still left over"


def imported_key(exchange: Exchange) -> str:
    """The upload key of an import: the name of its raw file."""
    return str(json.loads(exchange.body)["fileName"]).removeprefix("files/")


def imports_under_its_lease(exchange: Exchange, moment: Moment) -> Iterator[str]:
    """S6: who imports a file has its row, in `uploading`, with that key, under its lease."""
    key = imported_key(exchange)
    for row in moment.rows.values():
        if (row.key, row.state, row.owner) == (key, "uploading", exchange.sender):
            return
    yield f"S6 {exchange.sender} imports {key} without holding its row"


def deletes_what_nobody_needs(exchange: Exchange, moment: Moment, facts: Facts) -> Iterator[str]:
    """S8: a document goes only when no indexed row has it and it is one of ours."""
    name = exchange.path.partition("/v1beta/")[2]
    document = moment.documents.get(name)
    if document is None or name in facts.lost_documents:
        return
    if document.metadata.get(LIBRARY) != facts.library_id and not facts.include_foreign:
        yield f"S8 {exchange.sender} deletes {name}, which is not ours"
    for row in moment.rows.values():
        if row.document == name and row.is_searchable and document.is_active:
            yield f"S8 {exchange.sender} deletes {name}, the document of {row.path}"
