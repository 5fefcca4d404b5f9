"""Connections that keep nobody waiting, neither those who come nor the end of the server.

Who opens one has so long to send the head of a request: uvicorn bounds how long a connection may be
idle between requests, but neither before the first one nor once a byte of the next has come, so that
a byte a second would hold a connection for ever.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol


class _TimedHeads(H11Protocol):
    header_seconds: float
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self not in self.connections or not (self.cycle is None or self.cycle.response_complete):
            self._stop_waiting()  # it has become a WebSocket, or its request is being answered
        elif self._deadline is None:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(self.header_seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def timed_heads(seconds: float) -> type[asyncio.Protocol]:
    """uvicorn's protocol, closing connections whose next request has no complete head after `seconds`."""
    return cast(type[asyncio.Protocol], type("TimedHeads", (_TimedHeads,), {"header_seconds": seconds}))


class DrainingServer(uvicorn.Server):
    """Calls `leaving` before it waits for the answers under way.

    Streams that go on for as long as the server does are to be ended then; they would use up all the
    time that the answers are given.
    """

    def __init__(self, config: uvicorn.Config, leaving: Callable[[], None]) -> None:
        super().__init__(config)
        self._leaving = leaving

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server.shutdown`."""
        self._leaving()
        await super().shutdown(sockets)
