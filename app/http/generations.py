"""How many answers are written and texts embedded at once, and how many may wait for their turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Request

from app.errors import TooManyRequestsError

_LOOK_SECONDS = 0.25
"""How often it is looked whether a client that waits is still there."""
_RETRY_SECONDS = 5


class Generations:
    """Slots for answers, given in the order in which they were asked for. For one event loop."""

    def __init__(self, *, at_once: int, waiting: int, patience: float) -> None:
        """At most `at_once` hold a slot and `waiting` wait for one, `patience` seconds at most."""
        self._at_once = at_once
        self._most_waiting = waiting
        self._patience = patience
        self._queue: deque[asyncio.Future[None]] = deque()
        self.active = 0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._queue)

    @asynccontextmanager
    async def slot(self, request: Request) -> AsyncIterator[None]:
        """Hold a slot. Raises `TooManyRequestsError` when too many wait, or it takes too long."""
        if self.active < self._at_once and not self._queue:
            self.active += 1
        elif len(self._queue) >= self._most_waiting:
            raise _too_many()
        else:
            await self._turn(request)
        try:
            yield
        finally:
            self._pass_on()

    async def _turn(self, request: Request) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            end = asyncio.get_running_loop().time() + self._patience
            while not turn.done():
                await asyncio.wait([turn], timeout=_LOOK_SECONDS)
                late = asyncio.get_running_loop().time() > end
                if not turn.done() and (late or await request.is_disconnected()):
                    raise _too_many()
        except BaseException:
            if turn.done():  # the slot was handed over at the last moment
                self._pass_on()
            else:
                self._queue.remove(turn)
            raise

    def _pass_on(self) -> None:
        if self._queue:
            self._queue.popleft().set_result(None)
        else:
            self.active -= 1


def _too_many() -> TooManyRequestsError:
    return TooManyRequestsError("too many answers are asked for at once", retry_after=_RETRY_SECONDS)


async def _generation_slot(request: Request) -> AsyncIterator[None]:
    generations: Generations = request.app.state.generations
    # FastAPI ends it once the answer has been sent, also when the client has left.
    async with generations.slot(request):
        yield


async def _embedding_slot(request: Request) -> AsyncIterator[None]:
    embeddings: Generations = request.app.state.embeddings
    async with embeddings.slot(request):
        yield


GenerationSlot = Annotated[None, Depends(_generation_slot)]
"""For routes that write an answer: a slot is held until all of it was sent."""
EmbeddingSlot = Annotated[None, Depends(_embedding_slot)]
"""For routes that embed what a client sends."""
