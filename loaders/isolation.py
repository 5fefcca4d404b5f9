"""Parsing in a process of its own, so that no file can take the service down.

A worker that crashes, hangs or is cancelled is killed and another takes its place; one that
ends well is used for the next file, so that imports and the OCR engine stay warm.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from loaders.base import FaqColumns, Limits
from loaders.document import Page, ParsedDocument
from loaders.errors import DamagedFileError, LimitExceededError, LoadingCancelledError
from loaders.isolation_worker import (
    Alive,
    Finished,
    PageMessage,
    Pause,
    RecogniserFactory,
    Task,
    work,
)

_POLL_SECONDS = 0.1
_START_SECONDS = 300.0
"""Long, because a starved machine starts slowly, and a worker that has died is noticed at once."""
_KILL_SECONDS = 5.0
SLICE_SECONDS = 5.0
"""How long a file may keep a worker that others wait for; then they have their turn, between two pages."""

Cancelled = Callable[[], bool]


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
    and the page under way at a time.
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
        self._factory = ocr_factory
        self._memory_bytes = memory_bytes
        self._page_seconds = page_seconds
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._running: set[_Worker] = set()
        self._slice_seconds = slice_seconds
        self._turn = threading.Condition()
        # A place holds an idle worker, or None for one that is yet to be started.
        self._places: list[_Worker | None] = [None] * workers
        self._waiting: deque[object] = deque()

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
        worker = self._take(cancelled, task.name)
        start, paused, done = time.monotonic(), False, False
        last = task.first_page
        try:
            worker.send(task)
            while True:
                message = self._receive(worker, self._page_seconds, cancelled, task.name)
                if isinstance(message, PageMessage):
                    last = message.page.number or last
                    yield ReadPage(message.page, message.total, message.format)
                    if not paused and self._waiting and time.monotonic() - start >= self._slice_seconds:
                        worker.send(Pause())
                        paused = True
                elif isinstance(message, Finished):
                    # Memory that a large file has left behind is given back with the process.
                    done = message.resident < self._memory_bytes // 2
                    if message.error is not None:
                        raise message.error
                    return replace(task, first_page=last + 1) if message.more else None
        finally:
            self._give_back(worker, usable=done)

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
        self._closed.set()
        with self._lock:
            running = list(self._running)
            self._running.clear()
        for worker in running:
            worker.kill()

    def __enter__(self) -> IsolatedParser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, cancelled: Cancelled | None, name: str) -> _Worker:
        """An idle worker; waits while all are at work."""
        idle = self._wait_for_place(cancelled)
        if idle is not None and idle.alive:
            return idle
        if idle is not None:
            self._forget(idle)
        fresh: _Worker | None = None
        try:
            fresh = _Worker(self._factory, self._memory_bytes)
            with self._lock:
                self._running.add(fresh)
            self._receive(fresh, _START_SECONDS, cancelled, name)
        except BaseException:
            if fresh is not None:
                self._forget(fresh)
            self._free_place(None)
            raise
        return fresh

    def _wait_for_place(self, cancelled: Cancelled | None) -> _Worker | None:
        """A place, first come, first served."""
        ticket = object()
        with self._turn:
            self._waiting.append(ticket)
            try:
                while True:
                    self._check(cancelled)
                    if self._places and self._waiting[0] is ticket:
                        return self._places.pop()
                    self._turn.wait(_POLL_SECONDS)
            finally:
                self._waiting.remove(ticket)
                self._turn.notify_all()

    def _free_place(self, worker: _Worker | None) -> None:
        with self._turn:
            self._places.append(worker)
            self._turn.notify_all()

    def _give_back(self, worker: _Worker, *, usable: bool) -> None:
        if usable and not self._closed.is_set():
            self._free_place(worker)
        else:
            self._forget(worker)
            self._free_place(None)

    def _forget(self, worker: _Worker) -> None:
        with self._lock:
            self._running.discard(worker)
        worker.kill()

    def _check(self, cancelled: Cancelled | None) -> None:
        if self._closed.is_set() or (cancelled is not None and cancelled()):
            raise LoadingCancelledError("The load was cancelled.")

    def _receive(self, worker: _Worker, seconds: float, cancelled: Cancelled | None, name: str) -> Any:
        """The worker's next message. It must come within `seconds`, or sooner be cancelled."""
        deadline = time.monotonic() + seconds
        while True:
            self._check(cancelled)
            try:
                if worker.channel.poll(_POLL_SECONDS):
                    message = worker.channel.recv()
                    if not isinstance(message, Alive):
                        return message
                    deadline = time.monotonic() + seconds
            except (EOFError, OSError) as error:
                self._check(cancelled)
                raise DamagedFileError(
                    f"The reader of “{name}” ended unexpectedly ({worker.ending()}).",
                    name=name,
                    reason="crash",
                    ending=worker.ending(),
                ) from error
            if time.monotonic() > deadline:
                raise LimitExceededError(
                    f"A page of “{name}” took longer than {seconds:g} s.",
                    name=name,
                    limit="page_seconds",
                    maximum=seconds,
                )


class _Worker:
    """A process and the pipe to it."""

    def __init__(self, factory: RecogniserFactory | None, memory_bytes: int) -> None:
        # "spawn" copies no state of the service's threads, and runs on every system.
        context = multiprocessing.get_context("spawn")
        self.channel, theirs = context.Pipe()
        self._process = context.Process(
            target=work, args=(theirs, factory, memory_bytes), name="zhiwen-reader", daemon=True
        )
        self._process.start()
        theirs.close()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def send(self, task: Task | Pause) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.channel.send(task)  # the loss shows when the answer is awaited

    def ending(self) -> str:
        """How the process ended, in words."""
        self._process.join(_KILL_SECONDS)
        code = self._process.exitcode
        if code is not None and code < 0:
            return signal.Signals(-code).name
        return f"status {code}"

    def kill(self) -> None:
        """End the process and what it started, at once."""
        if self._process.pid is not None and self._process.exitcode is None and hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError, ValueError):
            self._process.kill()
        self._process.join(_KILL_SECONDS)
        self.channel.close()
