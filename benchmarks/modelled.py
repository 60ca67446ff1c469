"""File Search as an upload sees it on a good day, without HTTP: quota, distance, indexing.

A file over the whole wire (SDK, HTTP, embedded server) costs ten milliseconds of processor, a
million three hours. This answers the same calls with the same number of requests, each of which
passes the same gate and is refused by the same token bucket; `benchmarks.tiers` runs both and
compares them. What is held in memory are documents between import and the look that sees them.
"""

from __future__ import annotations

import asyncio
import io
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterable

from objlib.congestion.gate import RequestGate
from objlib.congestion.outcomes import Answered, Refused
from objlib.errors import RateLimited
from objlib.filestore.schedules import TokenBucket
from objlib.gemini.client import PAGE_SIZE, FileSearchClient
from objlib.gemini.last_moment import LastMoment
from objlib.gemini.resources import Document, ImportOperation, Metadata, RawFile, Store

#: The share of refusals is judged after the first minute.
BEGINNING_S = 60.0


class ModelledClient(FileSearchClient):
    """Answers after `latency_s`; a document is active `indexing_s` after its import."""

    def __init__(
        self, gate: RequestGate, quota: TokenBucket, *, latency_s: float, indexing_s: float
    ) -> None:
        self._gate = gate
        self._quota = quota
        self._latency_s = latency_s
        self._indexing_s = indexing_s
        self._began = gate.now()
        #: Document -> (what is known of it, when it becomes active).
        self._pending: dict[str, tuple[Metadata, float]] = {}
        self._imports = 0
        self._requests = 0
        self.refused: Counter[str] = Counter()
        #: Requests after the beginning, and those of them that were refused.
        self.later = self.later_refused = 0

    @property
    def requests(self) -> int:
        """Requests sent so far."""
        return self._requests

    async def upload_file(self, content: io.IOBase, *, name: str, mime_type: str) -> RawFile:
        await self._request("start of the upload")
        await self._request("content")
        return RawFile(f"files/{name}", "ACTIVE", 0, None)

    async def import_file(
        self,
        store_name: str,
        *,
        file_name: str,
        metadata: Metadata,
        last_moment: LastMoment | None = None,
    ) -> ImportOperation:
        await self._request("import")
        if last_moment is not None:
            await last_moment.check()
        self._imports += 1
        identifier = f"d{self._imports}"
        name = f"{store_name}/documents/{identifier}"
        self._pending[name] = (metadata, self._gate.now() + self._indexing_s)
        return ImportOperation(f"{store_name}/operations/{identifier}", False, None, None)

    async def get_document(self, name: str) -> Document | None:
        await self._request("look at the document", is_small=True)
        metadata, ready_at = self._pending[name]
        is_active = self._gate.now() >= ready_at
        if is_active:
            del self._pending[name]
        state = "STATE_ACTIVE" if is_active else "STATE_PENDING"
        plain = {
            key: float(value) if isinstance(value, int) else value
            for key, value in metadata.items()
        }
        return Document(name, name, state, 0, None, plain)

    async def delete_file(self, name: str) -> None:
        await self._request("deletion of the raw file")

    async def _request(self, purpose: str, *, is_small: bool = False) -> None:
        gate = self._gate
        await gate.admitted()
        sent_at = gate.now()
        self._requests += 1
        await asyncio.sleep(self._latency_s)
        now = gate.now()
        is_late = sent_at - self._began >= BEGINNING_S
        self.later += is_late
        wait_s = self._quota.take(now - self._began)
        if wait_s > 0:
            self.refused[purpose] += 1
            self.later_refused += is_late
            gate.outcomes.tell(Refused(now - sent_at, wait_s))
            raise RateLimited(f"{purpose}: 429", wait_s)
        gate.outcomes.tell(Answered(now - sent_at, is_small=is_small))


class ListedClient(FileSearchClient):
    """A store that is only listed: documents are made as they are asked for, page by page."""

    def __init__(self, documents: Iterable[Document], count: int) -> None:
        self._documents = documents
        self._count_of_documents = count

    async def get_store(self, name: str) -> Store:
        return Store(name, "bench", self._count_of_documents, 0, 0, 0)

    async def document_pages(self, store_name: str) -> AsyncIterator[list[Document]]:
        documents = iter(self._documents)
        while page := list(itertools.islice(documents, PAGE_SIZE)):
            yield page
