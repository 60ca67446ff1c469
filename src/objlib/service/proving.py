"""The work of a verification."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reactivex import Observable

from objlib.catalog.binding import BoundLibrary
from objlib.catalog.protocol import Catalog
from objlib.config import Settings
from objlib.gemini.resources import AnswerOutcome, Passage, Store
from objlib.search.proof import NoVerdict, Proof, ProofReport, Subset, count_proof, proofs
from objlib.service.runs import Work, work_of
from objlib.threads import in_thread
from objlib.upload.shutdown import Shutdown

if TYPE_CHECKING:
    from objlib.gemini.client import FileSearchClient

#: Outcomes that tell about a file even when nothing is cited.
_SAYS_SOMETHING = (AnswerOutcome.ANSWERED, AnswerOutcome.UNGROUNDED)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The files to ask about.

    Args:
        subset: only the files of this part of the library.
        limit: only so many files, those whose last proof is oldest.
        seed: chooses the sentences that are asked about; another one each time without it.
    """

    subset: Subset | None
    limit: int | None
    seed: int | None


def proving(
    catalog: Catalog,
    client: FileSearchClient,
    bound: BoundLibrary,
    store: Store,
    settings: Settings,
    wanted: Wanted,
) -> Work[Proof, ProofReport]:
    """Return the work of asking the store about each indexed file."""

    async def ask(question: str, metadata_filter: str | None) -> Sequence[Passage]:
        answer = await client.generate(
            question,
            model=settings.model,
            store_names=[store.name],
            metadata_filter=metadata_filter,
        )
        if not answer.passages and answer.outcome not in _SAYS_SOMETHING:
            raise NoVerdict
        return answer.passages

    def asked(shutdown: Shutdown) -> Observable[Proof]:
        return proofs(
            catalog,
            bound.root,
            ask,
            subset=wanted.subset,
            limit=wanted.limit,
            concurrency=settings.concurrency,
            waits=settings.waits,
            rng=random.Random(wanted.seed),
            links_to=settings.follow_links_to,
            until=shutdown.stop_accepting,
            offload=in_thread,
        )

    return work_of(asked, count_proof, ProofReport())
