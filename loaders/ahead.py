"""Pages in order, while threads read the pictures on some of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from loaders.document import Page
from loaders.ocr_pages import OcrResult

_AT_ONCE = 2
"""Pictures, so that the lines of one are found while those of another are read."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A page with pictures to read, each by a function, and how it is made of what they say."""

    pictures: Sequence[Callable[[], OcrResult]]
    finish: Callable[[list[OcrResult]], Page]


def in_order(pages: Iterable[Page | Unfinished], *, ahead: int) -> Generator[Page]:
    """Read the pictures of pages in threads, while up to `ahead` pages after the first of them are begun.

    A page with nothing left to do, and none before it unfinished, comes at once. Errors come in the
    place of their pages; leaving early waits for the pictures that are being read, not for others.
    """
    waiting: deque[_Begun] = deque()
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="picture") as pool:
        try:
            for page in pages:
                waiting.append(_Begun(page, pool))
                while waiting and (waiting[0].ready() or len(waiting) > ahead):
                    yield waiting.popleft().page()
            while waiting:
                yield waiting.popleft().page()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _Begun:
    """A page whose pictures are being read, or wait for it."""

    def __init__(self, page: Page | Unfinished, pool: ThreadPoolExecutor) -> None:
        self._page = page
        self._readings: list[Future[OcrResult]] = []
        if isinstance(page, Unfinished):
            self._readings = [pool.submit(picture) for picture in page.pictures]

    def ready(self) -> bool:
        return all(reading.done() for reading in self._readings)

    def page(self) -> Page:
        if isinstance(self._page, Page):
            return self._page
        return self._page.finish([reading.result() for reading in self._readings])
