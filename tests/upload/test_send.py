"""Sending: raw files, imports, and what an earlier attempt has left of them."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from objlib.documents.payload import Source, document_metadata, key_of, prepare
from objlib.errors import AccessRefused, BackendUnavailable
from objlib.filestore import Fault, Kind
from objlib.upload import events as ev
from tests.catalog.catalogs import pending_page
from tests.upload.world import (
    IMPORT,
    LIBRARY_ID,
    UPLOAD,
    World,
    assert_all_canonical,
    make_world,
)


def test_a_lost_answer_to_an_import_makes_no_second_document(tmp_path: Path) -> None:
    """The document is looked up by its key and adopted: one import, one document."""

    async def scenes() -> None:
        fault = Fault(Kind.DROP_AFTER, route=IMPORT, times=1)
        async with make_world(tmp_path, files=1, faults=[fault]) as world:
            progress = await world.upload()
            assert progress.adopted == 1
            assert world.count(":importFile") == 1
            await assert_all_canonical(world, files=1)
            trail = await world.catalog.fetch_all("SELECT reason FROM transitions ORDER BY id")
            assert trail == [("claimed",), ("adopted",), ("adopted",)]

    asyncio.run(scenes())


def test_a_failed_document_that_comes_alive_late_is_adopted_by_the_retry(tmp_path: Path) -> None:
    """After the window the row is failed; its retry finds the document alive: no second import."""

    async def scenes() -> None:
        fault = Fault(Kind.DOCUMENT_FAILED, route=IMPORT, times=1, seconds=0.3)
        async with make_world(
            tmp_path, files=1, faults=[fault], settle_s=0.05, retry_pass_delay_s=0.5
        ) as world:
            await world.upload()
            assert len(world.events(ev.FileFailed)) == 1
            assert world.count(":importFile") == 1
            await assert_all_canonical(world, files=1)

    asyncio.run(scenes())


def test_a_document_that_stays_failed_is_replaced(tmp_path: Path) -> None:
    """The dead document is deleted before the next import, so that one remains."""

    async def scenes() -> None:
        fault = Fault(Kind.DOCUMENT_FAILED, route=IMPORT, times=1)
        async with make_world(tmp_path, files=1, faults=[fault], settle_s=0.05) as world:
            await world.upload()
            assert world.count(":importFile") == 2
            await assert_all_canonical(world, files=1)

    asyncio.run(scenes())


def test_a_rejected_file_fails_at_once_with_the_reason(tmp_path: Path) -> None:
    """400 is not repeated, costs the others nothing, and gets no second chance in the same run."""

    async def scenes() -> None:
        fault = Fault(Kind.ERROR, route=IMPORT, times=1, status=400, message="Invalid metadata.")
        async with make_world(tmp_path, faults=[fault]) as world:
            progress = await world.upload()
            assert (progress.indexed, progress.failed) == (5, 1)
            assert "Invalid metadata." in progress.failures[0].reason
            assert world.count(":importFile") == 6
            assert world.events(ev.RetryPassScheduled, ev.CallRetried) == []
            again = await world.upload(retry_failed=True)
            assert again.indexed == 1
            await assert_all_canonical(world)

    asyncio.run(scenes())


def test_a_raw_file_of_other_bytes_under_our_name_is_replaced(tmp_path: Path) -> None:
    """The name is taken (409), the checksum is not ours: it goes, and ours comes."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=1) as world:
            await world.upload()
            (key,) = (await world.catalog.fetch_all("SELECT upload_key FROM files"))[0]
            await world.client.upload_file(
                io.BytesIO(b"Somebody else's bytes."), name=key, mime_type="text/plain"
            )
            progress = await world.upload(reset_existing=True)
            assert (progress.indexed, progress.retries) == (1, 1)
            await assert_all_canonical(world, files=1)

    asyncio.run(scenes())


def test_a_raw_file_of_our_bytes_under_our_name_is_adopted(tmp_path: Path) -> None:
    """An earlier attempt got that far: nothing is sent a second time."""

    async def scenes() -> None:
        fault = Fault(Kind.DROP_AFTER, route=UPLOAD, times=1, after=1)
        async with make_world(tmp_path, files=1, faults=[fault]) as world:
            await world.upload()
            assert world.requests["GET /{version}/files/{file}"] == 1
            await assert_all_canonical(world, files=1)

    asyncio.run(scenes())


def test_a_store_that_vanished_ends_the_run_and_loses_no_row(tmp_path: Path) -> None:
    """Imports into nowhere end the run with the reason; the rows wait for a store."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=3) as world:
            world.store.delete_store(world.store_name.removeprefix("fileSearchStores/"), force=True)
            with pytest.raises(BackendUnavailable, match="is gone"):
                await world.upload()
            assert await world.states() == {"untracked": 3}
            assert world.count(":importFile") <= 3

    asyncio.run(scenes())


def test_a_lease_that_is_lost_while_an_import_waits_keeps_it_from_being_sent(
    tmp_path: Path,
) -> None:
    """The row is taken over while the import waits for its turn: nothing is imported."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=1) as world:
            admitted = world.gate.admitted

            async def taken_over_meanwhile() -> None:
                await admitted()
                if world.count("/files") >= 2:  # both requests of the upload have gone
                    await world.catalog.fetch_all(
                        "UPDATE files SET lease_owner = 'another' WHERE gemini_state = 'uploading'"
                    )

            world.gate.admitted = taken_over_meanwhile  # type: ignore[method-assign]
            progress = await world.upload()
            assert progress.taken == 1
            assert world.count(":importFile") == 0

    asyncio.run(scenes())


async def _send_from_elsewhere(world: World) -> None:
    """Let another copy of the catalog send every file, and die before its raw files are deleted."""
    source = Source(world.root, LIBRARY_ID)
    for listed in await pending_page(world.catalog, None, 100):
        key = key_of(listed, source, str(listed.content_hash))
        record = replace(listed, upload_key=key)
        payload = await prepare(record, source)
        with payload.open() as content:
            raw = await world.client.upload_file(content, name=key, mime_type=payload.mime_type)
        await world.client.import_file(
            world.store_name, file_name=raw.name, metadata=document_metadata(record, source)
        )


def test_a_copied_catalog_adopts_what_the_other_copy_has_imported(tmp_path: Path) -> None:
    """Raw files of our keys are there (409) and no intent is on record: that is doubt, too. One
    look at the store (two listings) finds them all, and nothing is imported twice."""

    async def scenes() -> None:
        async with make_world(tmp_path) as world:
            await _send_from_elsewhere(world)
            progress = await world.upload(concurrency=1)
            assert (progress.indexed, progress.adopted) == (6, 6)
            assert world.count(":importFile") == 6
            assert world.count("GET /{version}/fileSearchStores/{store}/documents") == 2
            await assert_all_canonical(world)

    asyncio.run(scenes())


class _Answers(httpx2.AsyncBaseTransport):
    """Changes answers on their way back, and tells of each request before it is sent."""

    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport,
        change: Callable[[httpx2.Request, Any], None],
        before: Callable[[httpx2.Request], None] = lambda _request: None,
    ) -> None:
        self._inner, self._change, self._before = inner, change, before

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._before(request)
        response = await self._inner.handle_async_request(request)
        body = await response.aread()
        if response.status_code != 200 or not body.startswith(b"{"):
            return response
        said = json.loads(body)
        self._change(request, said)
        headers = {k: v for k, v in response.headers.items() if k != "content-length"}
        return httpx2.Response(200, headers=headers, json=said)


def _failing(times: int) -> Callable[[httpx2.AsyncBaseTransport], _Answers]:
    """Let so many looks at a raw file show that it could not be processed."""
    left = [times]

    def change(request: httpx2.Request, said: Any) -> None:
        if request.method == "GET" and "/files/" in request.url.path and left[0]:
            left[0] -= 1
            said["state"] = "FAILED"

    return lambda inner: _Answers(inner, change)


def test_a_raw_file_that_failed_is_deleted_and_sent_once_more(tmp_path: Path) -> None:
    """The name is taken (409) by what the backend could not process: it does not stay in the way
    for two days."""

    async def scenes() -> None:
        fault = Fault(Kind.DROP_AFTER, route=UPLOAD, times=1, after=1)
        async with make_world(tmp_path, files=1, faults=[fault], wrap=_failing(2)) as world:
            progress = await world.upload()
            assert (progress.indexed, progress.failed) == (1, 0)
            await assert_all_canonical(world, files=1)

    asyncio.run(scenes())


def test_a_raw_file_that_fails_again_fails_its_file_and_frees_the_name(tmp_path: Path) -> None:
    """The reason is the file's, and the next attempt begins with an upload of its own."""

    async def scenes() -> None:
        fault = Fault(Kind.DROP_AFTER, route=UPLOAD, times=1, after=1)

        def forever(inner: httpx2.AsyncBaseTransport) -> _Answers:
            def change(_request: httpx2.Request, said: Any) -> None:
                if "sha256Hash" in said.get("file", said):
                    said.get("file", said)["state"] = "FAILED"

            return _Answers(inner, change)

        async with make_world(tmp_path, files=1, faults=[fault], wrap=forever) as world:
            progress = await world.upload()
            assert (progress.indexed, progress.failed) == (0, 1)
            assert "could not process" in progress.failures[0].reason
            assert world.store.all("SELECT id FROM files") == []

    asyncio.run(scenes())


def test_bytes_that_change_between_hash_and_send_are_noticed_without_a_hash(
    tmp_path: Path,
) -> None:
    """The service reports no checksum. The file is hashed once more, and what was sent goes."""
    page = tmp_path / "library" / "Page.html"
    texts = [b"<p>Seen by the scan.</p>", b"<p>Written by now.</p>!!"]
    edits = iter(texts[1:])

    def edit(request: httpx2.Request) -> None:
        is_start = request.headers.get("x-goog-upload-command") == "start"
        if is_start and (text := next(edits, None)) is not None:
            page.write_bytes(text)

    def unhashed(inner: httpx2.AsyncBaseTransport) -> _Answers:
        return _Answers(
            inner, lambda _request, said: said.get("file", said).pop("sha256Hash", None), edit
        )

    async def scenes() -> None:
        page.parent.mkdir()
        page.write_bytes(texts[0])
        async with make_world(tmp_path, files=0, wrap=unhashed) as world:
            progress = await world.upload()
            assert progress.indexed == 1
            (document,) = await world.documents()
            assert document.metadata["objlib_sha256"] == hashlib.sha256(texts[1]).hexdigest()
            stored = world.store.all("SELECT text FROM chunks")
            assert ["now" in text for (text,) in stored] == [True]

    asyncio.run(scenes())


def test_imports_that_are_always_refused_end_the_run(tmp_path: Path) -> None:
    """403 to every import, although the raw files are there: three files cost three uploads, not
    thirty, and wait as they were."""

    async def scenes() -> None:
        fault = Fault(Kind.ERROR, route=IMPORT, status=403, message="Not allowed.")
        async with make_world(tmp_path, files=3, faults=[fault]) as world:
            with pytest.raises(AccessRefused, match="imports are refused"):
                await world.upload()
            assert await world.states() == {"untracked": 3}
            assert world.count(":importFile") <= 3
            assert world.requests["POST /upload/{version}/files"] <= 6  # a start and a content each

    asyncio.run(scenes())
