"""The price of an upload, told before anything is sent: tokens, dollars, requests, minutes.

All of it is arithmetic on what the catalog knows. Tokens are the weakest figure: only the backend
counts them, and for text they are close to a quarter of its bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from objlib.catalog.tallies import Work
from objlib.congestion.pressure import INDEXING_MAX, INDEXING_START, TIERS

#: Google's rule of thumb is four characters a token.
BYTES_PER_TOKEN = 4

#: Indexing costs what embedding its tokens does: gemini-embedding-001 in spring 2026.
DOLLARS_PER_MILLION_TOKENS = 0.15

#: Start of the upload, its content, the import, a look at the document, deletion of the raw file.
REQUESTS_PER_FILE = 5

#: Seconds that a file is on its way when its document is indexed in eight: three requests, the
#: indexing, the look that sees it, the deletion of the raw file. The run finds out what a store
#: really takes.
FILE_S = 10.0

#: A document takes about three times its bytes in the store: input and embeddings.
STORED_BYTES_PER_BYTE = 3

#: Tier -> bytes that all stores of a project may take together.
STORAGE_BYTES = {"free": 1 << 30, "1": 10 << 30, "2": 100 << 30, "3": 1 << 40}

#: Tier -> dollars that may be spent in any ten minutes; the free tier spends none.
DOLLARS_IN_TEN_MINUTES = {"1": 10.0, "2": 50.0, "3": 200.0}


@dataclass(frozen=True, slots=True)
class Estimate:
    """The price of some work at Gemini: the least it can be, if no request is repeated."""

    files: int
    tokens: int
    dollars: float
    requests: int
    stored_bytes: int

    @property
    def dollars_per_million_tokens(self) -> float:
        """Price of a million tokens."""
        return DOLLARS_PER_MILLION_TOKENS

    def minutes(self, requests_per_minute: float, tier: str | None = None) -> float:
        """Return the minutes it lasts: the longest of requests, indexing and spending."""
        by_requests = self.requests / requests_per_minute
        spending = DOLLARS_IN_TEN_MINUTES.get(tier or "")
        by_spending = 10 * self.dollars / spending if spending else 0.0
        files_per_s = requests_per_minute / 60 / REQUESTS_PER_FILE
        return max(by_requests, by_spending, indexing_s(self.files, files_per_s) / 60)

    def minutes_by_tier(self) -> dict[str, float]:
        """Return tier -> minutes."""
        return {tier: self.minutes(rate, tier) for tier, rate in TIERS.items()}

    def tiers_that_hold_it(self) -> list[str]:
        """Return the tiers whose storage is large enough, were there nothing else in it."""
        return [tier for tier, limit in STORAGE_BYTES.items() if self.stored_bytes <= limit]


def indexing_s(files: int, files_per_s: float) -> float:
    """Seconds until so many files are indexed, when the pressure control finds no trouble.

    The number of files on their way begins at `INDEXING_START` and grows by one in the time that
    one takes, up to `INDEXING_MAX` or to what `files_per_s` needs. In n such times after the first
    it lets n * start + n² / 2 files through.
    """
    if not files:
        return 0.0
    needed = min(float(INDEXING_MAX), max(float(INDEXING_START), files_per_s * FILE_S))
    rises = needed - INDEXING_START
    while_rising = rises * (INDEXING_START + needed) / 2
    if files <= while_rising:
        rounds = math.sqrt(INDEXING_START**2 + 2.0 * files) - INDEXING_START
        return FILE_S * (rounds + 1)
    rest_s = (files - while_rising) / min(files_per_s, needed / FILE_S)
    return FILE_S * (rises + 1) + rest_s


def estimate(work: Work) -> Estimate:
    """Return the price of some work."""
    tokens = -(-work.text_bytes // BYTES_PER_TOKEN)
    return Estimate(
        files=work.files,
        tokens=tokens,
        dollars=tokens * DOLLARS_PER_MILLION_TOKENS / 1_000_000,
        requests=work.files * REQUESTS_PER_FILE + work.replaced,
        stored_bytes=work.size_bytes * STORED_BYTES_PER_BYTE,
    )
