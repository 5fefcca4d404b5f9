"""Storing in the background what was read, a batch at a time, while the next files are read."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

_Item = TypeVar("_Item")

LINGER_SECONDS = 1.0
"""How long a file that was read may wait for others before it is stored."""


class Batches(Generic[_Item]):
    """Gives items to `store` in batches of about `limit` by `weight`; one batch is stored at a time.

    When nothing is being stored, a smaller batch goes after `LINGER_SECONDS`, so that a short file
    need not wait for the long one behind it. What `store` raises is raised by the next call. Used as
    a context manager; leaving it with an error abandons what is being stored, see `abandoned`.
    """

    def __init__(
        self, store: Callable[[Sequence[_Item]], None], *, weight: Callable[[_Item], int], limit: int
    ) -> None:
        self._store = store
        self._weight = weight
        self._limit = limit
        self._waiting: list[_Item] = []
        self._since = 0.0
        self._under_way: Future[None] | None = None
        self._items: list[_Item] = []
        self._abandoned = threading.Event()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="storing")

    def __enter__(self) -> Batches[_Item]:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._abandoned.set()
        self._executor.shutdown()

    @property
    def abandoned(self) -> bool:
        """Whether what is being stored is wanted no more."""
        return self._abandoned.is_set()

    def unfinished(self) -> list[_Item]:
        """What is not stored yet."""
        return [*self._items, *self._waiting]

    def add(self, item: _Item) -> None:
        """Store an item soon."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append(item)
        if sum(map(self._weight, self._waiting)) >= self._limit:
            self._begin()
        else:
            self.look()

    def look(self) -> None:
        """Begin with a smaller batch when it is time."""
        if self._under_way is not None and self._under_way.done():
            self._settle()
        if self._waiting and self._under_way is None and time.monotonic() - self._since >= LINGER_SECONDS:
            self._begin()

    def finish(self) -> None:
        """Return when all is stored."""
        if self._waiting:
            self._begin()
        self._settle()

    def _begin(self) -> None:
        self._settle()
        self._items, self._waiting = self._waiting, []
        context = contextvars.copy_context()
        self._under_way = self._executor.submit(context.run, self._store, self._items)

    def _settle(self) -> None:
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            under_way.result()
            self._items = []
