"""Connections whose request does not come are closed; those whose request is being answered are not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from app.http.connections import timed_heads

HEAD = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


class Place:
    """A server with one connection: its two ends, and when its request is asked and answered."""

    def __init__(self) -> None:
        self.asked, self.answer = asyncio.Event(), asyncio.Event()
        self.protocol: Any = None
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def app(self, _scope: Any, _receive: Any, send: Any) -> None:
        self.asked.set()
        await self.answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


def talk_with(talk: Callable[[Place], Awaitable[None]], *, seconds: float) -> None:
    """Let `talk` use a connection to a server on which a head may take so long."""

    async def run() -> None:
        place, loop = Place(), asyncio.get_running_loop()
        kept = timed_heads(seconds)
        config = uvicorn.Config(place.app, http=kept, interface="asgi3", lifespan="off", log_config=None)
        config.load()

        def made() -> Any:
            kind: Any = config.http_protocol_class
            place.protocol = kind(config=config, server_state=ServerState(), app_state={})
            return place.protocol

        server = await loop.create_server(made, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        place.reader, place.writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await talk(place)
        finally:
            place.writer.close()
            server.close()

    asyncio.run(run())


@pytest.mark.parametrize("sent", [b"", HEAD[:10]])
def test_a_head_that_does_not_come_closes_the_connection(sent: bytes) -> None:
    async def talk(place: Place) -> None:
        place.writer.write(sent)
        assert await place.reader.read() == b""

    talk_with(talk, seconds=0.05)


def test_bytes_that_drip_do_not_put_it_off() -> None:
    async def talk(place: Place) -> None:
        end = asyncio.ensure_future(place.reader.read())
        while not end.done():
            place.writer.write(b"X")
            await asyncio.wait([end], timeout=0.01)
        assert not place.asked.is_set()

    talk_with(talk, seconds=0.05)


def test_an_answer_has_no_limit_and_the_next_head_has_its_own() -> None:
    async def talk(place: Place) -> None:
        place.writer.write(HEAD)
        await place.asked.wait()
        assert place.protocol._deadline is None
        place.answer.set()
        assert (await place.reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        assert place.protocol._deadline is None
        place.protocol.data_received(HEAD[:1])
        begun = place.protocol._deadline
        place.protocol.data_received(HEAD[1:2])
        assert place.protocol._deadline is begun is not None

    talk_with(talk, seconds=3600)
