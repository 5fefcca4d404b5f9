"""The threads that work through the waiting jobs, several at once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from knowledge_base import log_context
from knowledge_base.catalogue import Catalogue
from knowledge_base.errors import DataFolderError, KnowledgeBaseError
from knowledge_base.ingestion import IngestedFile, Ingestor, Progress
from knowledge_base.job_progress import ProgressMeter
from knowledge_base.job_queue import ClaimedJob, JobQueue
from knowledge_base.runner_lock import RunnerLock
from knowledge_base.types import JobState
from loaders.errors import LoaderError, LoadingCancelledError
from models.errors import ModelError

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
"""How long a job cancelled or submitted by another process may go unseen."""
_LOST_SECONDS = 5.0
"""How long the jobs of another process that was killed may stay unseen."""


class JobControl:
    """What the work on a job is given: to report with, and to ask whether to go on."""

    def __init__(self, job: ClaimedJob, queue: JobQueue, stopping: threading.Event) -> None:
        self.job = job
        self.meter = ProgressMeter([file.size for _, file in job.files])
        self.was_cancelled = False
        self._queue = queue
        self._stopping = stopping
        self._look = _Throttle(_LOOK_SECONDS / 2)
        self._note = _Throttle(_LOOK_SECONDS / 2)

    def cancelled(self) -> bool:
        """Whether to stop, because the job was cancelled or the service ends."""
        if self._look.due():
            self.was_cancelled = self.was_cancelled or self._queue.cancelled(self.job.id)
        return self.was_cancelled or self._stopping.is_set()

    def progress(self, at: Progress) -> None:
        """Report how far the work has come."""
        self.meter.reached(at)
        if self._note.due():
            stage = f"{at.stage} {at.done}/{at.total} {at.name}"
            with suppress(DataFolderError):  # the work itself may still find room
                self._queue.note_progress(self.job.id, stage, self.meter.progress())

    def finished(self, index: int, result: IngestedFile) -> None:
        """Report what became of the file at this place among those still to do."""
        self.meter.stored(index, result)
        self._queue.note_file(self.job.id, self.job.files[index][0], result)


Work = Callable[[JobControl], None]
"""Does the job; raises `LoadingCancelledError` when asked to stop."""


class JobRunner:
    """Runs up to `at_once` jobs at a time, each in a thread, from `start` to `stop`.

    `locks` is the folder of the signs of life. `others` do the kinds of jobs that are no ingestion.
    `swept` is called after each job with the digests of its files, so that files which nobody needs
    any more can be deleted.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        queue: JobQueue,
        ingestor: Ingestor,
        *,
        locks: Path,
        swept: Callable[[set[str]], None],
        others: Mapping[str, Work] | None = None,
        at_once: int = 1,
    ) -> None:
        self._catalogue = catalogue
        self._queue = queue
        self._ingestor = ingestor
        self._swept = swept
        self._works: dict[str, Work] = {"ingest": self._ingest, **(others or {})}
        self._lock = RunnerLock(locks)
        self._stopping = threading.Event()
        self._wakes = [threading.Event() for _ in range(at_once)]
        self._lost = _Throttle(_LOST_SECONDS)
        self._threads = [
            threading.Thread(target=self._run, args=(wake,), name=f"job-runner-{number}", daemon=True)
            for number, wake in enumerate(self._wakes, 1)
        ]

    def start(self) -> None:
        """Queue again what killed processes left unfinished, and begin. Raises `DataFolderError`."""
        try:
            self._lock.acquire()
        except OSError as error:
            raise DataFolderError(f"cannot lock: {error.strerror}", reason=str(error.strerror)) from error
        self._take_up_lost()
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look for a new job now."""
        for wake in self._wakes:
            wake.set()

    def stop(self) -> None:
        """Stop between two pages; the jobs under way go on at the next start."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._lock.release()

    def _take_up_lost(self) -> None:
        if self._lost.due():
            again = self._queue.requeue_interrupted(self._lock.gone)
            if again:
                logger.info("%d interrupted jobs go on", again)

    def _run(self, wake: threading.Event) -> None:
        while not self._stopping.is_set():
            job = None
            try:
                with suppress(DataFolderError):  # told all the same, and tried again
                    self._queue.write_ends()
                self._take_up_lost()
                job = self._queue.claim(self._lock.id)
                if job is None:
                    wake.wait(_LOOK_SECONDS)
                    wake.clear()
                    continue
                with log_context.about(job=job.id):
                    self._work(job)
                self.wake()  # a job that waited for this one may begin
            except DataFolderError as error:
                logger.warning("no job can be taken: %s", error)
                if job is not None:
                    self._end_failed(job)
                self._stopping.wait(_LOST_SECONDS)
            except Exception:
                logger.exception("job runner", extra={"job": job.id if job else None})
                if job is not None:
                    self._end_failed(job)
                else:
                    self._stopping.wait(_LOOK_SECONDS)

    def _work(self, job: ClaimedJob) -> None:
        control = JobControl(job, self._queue, self._stopping)
        logger.info("job begins: %s of %d files", job.kind, len(job.files))
        state: JobState
        error = ""
        try:
            self._works[job.kind](control)
        except LoadingCancelledError:
            suspended = self._stopping.is_set() and not control.was_cancelled
            state = "queued" if suspended else "cancelled"
        except (KnowledgeBaseError, LoaderError, ModelError) as failure:
            state, error = "failed", failure.code
        else:
            states = {file.state for file in self._queue.job(job.id).documents}
            state = "failed" if states == {"failed"} else "done"
        self._queue.end(job.id, state, error=error, progress=control.meter.progress())
        logger.info("job ends: %s %s", state, error)
        if state != "queued":
            try:
                self._swept({file.sha256 for _, file in job.files})
            except Exception:  # the job has ended as it has; the next one tidies up
                logger.exception("tidying up failed")

    def _ingest(self, control: JobControl) -> None:
        self._ingestor.ingest(
            self._catalogue.key(control.job.knowledge_base),
            [file for _, file in control.job.files],
            progress=control.progress,
            finished=control.finished,
            cancelled=control.cancelled,
        )

    def _end_failed(self, job: ClaimedJob) -> None:
        try:
            self._queue.end(job.id, "failed", error="internal_error")
        except Exception:
            logger.exception("job cannot be ended", extra={"job": job.id})


class _Throttle:
    """Says yes at most once in `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = float("-inf")

    def due(self) -> bool:
        time_now = time.monotonic()
        if time_now - self._last < self._seconds:
            return False
        self._last = time_now
        return True
