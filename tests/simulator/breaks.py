"""Is the simulator any good? The protocol is broken on purpose, and each break must be found.

    python -m tests.simulator.breaks [--seeds N] [--start K] [NAME ...]

A break replaces one function in memory, in a process of its own; the tree is never touched. A seed
counts as having caught it when an invariant fails that holds in the same seed without the break.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from objlib.catalog import lease, writes
from objlib.catalog.accounts import has_uploaded
from objlib.catalog.protocol import Catalog
from objlib.catalog.records import FileRecord
from objlib.congestion import pressure
from objlib.documents import listing as whole
from objlib.documents import lookup
from objlib.documents.payload import PATH
from objlib.errors import Transient
from objlib.gemini import answers
from objlib.gemini.client import FileSearchClient
from objlib.gemini.resources import Document, ImportOperation, Store
from objlib.library import changes, scan
from objlib.library.walk import FoundFile
from objlib.sync import classify, first_look, listing, rebuild
from objlib.sync.classify import DocumentClass
from objlib.upload import client, orchestrator, recovery, send, state, watch
from objlib.upload.context import RunContext
from tests.simulator.stories import KINDS, play_story, story_of
from tests.simulator.story import Edges
from tests.simulator.terminal import hush, say

Replace = Callable[[Any, str, Any], None]


@dataclass(frozen=True, slots=True)
class Break:
    """One rule of the protocol, left out.

    Args:
        rule: what is not done any more.
        make: applies it, by means of a `setattr`.
        kind: of the scenarios that are hunted through.
        theme: of those of the edges, only scenarios of this one are played.
    """

    rule: str
    make: Callable[[Replace], None]
    kind: str = KINDS[0]
    theme: str | None = None


@dataclass(frozen=True, slots=True)
class Catch:
    """The first seed that caught a break, and the invariant that did."""

    name: str
    seed: int | None
    violation: str


def import_without_look_up(put: Replace) -> None:
    """A repeated attempt imports at once."""

    async def nothing(_run: RunContext, _record: FileRecord, **_given: bool) -> None:
        return None

    put(send, "document_of_earlier_attempt", nothing)


def adoption_without_key(put: Replace) -> None:
    """Any document of the same path will do, whatever version it holds."""

    def of_path(document: Document) -> str:
        return f"path {document.metadata.get(PATH)}"

    put(lookup, "_identity_of", of_path)
    put(lookup, "_identity_wanted", lambda record: f"path {record.file_path}")
    put(lookup, "is_for", lambda _document, _record: True)
    for module in (client, send):
        put(module, "is_for", lambda _document, _record: True)


def superseded_goes_first(put: Replace) -> None:
    """The old document is deleted as soon as the new import is accepted."""
    confirm = send._confirm

    async def confirm_and_delete(run: RunContext, *arguments: Any) -> FileRecord:
        record = await confirm(run, *arguments)
        if record.superseded_doc_id is not None:
            await run.client.delete_document(record.superseded_doc_id)
        return record

    put(send, "_confirm", confirm_and_delete)


def operation_is_believed(put: Replace) -> None:
    """`done` is taken for the document."""
    look = watch.look

    async def believe(
        run: RunContext, record: FileRecord
    ) -> tuple[Document | None, ImportOperation | None]:
        document, operation = await look(run, record)
        if operation is not None and operation.done and document is None:
            name = operation.document_name or f"{run.client.store_name}/documents/believed"
            document = Document(name, "", "STATE_ACTIVE", 0, None, {})
        return document, operation

    put(watch, "look", believe)


def import_without_intent(put: Replace) -> None:
    """The intent to import stays in memory."""

    async def remember(
        _self: Any, record: FileRecord, *, file_id: str, **_facts: str | None
    ) -> FileRecord:
        return replace(record, gemini_file_id=file_id)

    put(state.AsyncUploadStateManager, "intend_import", remember)


def leases_are_ignored(put: Replace) -> None:
    """Recovery takes rows over from processes that are alive."""
    put(recovery, "is_void", lambda *_arguments: True)


def recovery_releases_blindly(put: Replace) -> None:
    """Interrupted uploads are released, and their import intent forgotten, without a listing."""

    async def release(self: Any, record: FileRecord, *, reason: str) -> FileRecord | None:
        return await original(self, await self.withdraw_import_intent(record), reason=reason)

    async def nothing(_self: Any, _records: Iterable[FileRecord]) -> Mapping[str, Document]:
        return {}

    original = state.AsyncUploadStateManager.release
    put(state.AsyncUploadStateManager, "release", release)
    put(lookup.DocumentLookup, "find_all", nothing)


def failed_document_is_left(put: Replace) -> None:
    """A retry imports again beside a document that has failed so far."""
    earlier = send.document_of_earlier_attempt

    async def only_if_active(
        run: RunContext, record: FileRecord, *, was_there: bool
    ) -> Document | None:
        document = await run.client.document(record.gemini_store_doc_id)
        if document is not None and not document.is_active:
            return None
        return await earlier(run, record, was_there=was_there)

    put(send, "document_of_earlier_attempt", only_if_active)


def short_listing_is_believed(put: Replace) -> None:
    """What a listing does not show does not exist."""

    async def pages(wire: FileSearchClient, store: Store) -> AsyncIterator[list[Document]]:
        async for page in wire.document_pages(store.name):
            yield page

    put(lookup, "complete_pages", pages)
    put(listing, "complete_pages", pages)
    _one_listing_is_enough(put)


def _one_listing_is_enough(put: Replace) -> None:
    list_into, listed = lookup.DocumentLookup._list_into, list[object]()

    async def only_once(self: lookup.DocumentLookup, wanted: Any) -> None:
        if not any(wanted is one for one in listed):
            listed.append(wanted)
            await list_into(self, wanted)

    put(lookup.DocumentLookup, "_list_into", only_once)


def repair_deletes_superseded(put: Replace) -> None:
    """store-sync does not wait until the new version is indexed."""

    def always(_document: Document, _row: FileRecord) -> tuple[DocumentClass, str]:
        return DocumentClass.SUPERSEDED, "a newer version may be indexed"

    put(classify, "_superseded", always)


def facts_slip_under_a_document(put: Replace) -> None:
    """A scan writes the new content hash without moving the row."""

    async def follow(
        self: Any, _row: FileRecord, facts: writes.FileFacts
    ) -> list[writes.FileFacts]:
        self.tally.unchanged += 1
        return [facts]

    async def write(catalog: Any, found: Iterable[writes.FileFacts]) -> None:
        columns = ", ".join(f"{name} = ?" for name in writes._FACTS.split(", "))
        async with catalog.transaction():
            await catalog.execute_many(
                f"UPDATE files SET {columns}, is_deleted = 0 WHERE file_path = ?",
                [(*facts._row, facts.file_path) for facts in found],
            )

    put(scan._Scan, "_follow", follow)
    put(writes, "update_facts", write)


def retry_forgets_the_document(put: Replace) -> None:
    """A failed row does not keep the name of what its attempt has left, nor the doubt about it."""
    fail = state.AsyncUploadStateManager.fail

    async def forgetful(self: Any, record: FileRecord, **options: Any) -> FileRecord | None:
        options["document_name"] = None
        return await fail(self, await self.withdraw_import_intent(record), **options)

    put(state.AsyncUploadStateManager, "fail", forgetful)


def namespaces_are_ignored(put: Replace) -> None:
    """A process number of another container is looked up in the table of this one."""
    owner_is_dead = lease.owner_is_dead

    def anywhere(
        owner: str, place: Callable[[], lease.Place | None], start_of: lease.StartOf
    ) -> bool:
        there = lease.Place(*owner.split("/")[:3])
        return owner_is_dead(owner, lambda: there, start_of)

    put(lease, "owner_is_dead", anywhere)


# At the edges


def lost_catalog_is_not_refused(put: Replace) -> None:
    """A catalog without uploads sends what the store has of another library's."""

    async def nothing(*_arguments: object) -> None: ...

    put(first_look, "_refuse_lost", nothing)


def counters_are_not_compared(put: Replace) -> None:
    """A catalog that has uploaded takes the store to hold what it expects."""
    look = first_look._is_accounted_for

    async def trusting(catalog: Catalog, wire: FileSearchClient, store: Store) -> bool:
        return await has_uploaded(catalog) or await look(catalog, wire, store)

    put(first_look, "_is_accounted_for", trusting)


def raw_file_is_no_doubt(put: Replace) -> None:
    """A raw file that was there before proves nothing of its document."""

    async def nothing(_self: Any, _record: FileRecord) -> None:
        return None

    put(lookup.DocumentLookup, "find_unrecorded", nothing)


def unknown_key_is_an_orphan(put: Replace) -> None:
    """A document whose key the trail never recorded is one that no file claims."""

    def known(document: Document, **given: Any) -> classify.Verdict:
        return judge(document, **(given | {"is_recorded": True}))

    judge = classify.classify
    put(listing, "classify", known)


def repeated_page_is_believed(put: Replace) -> None:
    """A document that comes twice in a listing counts twice."""

    def anything(_store: Store, page: Sequence[Document], seen: set[int]) -> None:
        for _ in page:
            seen.add(len(seen))

    put(whole, "_refuse_repeats", anything)


def shifted_page_is_believed(put: Replace) -> None:
    """A store that counts fewer documents after a listing than before makes no difference."""

    async def pages(wire: FileSearchClient, store: Store) -> AsyncIterator[list[Document]]:
        seen = 0
        async for page in wire.document_pages(store.name):
            seen += len(page)
            yield page
        after = await wire.get_store(store.name)
        counted = after.active_documents + after.pending_documents + after.failed_documents
        if seen < counted:
            raise Transient("too short")

    for module in (lookup, listing, rebuild):
        put(module, "complete_pages", pages)
    _one_listing_is_enough(put)


def any_answer_is_one(put: Replace) -> None:
    """Whatever comes with a 200 is the answer, for instance a page of HTML to a deletion."""
    put(answers, "_check", lambda *_arguments: None)


def redirect_is_followed(put: Replace) -> None:
    """Key and file go wherever an answer sends them."""

    async def trusting(self: answers.Judged, request: Any) -> Any:
        return await self._inner.handle_async_request(request)

    put(answers.Judged, "handle_async_request", trusting)


def ctime_is_ignored(put: Replace) -> None:
    """A file whose size and time are as they were is unchanged."""
    seen_again = changes._seen_again

    def by_size_and_time(found: Any, known: changes.KnownFile) -> changes.Change:
        is_file = isinstance(found, FoundFile)
        return seen_again(found, known._replace(ctime=found.ctime) if is_file else known)

    put(changes, "_seen_again", by_size_and_time)


def lease_is_not_renewed(put: Replace) -> None:
    """An import is sent under the lease that there is."""

    async def noted(
        self: Any, record: FileRecord, *, file_id: str, lease: lease.Lease
    ) -> FileRecord | None:
        kept = lease.__class__(lease.owner, record.lease_expires_at or 0.0)
        return await intend(self, record, file_id=file_id, lease=kept)

    intend = state.AsyncUploadStateManager.intend_import
    put(state.AsyncUploadStateManager, "intend_import", noted)


def import_under_an_old_lease(put: Replace) -> None:
    """An import whose turn comes late is sent without another look at the lease."""
    send_import = FileSearchClient.import_file

    async def unchecked(self: Any, store: str, *, last_moment: Any, **given: Any) -> Any:
        await last_moment.check()  # before it waits for its turn
        return await send_import(self, store, **given)

    put(FileSearchClient, "import_file", unchecked)


def refusal_is_never_told(put: Replace) -> None:
    """A run goes on for as long as the service refuses what it sends."""
    put(orchestrator, "accepts_nothing", lambda _state: False)
    put(pressure, "is_down", lambda _state: False)


def _named(kind: str, theme: str | None, *makes: Callable[[Replace], None]) -> dict[str, Break]:
    return {
        make.__name__.replace("_", "-"): Break((make.__doc__ or "").strip(), make, kind, theme)
        for make in makes
    }


BREAKS: dict[str, Break] = {
    **_named(
        KINDS[0],
        None,
        import_without_look_up,
        adoption_without_key,
        superseded_goes_first,
        operation_is_believed,
        import_without_intent,
        leases_are_ignored,
        recovery_releases_blindly,
        failed_document_is_left,
        short_listing_is_believed,
        repair_deletes_superseded,
        facts_slip_under_a_document,
        retry_forgets_the_document,
        namespaces_are_ignored,
    ),
    **_named(
        "edges",
        "catalog",
        lost_catalog_is_not_refused,
        counters_are_not_compared,
        raw_file_is_no_doubt,
        unknown_key_is_an_orphan,
    ),
    **_named("edges", "listing", repeated_page_is_believed, shifted_page_is_believed),
    **_named("edges", "answers", any_answer_is_one, redirect_is_followed),
    **_named("edges", "sly edit", ctime_is_ignored),
    **_named("edges", "ambush", lease_is_not_renewed, import_under_an_old_lease),
    **_named("edges", "refusal", refusal_is_never_told),
}


def hunt(name: str, seeds: Sequence[int]) -> Catch:
    """Play seeds with a break until one catches it. Breaks the process it runs in."""
    healthy: dict[tuple[Any, str], Any] = {}

    def put(owner: Any, attribute: str, value: Any) -> None:
        healthy.setdefault((owner, attribute), getattr(owner, attribute))
        setattr(owner, attribute, value)

    chosen = BREAKS[name]
    for seed in seeds:
        story = story_of(seed, chosen.kind)
        if isinstance(story, Edges) and chosen.theme not in story.themes:
            continue
        chosen.make(put)
        violations = play_story(story).violations
        for (owner, attribute), value in healthy.items():
            setattr(owner, attribute, value)
        healthy.clear()
        if violations and not play_story(story).violations:
            # A break that stumbles over the code it is made for would look like one that is found.
            assert re.match(r"[SL]\d", violations[0]), f"{name} is broken itself: {violations[0]}"
            return Catch(name, seed, violations[0])
    return Catch(name, None, "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Hunt for every break and print the table; 1 when one was not caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulator.breaks")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these breaks")
    parser.add_argument("--seeds", type=int, default=400, help="at most so many each [400]")
    parser.add_argument("--start", type=int, default=0, help="the first seed [0]")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time [2]")
    options = parser.parse_args(arguments)
    names = options.names or list(BREAKS)
    seeds = range(options.start, options.start + options.seeds)
    context = multiprocessing.get_context("spawn")
    caught = True
    say("| break | what is not done any more | caught at seed | by |\n| --- | --- | --- | --- |")
    with ProcessPoolExecutor(options.jobs, mp_context=context, initializer=hush) as pool:
        for catch in pool.map(hunt, names, [seeds] * len(names)):
            caught &= catch.seed is not None
            at = "not caught" if catch.seed is None else str(catch.seed)
            say(f"| {catch.name} | {BREAKS[catch.name].rule} | {at} | {label(catch.violation)} |")
    return 0 if caught else 1


def label(violation: str) -> str:
    """The invariant's number, or what else was wrong, in short."""
    found = re.match(r"[SL]\d+", violation)
    return found[0] if found else violation[:60]


if __name__ == "__main__":
    raise SystemExit(main())
