"""The HTTP transport under the SDK: ours, so that nothing is retried or overlooked behind our back.

Left alone the SDK picks aiohttp where that happens to be installed and then repeats lost POSTs. It
also overlooks the HTTP status of an upload chunk as long as the answer says `active`, and sends a
chunk again, after sleeping, when the answer carries no upload status at all. A transport of our own
settles the first, and `HonestUploads` the other two. `Gated` makes every request wait its turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from objlib.congestion.gate import RequestGate
from objlib.congestion.outcomes import Abandoned, Answered, Broken, Outcome, Refused
from objlib.gemini.wire_errors import PASSING_CODES, requested_wait_s

UPLOAD_STATUS = "x-goog-upload-status"


@dataclass(frozen=True, eq=False)
class HonestUploads(httpx2.AsyncBaseTransport):
    """Makes the SDK see a refused upload chunk as what it is.

    A chunk answered with anything but 200 is marked `final`, upon which the SDK raises the error in
    the answer at once; a 200 without an upload status is marked `cancelled`, which it cannot take
    for progress.
    """

    #: The transport that does the work.
    inner: httpx2.AsyncBaseTransport

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self.inner.handle_async_request(request)
        if "upload" in request.headers.get("x-goog-upload-command", ""):
            if response.status_code != httpx2.codes.OK:
                response.headers[UPLOAD_STATUS] = "final"
            elif UPLOAD_STATUS not in response.headers:
                response.headers[UPLOAD_STATUS] = "cancelled"
        return response

    async def aclose(self) -> None:
        await self.inner.aclose()


@dataclass(frozen=True, eq=False)
class Gated(httpx2.AsyncBaseTransport):
    """Sends a request when the gate lets it pass, and tells the gate what became of it."""

    inner: httpx2.AsyncBaseTransport
    gate: RequestGate

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await self.gate.admitted()
        sent_at = self.gate.now()
        outcome: Outcome | None = None
        try:
            response = await self.inner.handle_async_request(request)
            outcome = await _outcome(request, response, self.gate.now() - sent_at)
            return response
        except httpx2.HTTPError:
            outcome = Broken(self.gate.now() - sent_at)
            raise
        finally:
            self.gate.outcomes.tell(outcome or Abandoned(self.gate.now() - sent_at))

    async def aclose(self) -> None:
        await self.inner.aclose()


async def _outcome(request: httpx2.Request, response: httpx2.Response, took_s: float) -> Outcome:
    code = response.status_code
    if code == httpx2.codes.TOO_MANY_REQUESTS or code in PASSING_CODES:
        wait_s = requested_wait_s(response.headers, await response.aread())
        return (Broken if code in PASSING_CODES else Refused)(took_s, wait_s)
    return Answered(took_s, is_small=request.method == "GET")


def network_transport(base_url: str) -> httpx2.AsyncBaseTransport:
    """Return a transport over real sockets, through the environment's proxy for this host, if any.

    The pool has no bound of its own: the gate says how many files are on their way, and a client
    that is made for a look at the store may send fifty at a time later.
    """
    url = urlsplit(base_url)
    proxy = None if proxy_bypass(url.hostname or "") else getproxies().get(url.scheme)
    limits = httpx2.Limits(
        max_connections=None, max_keepalive_connections=None, keepalive_expiry=30
    )
    return httpx2.AsyncHTTPTransport(limits=limits, proxy=proxy)
