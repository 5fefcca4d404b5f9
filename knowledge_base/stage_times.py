"""How long the stages of ingestion have taken."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class StageTimes:
    """Adds up seconds by stage. Safe to be used from several threads at once."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """Count the time of the block to the stage, also when it fails."""
        start = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._seconds[stage] += time.perf_counter() - start

    def seconds(self) -> dict[str, float]:
        """Seconds so far in each stage that has been reached."""
        with self._lock:
            return dict(self._seconds)
