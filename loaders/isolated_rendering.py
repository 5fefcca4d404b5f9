"""Pictures of pages, drawn in a process of its own: no page can take the service down or hold it up."""

from __future__ import annotations

from pathlib import Path

from loaders.errors import DamagedFileError, LimitExceededError, PageNotDrawnError
from loaders.isolation_worker import Drawing, Drawn
from loaders.worker_pool import WorkerPool

DRAWING_SECONDS = 20.0
_WORKERS = 2
"""The second starts only when two pages are drawn at once, so that one slow page stops no others."""


class IsolatedRenderer:
    """Draws pages in processes that stay warm. Safe for threads."""

    def __init__(self, *, memory_bytes: int = 2 * 1024**3, seconds: float = DRAWING_SECONDS) -> None:
        self._pool = WorkerPool(memory_bytes=memory_bytes, workers=_WORKERS)
        self._seconds = seconds

    def render_page(self, path: Path, format: str, page: int, *, width: int) -> bytes:
        """A PNG of a page (from 1), `width` pixels wide unless that makes it too large.

        Raises what `loaders.rendering.render_page` raises, and `PageNotDrawnError` for a page that
        takes too long, takes too much memory, or crashes.
        """
        worker = self._pool.take(None, path.name)
        resident = None
        try:
            worker.send(Drawing(str(path), format, page, width))
            drawn: Drawn = self._pool.receive(worker, self._seconds, None, path.name)
            resident = drawn.resident
            if drawn.error is not None:
                raise drawn.error
            return drawn.png
        except (LimitExceededError, DamagedFileError) as error:
            if isinstance(error, DamagedFileError) and error.details.get("reason") != "crash":
                raise
            raise PageNotDrawnError(f"Page {page} cannot be drawn: {error}", page=page) from error
        finally:
            self._pool.give_back(worker, resident=resident)

    def close(self) -> None:
        """End the processes."""
        self._pool.close()
