"""Background jobs as the catalogue keeps them."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from knowledge_base import file_references, job_rows
from knowledge_base.catalogue import Catalogue
from knowledge_base.clock import now
from knowledge_base.errors import DataFolderError, JobStateError, QueueFullError
from knowledge_base.files import FileStore, StoredFile
from knowledge_base.ingestion import IngestedFile
from knowledge_base.job_rows import UNFINISHED
from knowledge_base.tables import job_events, job_files, jobs
from knowledge_base.types import JobEvent, JobInfo, JobProgress, JobState

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job taken for work: the files still to do, small ones first, with their positions in the job."""

    id: str
    knowledge_base: str
    files: tuple[tuple[int, StoredFile], ...]
    kind: str = "ingest"


class JobQueue:
    """The jobs in the catalogue. Every method is one transaction."""

    def __init__(self, catalogue: Catalogue, files: FileStore, *, max_waiting: int) -> None:
        self._database = catalogue.database
        self._files = files
        self._max_waiting = max_waiting
        self._unwritten: dict[str, tuple[JobState, str, JobProgress]] = {}
        """How jobs ended whose end could not be written, for want of space."""

    def submit(self, knowledge_base_id: int, files: Sequence[StoredFile], *, kind: str = "ingest") -> JobInfo:
        """Queue the ingestion of stored files, or other work. Raises `QueueFullError`."""
        job_id, time = secrets.token_hex(8), now()
        with self._database.write() as connection:
            waiting = select(func.count()).select_from(jobs).where(jobs.c.state.in_(UNFINISHED))
            if (connection.execute(waiting).scalar() or 0) >= self._max_waiting:
                raise QueueFullError(
                    f"{self._max_waiting} jobs are waiting already", maximum=self._max_waiting
                )
            last = connection.execute(select(func.max(jobs.c.number))).scalar() or 0
            connection.execute(
                insert(jobs).values(
                    id=job_id,
                    knowledge_base_id=knowledge_base_id,
                    kind=kind,
                    state="queued",
                    number=last + 1,
                    created_at=time,
                    updated_at=time,
                )
            )
            for position, file in enumerate(files):
                connection.execute(
                    insert(job_files).values(
                        job_id=job_id,
                        position=position,
                        name=file.name,
                        sha256=file.sha256,
                        size=file.size,
                        state="queued",
                        document_id=file.replaces,
                        retryable=False,
                        problems=[],
                    )
                )
            _happened(connection, job_id, "submitted", files=len(files))
            return job_rows.info(connection, job_id)

    def job(self, job_id: str) -> JobInfo:
        """One job. Raises `JobNotFoundError`."""
        with self._database.read() as connection:
            return self._as_known(job_rows.info(connection, job_id))

    def jobs(self, *, limit: int = 100, seen: Callable[[int], bool] = lambda _: True) -> list[JobInfo]:
        """The newest jobs first, of those knowledge bases whose ids are `seen`."""
        with self._database.read() as connection:
            ids = list(connection.execute(select(jobs.c.knowledge_base_id).distinct()).scalars())
        of_seen = jobs.c.knowledge_base_id.in_([id for id in ids if seen(id)])
        with self._database.read() as connection:
            return [self._as_known(job) for job in job_rows.infos(connection, of_seen, limit=limit)]

    def files_pending(self, knowledge_base_ids: Collection[int]) -> int:
        """How many files of these knowledge bases have still to be read or stored."""
        files = select(func.count()).select_from(job_files.join(jobs, jobs.c.id == job_files.c.job_id))
        pending = job_files.c.state == "queued", jobs.c.state.in_(UNFINISHED)
        with self._database.read() as connection:
            return (
                connection.execute(
                    files.where(*pending, jobs.c.knowledge_base_id.in_(knowledge_base_ids))
                ).scalar()
                or 0
            )

    def events(self, job_id: str) -> list[JobEvent]:
        """What happened to a job, in order. Raises `JobNotFoundError`."""
        with self._database.read() as connection:
            return job_rows.events(connection, job_id)

    def cancel(self, job_id: str) -> JobInfo:
        """Ask a job to stop; files that it has committed stay. Raises `JobStateError`."""
        with self._database.write() as connection:
            state = job_rows.info(connection, job_id).state
            if state not in UNFINISHED:
                raise JobStateError(f"the job is {state} and cannot be cancelled", id=job_id, state=state)
            new_state = "cancelled" if state == "queued" else "running"
            _update(connection, job_id, cancelled=True, state=new_state)
            _happened(connection, job_id, "cancelled" if state == "queued" else "cancel_asked")
            return job_rows.info(connection, job_id)

    def cancelled(self, job_id: str) -> bool:
        """Whether the job was asked to stop; a job that is gone, with its knowledge base, is too."""
        with self._database.read() as connection:
            return connection.execute(select(jobs.c.cancelled).where(jobs.c.id == job_id)).scalar() in {
                None,
                True,
            }

    def retry(self, job_id: str) -> JobInfo:
        """Queue again what an ended job has not done and may yet do. Raises `JobStateError`."""
        with self._database.write() as connection:
            job = job_rows.info(connection, job_id)
            left = (job_files.c.job_id == job_id) & ((job_files.c.state == "queued") | job_files.c.retryable)
            count = connection.execute(select(func.count()).select_from(job_files).where(left)).scalar()
            again = count or (not job.documents and job.state in {"failed", "cancelled"})
            if job.state in UNFINISHED or not again:
                raise JobStateError(
                    f"the job is {job.state}: nothing to try again", id=job_id, state=job.state
                )
            connection.execute(
                update(job_files).where(left).values(state="queued", retryable=False, problems=[])
            )
            _update(connection, job_id, state="queued", cancelled=False, error="", runner="", progress={})
            _happened(connection, job_id, "retried", files=count)
            return job_rows.info(connection, job_id)

    def requeue_interrupted(self, gone: Callable[[str], bool] = lambda _: True) -> int:
        """Queue again the jobs of killed processes; returns how many.

        `gone` tells whether the runner of that id, which had taken a job, is no more.
        """
        with self._database.read() as connection:
            taken = set(connection.execute(select(jobs.c.runner).where(jobs.c.state == "running")).scalars())
        lost = {runner for runner in taken if not runner or gone(runner)}
        if not lost:
            return 0
        with self._database.write() as connection:
            interrupted = (jobs.c.state == "running") & jobs.c.runner.in_(lost)
            ids = list(connection.execute(select(jobs.c.id).where(interrupted)).scalars())
            for job_id in ids:
                _update(connection, job_id, state="queued", runner="")
                _happened(connection, job_id, "interrupted")
        return len(ids)

    def claim(self, runner: str = "") -> ClaimedJob | None:
        """Take the waiting job whose turn it is for the runner of this id, or None."""
        with self._database.read() as connection:  # most looks find nothing, and need no lock
            if connection.execute(select(jobs.c.id).where(jobs.c.state == "queued").limit(1)).first() is None:
                return None
        with self._database.write() as connection:
            found = job_rows.next_queued(connection)
            if found is None:
                return None
            job_id, knowledge_base, kind = found
            _update(connection, job_id, state="running", runner=runner)
            _happened(connection, job_id, "started")
            files = job_rows.queued_files(connection, job_id)
        stored = tuple(
            (
                f.position,
                StoredFile(f.name, f.sha256, f.size, self._files.path(f.sha256), replaces=f.document_id),
            )
            for f in files
        )
        return ClaimedJob(job_id, knowledge_base, stored, kind)

    def note_progress(self, job_id: str, stage: str, progress: JobProgress) -> None:
        """Record what the job is doing and how far it has come."""
        with self._database.write() as connection:
            _update(connection, job_id, stage=stage, progress=asdict(progress))

    def note(self, job_id: str, kind: str, **details: Any) -> None:
        """Record that something happened to a job."""
        with self._database.write() as connection:
            _happened(connection, job_id, kind, **details)

    def note_file(self, job_id: str, position: int, result: IngestedFile) -> None:
        """Record what became of a file; a failed one goes on naming the document that it is to replace."""
        document_id = result.document.id if result.document else None
        stored = {"document_id": document_id} if document_id else {}
        with self._database.write() as connection:
            connection.execute(
                update(job_files)
                .where(job_files.c.job_id == job_id, job_files.c.position == position)
                .values(
                    state=result.state,
                    **stored,
                    retryable=result.retryable,
                    problems=[problem.stored() for problem in result.problems],
                )
            )
            known = connection.execute(select(jobs.c.id).where(jobs.c.id == job_id)).scalar()
            if known is not None:  # else it went with its knowledge base
                codes = sorted({problem.code for problem in result.problems})
                _happened(
                    connection,
                    job_id,
                    "file",
                    position=position,
                    state=result.state,
                    document_id=document_id,
                    problems=codes,
                )

    def end(
        self, job_id: str, state: JobState, *, error: str = "", progress: JobProgress | None = None
    ) -> None:
        """Record how the job ended; `error` is the code of what stopped the whole of it.

        What cannot be written, because the disk is full, is told all the same, and written later.
        """
        ending = (state, error, progress or JobProgress())
        try:
            self._write_end(job_id, *ending)
        except DataFolderError:
            logger.warning("the end of job %s cannot be written yet", job_id, extra={"job": job_id})
            # Not before it has failed: laid over what was read a moment ago, it would tell of files
            # as unfinished whose job has ended.
            self._unwritten[job_id] = ending

    def write_ends(self) -> None:
        """Write what `end` could not. Raises `DataFolderError` when it still cannot be."""
        for job_id in list(self._unwritten):
            ending = self._unwritten.pop(job_id, None)
            if ending is None:  # another thread was quicker
                continue
            try:
                self._write_end(job_id, *ending)
            except DataFolderError:
                self._unwritten[job_id] = ending
                raise

    def _write_end(self, job_id: str, state: JobState, error: str, progress: JobProgress) -> None:
        with self._database.write() as connection:
            _update(
                connection,
                job_id,
                state=state,
                stage="",
                error=error,
                runner="",
                progress=asdict(progress),
            )
            known = connection.execute(select(jobs.c.id).where(jobs.c.id == job_id)).scalar()
            if known is not None:
                _happened(connection, job_id, "suspended" if state == "queued" else state, error=error)

    def prune(self, *, keep: int, days: float) -> set[str]:
        """Forget ended jobs, but the newest `keep`, and those older than `days`; digests of their files."""
        ended = jobs.c.state.not_in(UNFINISHED)
        with self._database.read() as connection:
            numbers = connection.execute(
                select(jobs.c.number).where(ended).order_by(jobs.c.number.desc()).offset(keep).limit(1)
            ).scalar()
            old = ended & or_(
                jobs.c.updated_at < now() - timedelta(days=days), jobs.c.number <= (numbers or 0)
            )
            ids = list(connection.execute(select(jobs.c.id).where(old).limit(500)).scalars())
            if not ids:
                return set()
            digests = set(
                connection.execute(select(job_files.c.sha256).where(job_files.c.job_id.in_(ids))).scalars()
            )
        with self._database.write() as connection:
            connection.execute(delete(jobs).where(jobs.c.id.in_(ids), ended))
        return digests

    def waiting_digests(self) -> set[str]:
        """Digests of the files that a job is still to read, or may be asked to read again."""
        with self._database.read() as connection:
            return file_references.of_jobs(connection)

    def _as_known(self, job: JobInfo) -> JobInfo:
        ending = self._unwritten.get(job.id)
        if ending is None:
            return job
        state, error, progress = ending
        return replace(job, state=state, stage="", error=error, progress=progress)


def _update(connection: Connection, job_id: str, **values: Any) -> None:
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(updated_at=now(), **values))


def _happened(connection: Connection, job_id: str, kind: str, **details: Any) -> None:
    given = {key: value for key, value in details.items() if value not in (None, "", [])}
    connection.execute(insert(job_events).values(job_id=job_id, at=now(), kind=kind, details=given))
