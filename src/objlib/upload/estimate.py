"""What an upload will take, told before anything is sent: tokens, dollars, requests, minutes.

All of it is arithmetic on what the catalog knows. Tokens are the weakest figure: only the backend
counts them, and for text they are close to a quarter of its bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from objlib.catalog.queries import Work
from objlib.upload.pressure import TIERS

#: Google's rule of thumb is four characters a token.
BYTES_PER_TOKEN = 4

#: Indexing costs what embedding its tokens does: gemini-embedding-001 in spring 2026.
DOLLARS_PER_MILLION_TOKENS = 0.15

#: Start of the upload, its content, the import, a look at the document, deletion of the raw file.
REQUESTS_PER_FILE = 5

#: A document takes about three times its bytes in the store: input and embeddings.
STORED_BYTES_PER_BYTE = 3

#: Tier -> bytes that all stores of a project may take together.
STORAGE_BYTES = {"free": 1 << 30, "1": 10 << 30, "2": 100 << 30, "3": 1 << 40}

#: Tier -> dollars that may be spent in any ten minutes; the free tier spends none.
DOLLARS_IN_TEN_MINUTES = {"1": 10.0, "2": 50.0, "3": 200.0}


@dataclass(frozen=True, slots=True)
class Estimate:
    """The price of some work at Gemini: the least it can be, if no request is repeated."""

    tokens: int
    dollars: float
    requests: int
    stored_bytes: int

    def minutes(self, requests_per_minute: float, tier: str | None = None) -> float:
        """How long the quota makes it last, whichever is used up first: requests or spending."""
        by_requests = self.requests / requests_per_minute
        spending = DOLLARS_IN_TEN_MINUTES.get(tier or "")
        return max(by_requests, 10 * self.dollars / spending if spending else 0.0)

    def minutes_by_tier(self) -> dict[str, float]:
        """Tier -> minutes."""
        return {tier: self.minutes(rate, tier) for tier, rate in TIERS.items()}

    def tiers_that_hold_it(self) -> list[str]:
        """The tiers whose storage is large enough, were there nothing else in it."""
        return [tier for tier, limit in STORAGE_BYTES.items() if self.stored_bytes <= limit]


def estimate(work: Work) -> Estimate:
    """What some work will take."""
    tokens = -(-work.text_bytes // BYTES_PER_TOKEN)
    return Estimate(
        tokens=tokens,
        dollars=tokens * DOLLARS_PER_MILLION_TOKENS / 1_000_000,
        requests=work.files * REQUESTS_PER_FILE + work.replaced,
        stored_bytes=work.size_bytes * STORED_BYTES_PER_BYTE,
    )
