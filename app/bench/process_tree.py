"""What this process and its children take."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import psutil


def processor_seconds() -> float:
    """Processor time of this process and of its children that are alive."""
    return float(sum(times.user + times.system for times in _each("cpu_times")))


class TreeMemory:
    """The most resident memory of this process and its children, sampled twice a second."""

    def __init__(self) -> None:
        self.peak = 0
        self._stop = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def now(self) -> int:
        """Bytes at this moment."""
        return sum(int(memory.rss) for memory in _each("memory_info"))

    def close(self) -> None:
        """Stop sampling."""
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            self.peak = max(self.peak, self.now())


def _each(what: str) -> Iterator[Any]:
    own = psutil.Process()
    for process in [own, *own.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            yield getattr(process, what)()
