"""Parsing in a process of its own, so that no file can take the service down.

A worker that crashes, hangs or is cancelled is killed and another takes its place; one that
ends well is used for the next file, so that imports and the OCR engine stay warm.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

from loaders.base import FaqColumns, Limits
from loaders.document import Page, ParsedDocument
from loaders.errors import DamagedFileError
from loaders.isolation_worker import Finished, PageMessage, Pause, RecogniserFactory, Task
from loaders.worker_pool import Cancelled, WorkerPool

SLICE_SECONDS = 5.0
"""How long a file may keep a worker that others wait for; then they have their turn, between two pages."""


class ReadPage(NamedTuple):
    """A page as it comes from the worker."""

    page: Page
    total: int
    """The number of pages, as far as it is known."""
    format: str


class ReadPages(Protocol):
    """Pages of a file that were read before, and where those read now are kept."""

    @property
    def pages(self) -> Sequence[ReadPage]:
        """The first pages of the file, in order."""
        ...

    def append(self, read: ReadPage) -> None:
        """Keep the next page."""
        ...


class IsolatedParser:
    """Parses files in `workers` processes, each with its own memory limit. Safe for threads.

    `ocr_factory` builds the OCR engine inside the worker, at the first picture; it must be
    picklable, such as a function of a module. `memory_bytes` bounds what one worker allocates
    (on Linux), `page_seconds` the time from one page to the next. Processes start when they
    are first needed. While more files are read than there are workers, each has `slice_seconds`
    and the page under way at a time, except those whose later pages cannot be read alone.
    """

    def __init__(
        self,
        ocr_factory: RecogniserFactory | None = None,
        *,
        memory_bytes: int = 2 * 1024**3,
        page_seconds: float = 120.0,
        workers: int = 1,
        slice_seconds: float = SLICE_SECONDS,
    ) -> None:
        self._pool = WorkerPool(ocr_factory, memory_bytes=memory_bytes, workers=workers)
        self._page_seconds = page_seconds
        self._slice_seconds = slice_seconds

    def pages(
        self,
        path: Path,
        *,
        name: str,
        limits: Limits | None = None,
        faq: FaqColumns | None = None,
        first_page: int = 1,
        one_page: bool = False,
        cancelled: Cancelled | None = None,
    ) -> Iterator[ReadPage]:
        """The pages of the file that the user calls `name`, each as soon as it is read.

        With `one_page` the first is read alone, which shows whether the file can be opened.

        Raises what the format's loader raises, `DamagedFileError` when the worker crashed
        (`details["reason"]` is "crash"), `LimitExceededError` when a page took too long, and
        `LoadingCancelledError` at most 2 s after `cancelled` turned true. Leaving the iterator early
        ends the worker.
        """
        task = Task(str(path), name, limits or Limits(), first_page, one_page, faq or FaqColumns())
        rest: Task | None = task
        while rest is not None:
            rest = yield from self._slice(rest, cancelled)

    def _slice(self, task: Task, cancelled: Cancelled | None) -> Generator[ReadPage, None, Task | None]:
        """The pages until others have their turn; what is left of the task then."""
        worker = self._pool.take(cancelled, task.name)
        start, paused, resident = time.monotonic(), False, None
        last = task.first_page
        try:
            worker.send(task)
            while True:
                message = self._pool.receive(worker, self._page_seconds, cancelled, task.name)
                if isinstance(message, PageMessage):
                    last = message.page.number or last
                    yield ReadPage(message.page, message.total, message.format)
                    if (
                        not paused
                        and self._pool.contended
                        and time.monotonic() - start >= self._slice_seconds
                    ):
                        worker.send(Pause())
                        paused = True
                elif isinstance(message, Finished):
                    resident = message.resident
                    if message.error is not None:
                        raise message.error
                    return replace(task, first_page=last + 1) if message.more else None
        finally:
            self._pool.give_back(worker, resident=resident)

    def parse(
        self,
        path: Path,
        *,
        name: str,
        limits: Limits | None = None,
        faq: FaqColumns | None = None,
        first_page: int = 1,
        most_pages: int | None = None,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Cancelled | None = None,
        kept: ReadPages | None = None,
    ) -> ParsedDocument:
        """Parse a whole file; like `loaders.registry.parse_file`, and with the errors of `pages`.

        Pages in `kept` are not read again; those read now are added to it. After `most_pages` the
        rest is left unread.
        """
        from loaders.registry import LOADERS, complete

        found: list[Page] = []
        kind = ""
        if kept is not None and kept.pages:
            found = [read.page for read in kept.pages]
            kind = kept.pages[-1].format
            first_page = (found[-1].number or len(found)) + 1
        stream = self.pages(
            path, name=name, limits=limits, faq=faq, first_page=first_page, cancelled=cancelled
        )
        for count, read in enumerate(stream, first_page):
            found.append(read.page)
            kind = read.format
            if kept is not None:
                kept.append(read)
            if progress is not None:
                progress(read.page.number or count, read.total)
            if most_pages is not None and len(found) >= most_pages:
                break
        loader = next((item for item in LOADERS if item.format == kind), None)
        if loader is None:
            raise DamagedFileError(f"“{name}” has no pages from {first_page} on.", name=name)
        return complete(loader, found, name=name)

    def close(self) -> None:
        """End all workers; files that are being read end with `LoadingCancelledError`."""
        self._pool.close()

    def __enter__(self) -> IsolatedParser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
