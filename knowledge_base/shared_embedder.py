"""One place where all ingestions embed: batches of several jobs together, and everyone's turn soon."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING

import numpy as np

from loaders.errors import LoadingCancelledError
from models.errors import ModelUnavailableError

if TYPE_CHECKING:
    from models.embedder import Embedder

AT_ONCE = 64
"""Texts of waiting callers that are embedded together."""
_POLL_SECONDS = 0.1
_IDLE_SECONDS = 5.0
_FIRST_WAIT_SECONDS = 0.5

_Request = tuple[list[str], "Future[np.ndarray]"]


class SharedEmbedder:
    """Embeds documents' texts for several threads, in the order of their calls.

    An embedder that is unavailable is tried again, at growing intervals, for `patience` seconds.
    """

    def __init__(self, embedder: Callable[[], Embedder], *, patience: float = 0.0) -> None:
        self._embedder = embedder
        self._patience = patience
        self._requests: queue.SimpleQueue[_Request] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def encode(self, texts: Sequence[str], *, cancelled: Callable[[], bool] = lambda: False) -> np.ndarray:
        """Vectors of shape (len(texts), dimension); call with few texts at a time.

        Raises `LoadingCancelledError` as soon as `cancelled` turns true, even while the model is at
        work, and a `ModelError` when it fails.
        """
        deadline, wait = time.monotonic() + self._patience, _FIRST_WAIT_SECONDS
        while True:
            try:
                return self._once(list(texts), cancelled)
            except ModelUnavailableError:
                if time.monotonic() + wait > deadline:
                    raise
            again = time.monotonic() + wait
            while time.monotonic() < again:
                _check(cancelled)
                time.sleep(_POLL_SECONDS)
            wait *= 2

    def _once(self, texts: list[str], cancelled: Callable[[], bool]) -> np.ndarray:
        future: Future[np.ndarray] = Future()
        with self._lock:
            self._requests.put((texts, future))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="embedding", daemon=True)
                self._thread.start()
        while True:
            try:
                return future.result(_POLL_SECONDS)
            except (FutureTimeoutError, CancelledError):
                if future.done() and not future.cancelled():
                    continue
                if cancelled():
                    future.cancel()
                _check(cancelled)

    def _run(self) -> None:
        while True:
            try:
                batch = [self._requests.get(timeout=_IDLE_SECONDS)]
            except queue.Empty:
                with self._lock:
                    if self._requests.empty():
                        self._thread = None
                        return
                continue
            while sum(len(texts) for texts, _ in batch) < AT_ONCE and not self._requests.empty():
                batch.append(self._requests.get())
            wanted = [request for request in batch if request[1].set_running_or_notify_cancel()]
            if wanted and not self._together(wanted):
                for request in wanted:  # one caller's text must not fail the others
                    self._alone(request)

    def _together(self, requests: list[_Request]) -> bool:
        if len(requests) == 1:
            return False
        try:
            vectors = self._embedder().encode_documents([text for texts, _ in requests for text in texts])
        except Exception:
            return False
        start = 0
        for texts, future in requests:
            future.set_result(vectors[start : start + len(texts)])
            start += len(texts)
        return True

    def _alone(self, request: _Request) -> None:
        texts, future = request
        try:
            future.set_result(self._embedder().encode_documents(texts))
        except BaseException as error:
            future.set_exception(error)


def _check(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise LoadingCancelledError("cancelled while embedding")
