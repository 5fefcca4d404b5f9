"""Drawing from an answer that is being written, so that whoever leaves ends it at once."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

_Item = TypeVar("_Item")

_LOOK_SECONDS = 0.25


async def drawn(items: Iterator[_Item], *, beat: float) -> AsyncIterator[_Item | None]:
    """What the blocking `items` yield; None whenever `beat` seconds have brought nothing.

    They are drawn by a thread of their own, since one that is blocked cannot be called back. When
    this ends early, the thread ends `items` as soon as they yield once more.
    """
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[tuple[_Item | None, BaseException | None]] = asyncio.Queue()
    left = threading.Event()

    def hand_over(item: _Item | None, error: BaseException | None) -> None:
        if not left.is_set():
            loop.call_soon_threadsafe(arrived.put_nowait, (item, error))

    def draw() -> None:
        try:
            for item in items:
                if left.is_set():
                    break
                hand_over(item, None)
            hand_over(None, StopAsyncIteration())
        except BaseException as error:
            hand_over(None, error)
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(draw,), name="answer", daemon=True).start()
    try:
        while True:
            try:
                item, error = await asyncio.wait_for(arrived.get(), beat)
            except asyncio.TimeoutError:
                yield None
                continue
            if isinstance(error, StopAsyncIteration):
                return
            if error is not None:
                raise error
            yield item
    finally:
        left.set()


async def all_drawn(items: Iterator[_Item], request: Request) -> list[_Item]:
    """All items of an answer that is sent whole. Raises `ClientDisconnect` when nobody waits for it."""
    found: list[_Item] = []
    async for item in drawn(items, beat=_LOOK_SECONDS):
        if item is not None:
            found.append(item)
        # Also while items come, since a quick model leaves no pause until its answer is complete.
        if await request.is_disconnected():
            raise ClientDisconnect
    return found
