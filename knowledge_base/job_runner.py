"""The thread that works through the waiting jobs, one after the other."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from knowledge_base.catalogue import Catalogue
from knowledge_base.errors import KnowledgeBaseError
from knowledge_base.ingestion import IngestedFile, Ingestor, Progress
from knowledge_base.job_queue import ClaimedJob, JobQueue
from loaders.errors import LoadingCancelledError
from models.errors import ModelError

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
"""How long a job cancelled or submitted by another process may go unseen."""


class JobRunner:
    """Runs jobs in a thread of its own, from `start` to `stop`.

    `swept` is called after each job with the digests of its files, so that files which nobody
    needs any more can be deleted.
    """

    def __init__(
        self, catalogue: Catalogue, queue: JobQueue, ingestor: Ingestor, *, swept: Callable[[set[str]], None]
    ) -> None:
        self._catalogue = catalogue
        self._queue = queue
        self._ingestor = ingestor
        self._swept = swept
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="job-runner", daemon=True)

    def start(self) -> None:
        """Queue again what an earlier process left unfinished, and begin."""
        again = self._queue.requeue_interrupted()
        if again:
            logger.info("%d interrupted jobs go on", again)
        self._thread.start()

    def wake(self) -> None:
        """Look for a new job now."""
        self._wake.set()

    def stop(self) -> None:
        """Stop between two pages; the job under way goes on at the next start."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            job = None
            try:
                job = self._queue.claim()
                if job is None:
                    self._wake.wait(_LOOK_SECONDS)
                    self._wake.clear()
                    continue
                self._work(job)
            except Exception:
                logger.exception("job runner")
                if job is not None:
                    self._end_failed(job)
                else:
                    self._stopping.wait(_LOOK_SECONDS)

    def _work(self, job: ClaimedJob) -> None:
        look = _Throttle(_LOOK_SECONDS / 2)
        cancelled = False

        def asked_to_stop() -> bool:
            nonlocal cancelled
            if look.due():
                cancelled = cancelled or self._queue.cancelled(job.id)
            return cancelled or self._stopping.is_set()

        note = _Throttle(_LOOK_SECONDS / 2)

        def progress(at: Progress) -> None:
            if note.due():
                self._queue.note_stage(job.id, f"{at.stage} {at.done}/{at.total} {at.name}")

        def finished(index: int, result: IngestedFile) -> None:
            self._queue.note_file(job.id, job.files[index][0], result)

        try:
            key = self._catalogue.key(job.knowledge_base)
            self._ingestor.ingest(
                key, [f for _, f in job.files], progress=progress, finished=finished, cancelled=asked_to_stop
            )
        except LoadingCancelledError:
            if self._stopping.is_set() and not cancelled:
                self._queue.end(job.id, "queued")
                return
            self._queue.end(job.id, "cancelled")
        except (KnowledgeBaseError, ModelError) as error:
            self._queue.end(job.id, "failed", error=error.code)
        else:
            states = {file.state for file in self._queue.job(job.id).documents}
            self._queue.end(job.id, "failed" if states == {"failed"} else "done")
        self._swept({file.sha256 for _, file in job.files})

    def _end_failed(self, job: ClaimedJob) -> None:
        try:
            self._queue.end(job.id, "failed", error="internal_error")
        except Exception:
            logger.exception("job %s cannot be ended", job.id)


class _Throttle:
    """Says yes at most once in `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = 0.0

    def due(self) -> bool:
        time_now = time.monotonic()
        if time_now - self._last < self._seconds:
            return False
        self._last = time_now
        return True
