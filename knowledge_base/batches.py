"""Storing in the background what was read, a batch at a time, while the next files are read."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

_Item = TypeVar("_Item")

LINGER_SECONDS = 1.0
"""How long a file that was read may wait for others before it is stored."""


class Batches(Generic[_Item]):
    """Gives items to `store` in batches of about `limit` by `weight`; one batch is stored at a time.

    A smaller batch goes after `LINGER_SECONDS`, so that a short file need not wait for the long one
    behind it. What `store` raises is raised by the next call. Used as a context manager; leaving it
    with an error abandons what is being stored, see `abandoned`.
    """

    def __init__(
        self, store: Callable[[Sequence[_Item]], None], *, weight: Callable[[_Item], int], limit: int
    ) -> None:
        self._store = store
        self._weight = weight
        self._limit = limit
        self._changed = threading.Condition()
        self._waiting: list[_Item] = []
        self._due = 0.0
        """When, on the monotonic clock, those that wait are to be stored however few they are."""
        self._under_way: list[_Item] = []
        self._error: BaseException | None = None
        self._leaving = False
        self._abandoned = threading.Event()
        context = contextvars.copy_context()  # what is logged names the job
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="storing", daemon=True)

    def __enter__(self) -> Batches[_Item]:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._abandoned.set()
        with self._changed:
            self._leaving = True
            self._changed.notify_all()
        self._thread.join()

    @property
    def abandoned(self) -> bool:
        """Whether what is being stored is wanted no more."""
        return self._abandoned.is_set()

    def unfinished(self) -> list[_Item]:
        """What is not stored yet."""
        with self._changed:
            return [*self._under_way, *self._waiting]

    def add(self, item: _Item) -> None:
        """Store an item soon; waits while a whole batch is waiting already."""
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None or not self._full())
            self.check()
            if not self._waiting:
                self._due = time.monotonic() + LINGER_SECONDS
            self._waiting.append(item)
            self._changed.notify_all()

    def check(self) -> None:
        """Raise what storing has raised."""
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        """Return when all is stored."""
        with self._changed:
            self._due = 0.0
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._error is not None or not (self._waiting or self._under_way))
            self.check()

    def _full(self) -> bool:
        return sum(map(self._weight, self._waiting)) >= self._limit

    def _run(self) -> None:
        while self._next():
            try:
                self._store(self._under_way)
            except BaseException as error:
                self._error = error  # for the caller's thread
            with self._changed:
                self._under_way = []
                self._changed.notify_all()

    def _next(self) -> bool:
        """Wait for a batch and take it; false at the end."""
        with self._changed:
            while not self._leaving and self._error is None:
                rest = self._due - time.monotonic()
                if self._waiting and (rest <= 0 or self._full()):
                    self._under_way, self._waiting = self._waiting, []
                    self._changed.notify_all()
                    return True
                self._changed.wait(rest if self._waiting else None)
            return False
