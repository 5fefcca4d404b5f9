"""How far a job has come, put together from what its ingestion reports."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from knowledge_base.ingestion import IngestedFile, Progress
from knowledge_base.types import JobProgress


class ProgressMeter:
    """Counts pages, chunks and bytes of a job over files of `sizes` bytes. Safe for threads."""

    def __init__(self, sizes: Sequence[int]) -> None:
        # A rebuild has no files of its own: its documents count like the pages of one. So do the
        # documents and chunks of an import.
        self._sizes = [max(size, 1) for size in sizes] or [1]
        self._pages: dict[int, tuple[int, int]] = {}
        self._stored: set[int] = set()
        self._read = 0.0
        self._embedded = 0.0
        self._pages_read = 0
        self._chunks = 0
        self._start = time.monotonic()
        self._lock = threading.Lock()

    def reached(self, at: Progress) -> None:
        """Take in a report."""
        with self._lock:
            share = at.done / max(at.total, 1)
            if at.stage in {"parse", "rebuild", "import"}:
                before, _ = self._pages.get(at.file, (at.done - 1, 0))
                self._pages[at.file] = (at.done, at.total)
                self._pages_read += max(at.done - before, 1)
                self._read = sum(self._sizes[: at.file]) + self._sizes[at.file] * share
            elif at.stage == "embed":
                batch = [i for i in range(at.file + 1) if i not in self._stored and i < len(self._sizes)]
                self._embedded = share * sum(self._sizes[i] for i in batch)

    def stored(self, index: int, result: IngestedFile) -> None:
        """Take in that a file has come to its end."""
        with self._lock:
            self._stored.add(index)
            self._embedded = 0.0
            if result.state in {"ready", "ready_with_problems"} and result.document is not None:
                self._chunks += result.document.chunks

    def progress(self) -> JobProgress:
        """What is known now."""
        with self._lock:
            elapsed = max(time.monotonic() - self._start, 1e-3)
            unopened = len(set(range(len(self._sizes))) - set(self._pages) - self._stored)
            return JobProgress(
                pages_done=sum(done for done, _ in self._pages.values()),
                pages_total=sum(max(pair) for pair in self._pages.values()) + unopened,
                chunks=self._chunks,
                pages_per_second=round(self._pages_read / elapsed, 2),
                seconds_left=self._seconds_left(elapsed),
            )

    def _seconds_left(self, elapsed: float) -> float | None:
        """Reading and embedding go on side by side: what takes longer counts."""
        whole = sum(self._sizes)
        stored = sum(self._sizes[i] for i in self._stored)
        shares = [max(self._read, stored) / max(whole, 1), (stored + self._embedded) / max(whole, 1)]
        rests = [elapsed * (1 - min(share, 1)) / share for share in shares if share > 0]
        return round(max(rests), 1) if rests else None
