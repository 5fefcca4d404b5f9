"""Pages in order, while threads finish some of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from loaders.document import Page

Unfinished = Callable[[], Page]
"""What is left to do for a page."""

_AT_ONCE = 2
"""So that the lines of one are found while those of another are read."""


def in_order(pages: Iterable[Page | Unfinished], *, ahead: int) -> Generator[Page]:
    """Finish two pages at a time, while up to `ahead` pages after the first of them are begun.

    A page with nothing left to do, and none before it unfinished, comes at once. Errors come in the
    place of their pages; leaving early waits for the pages that are being finished, not for others.
    """
    waiting: deque[Future[Page]] = deque()
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="page") as pool:
        try:
            for page in pages:
                waiting.append(_finished(page) if isinstance(page, Page) else pool.submit(page))
                while waiting and (waiting[0].done() or len(waiting) > ahead):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _finished(page: Page) -> Future[Page]:
    future: Future[Page] = Future()
    future.set_result(page)
    return future
