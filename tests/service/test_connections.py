"""The connections of a client are bounded by what is on its way, not by what it was made for."""

from __future__ import annotations

import asyncio

import httpx2

from objlib.gemini.transport import network_transport

AT_ONCE = 60


def test_a_client_made_for_a_look_can_send_fifty_at_a_time() -> None:
    """The server answers nobody before all have come: a pool of ten would wait for ever."""

    async def story() -> int:
        waiting, all_came = 0, asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal waiting
            await reader.readuntil(b"\r\n\r\n")
            waiting += 1
            if waiting == AT_ONCE:
                all_came.set()
            await all_came.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=AT_ONCE)
        port = server.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/"
        async with server, httpx2.AsyncClient(transport=network_transport(url)) as client:
            asked = [client.get(url, timeout=60) for _ in range(AT_ONCE)]
            answers = await asyncio.gather(*asked)
        return len([answer for answer in answers if answer.status_code == httpx2.codes.OK])

    assert asyncio.run(story()) == AT_ONCE
