"""Processes that are ended and replaced when they crash, hang or are cancelled, and else stay warm."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from loaders.errors import DamagedFileError, LimitExceededError, LoadingCancelledError
from loaders.isolation_worker import Alive, Drawing, Pause, RecogniserFactory, Task, work
from loaders.temporary import storing

_POLL_SECONDS = 0.1
_START_SECONDS = 300.0
"""Long, because a starved machine starts slowly, and a worker that has died is noticed at once."""
_KILL_SECONDS = 5.0

Cancelled = Callable[[], bool]


class WorkerPool:
    """At most `workers` processes, each with its own memory limit and started when needed. Safe for threads.

    A place is taken, and given back with its worker where that may serve again.
    """

    def __init__(
        self, ocr_factory: RecogniserFactory | None = None, *, memory_bytes: int, workers: int
    ) -> None:
        self._factory = ocr_factory
        self._memory_bytes = memory_bytes
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._running: set[Worker] = set()
        self._turn = threading.Condition()
        # A place holds an idle worker, or None for one that is yet to be started.
        self._places: list[Worker | None] = [None] * workers
        self._waiting: deque[object] = deque()

    @property
    def contended(self) -> bool:
        """Whether somebody waits for a place."""
        return bool(self._waiting)

    def close(self) -> None:
        """End all workers; whoever uses or awaits one gets `LoadingCancelledError`."""
        self._closed.set()
        with self._lock:
            running = list(self._running)
            self._running.clear()
        for worker in running:
            worker.kill()

    def take(self, cancelled: Cancelled | None, name: str) -> Worker:
        """An idle worker; waits while all are at work."""
        idle = self._wait_for_place(cancelled)
        if idle is not None and idle.alive:
            return idle
        if idle is not None:
            self._forget(idle)
        fresh: Worker | None = None
        try:
            fresh = Worker(self._factory, self._memory_bytes)
            with self._lock:
                self._running.add(fresh)
            self.receive(fresh, _START_SECONDS, cancelled, name)
        except BaseException:
            if fresh is not None:
                self._forget(fresh)
            self._free_place(None)
            raise
        return fresh

    def _wait_for_place(self, cancelled: Cancelled | None) -> Worker | None:
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

    def _free_place(self, worker: Worker | None) -> None:
        with self._turn:
            self._places.append(worker)
            self._turn.notify_all()

    def give_back(self, worker: Worker, *, resident: int | None) -> None:
        """Free the place; `resident` is the memory of a worker that ended its task well.

        Memory that a large file has left behind is given back with the process.
        """
        usable = resident is not None and resident < self._memory_bytes // 2
        if usable and not self._closed.is_set():
            self._free_place(worker)
        else:
            self._forget(worker)
            self._free_place(None)

    def _forget(self, worker: Worker) -> None:
        with self._lock:
            self._running.discard(worker)
        worker.kill()

    def _check(self, cancelled: Cancelled | None) -> None:
        if self._closed.is_set() or (cancelled is not None and cancelled()):
            raise LoadingCancelledError("The load was cancelled.")

    def receive(self, worker: Worker, seconds: float, cancelled: Cancelled | None, name: str) -> Any:
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


class Worker:
    """A process, the pipe to it, and a temporary folder of its own."""

    def __init__(self, factory: RecogniserFactory | None, memory_bytes: int) -> None:
        # "spawn" copies no state of the service's threads, and runs on every system.
        context = multiprocessing.get_context("spawn")
        self.channel, theirs = context.Pipe()
        with storing():
            folder = tempfile.mkdtemp(prefix="zhiwen-")
        # Also at the end of this process, whatever then becomes of the worker.
        self._remove_folder = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._ending = threading.Lock()
        self._process = context.Process(
            target=work,
            args=(theirs, factory, memory_bytes, folder),
            name="zhiwen-reader",
            daemon=True,
        )
        self._process.start()
        theirs.close()

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.is_alive()

    def send(self, task: Task | Drawing | Pause) -> None:
        """Give the process something to do."""
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
        """End the process and what it started, at once, and remove what they left. Safe for threads."""
        # The pool that closes and the reader of the file may both end it: a pipe closed by two at
        # once fails, or closes what has just been opened under the same number.
        with self._ending:
            if self._process.pid is not None and self._process.exitcode is None and hasattr(os, "killpg"):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError, ValueError):
                self._process.kill()
            self._process.join(_KILL_SECONDS)
            self.channel.close()
            self._remove_folder()
