"""Background jobs as the catalogue keeps them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from knowledge_base import chunk_rows
from knowledge_base.catalogue import Catalogue
from knowledge_base.document_rows import now
from knowledge_base.errors import JobNotFoundError, JobStateError, QueueFullError
from knowledge_base.files import FileStore, StoredFile
from knowledge_base.ingestion import IngestedFile
from knowledge_base.tables import documents, job_files, jobs, knowledge_bases
from knowledge_base.types import JobFile, JobInfo, JobState
from loaders.document import Problem

_UNFINISHED = ("queued", "running")


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job taken for work: the files that are still to do, with their positions in the job."""

    id: str
    knowledge_base: str
    files: tuple[tuple[int, StoredFile], ...]


class JobQueue:
    """The jobs in the catalogue. Every method is one transaction."""

    def __init__(self, catalogue: Catalogue, files: FileStore, *, max_waiting: int) -> None:
        self._database = catalogue.database
        self._files = files
        self._max_waiting = max_waiting

    def submit(self, knowledge_base_id: int, files: Sequence[StoredFile]) -> JobInfo:
        """Queue the ingestion of stored files. Raises `QueueFullError`."""
        job_id, time = secrets.token_hex(8), now()
        with self._database.write() as connection:
            waiting = select(func.count()).select_from(jobs).where(jobs.c.state.in_(_UNFINISHED))
            if (connection.execute(waiting).scalar() or 0) >= self._max_waiting:
                raise QueueFullError(
                    f"{self._max_waiting} jobs are waiting already", maximum=self._max_waiting
                )
            connection.execute(
                insert(jobs).values(
                    id=job_id,
                    knowledge_base_id=knowledge_base_id,
                    state="queued",
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
                        retryable=False,
                        problems=[],
                    )
                )
            return _job(connection, job_id)

    def job(self, job_id: str) -> JobInfo:
        """One job. Raises `JobNotFoundError`."""
        with self._database.read() as connection:
            return _job(connection, job_id)

    def jobs(self, *, limit: int = 100) -> list[JobInfo]:
        """The newest jobs first."""
        with self._database.read() as connection:
            return _jobs(connection, limit=limit)

    def cancel(self, job_id: str) -> JobInfo:
        """Ask a job to stop; files that it has committed stay. Raises `JobStateError`."""
        with self._database.write() as connection:
            state = _job(connection, job_id).state
            if state not in _UNFINISHED:
                raise JobStateError(f"the job is {state} and cannot be cancelled", id=job_id, state=state)
            new_state = "cancelled" if state == "queued" else "running"
            _update(connection, job_id, cancelled=True, state=new_state)
            return _job(connection, job_id)

    def cancelled(self, job_id: str) -> bool:
        """Whether the job was asked to stop; a job that is gone, with its knowledge base, is too."""
        with self._database.read() as connection:
            return connection.execute(select(jobs.c.cancelled).where(jobs.c.id == job_id)).scalar() in {
                None,
                True,
            }

    def retry(self, job_id: str) -> JobInfo:
        """Queue again what an ended job has not stored and may yet store. Raises `JobStateError`."""
        with self._database.write() as connection:
            state = _job(connection, job_id).state
            left = (job_files.c.job_id == job_id) & ((job_files.c.state == "queued") | job_files.c.retryable)
            count = connection.execute(select(func.count()).select_from(job_files).where(left)).scalar()
            if state in _UNFINISHED or not count:
                raise JobStateError(f"the job is {state}: nothing to try again", id=job_id, state=state)
            connection.execute(
                update(job_files).where(left).values(state="queued", retryable=False, problems=[])
            )
            _update(connection, job_id, state="queued", cancelled=False, error="")
            return _job(connection, job_id)

    def requeue_interrupted(self) -> int:
        """Queue again what a killed process was working on; returns how many jobs."""
        with self._database.write() as connection:
            return connection.execute(
                update(jobs).where(jobs.c.state == "running").values(state="queued")
            ).rowcount

    def claim(self) -> ClaimedJob | None:
        """Take the oldest waiting job, or None."""
        with self._database.write() as connection:
            row = connection.execute(
                select(jobs.c.id, knowledge_bases.c.name)
                .join(knowledge_bases, knowledge_bases.c.id == jobs.c.knowledge_base_id)
                .where(jobs.c.state == "queued")
                .order_by(jobs.c.created_at)
                .limit(1)
            ).first()
            if row is None:
                return None
            _update(connection, row.id, state="running")
            files = connection.execute(
                select(job_files)
                .where(job_files.c.job_id == row.id, job_files.c.state == "queued")
                .order_by(job_files.c.position)
            ).all()
        stored = tuple(
            (f.position, StoredFile(f.name, f.sha256, f.size, self._files.path(f.sha256))) for f in files
        )
        return ClaimedJob(row.id, row.name, stored)

    def note_stage(self, job_id: str, stage: str) -> None:
        """Record what the job is doing."""
        with self._database.write() as connection:
            _update(connection, job_id, stage=stage)

    def note_file(self, job_id: str, position: int, result: IngestedFile) -> None:
        """Record what became of a file."""
        with self._database.write() as connection:
            connection.execute(
                update(job_files)
                .where(job_files.c.job_id == job_id, job_files.c.position == position)
                .values(
                    state=result.state,
                    document_id=result.document.id if result.document else None,
                    retryable=result.retryable,
                    problems=[problem.stored() for problem in result.problems],
                )
            )

    def end(self, job_id: str, state: JobState, *, error: str = "") -> None:
        """Record how the job ended; `error` is the code of what stopped the whole of it."""
        with self._database.write() as connection:
            _update(connection, job_id, state=state, stage="", error=error)


def _update(connection: Connection, job_id: str, **values: Any) -> None:
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(updated_at=now(), **values))


def _job(connection: Connection, job_id: str) -> JobInfo:
    for job in _jobs(connection, jobs.c.id == job_id):
        return job
    raise JobNotFoundError(f"there is no job {job_id!r}", id=job_id)


def _jobs(connection: Connection, *conditions: ColumnElement[bool], limit: int = 1) -> list[JobInfo]:
    rows = connection.execute(
        select(jobs, knowledge_bases.c.name.label("knowledge_base"))
        .join(knowledge_bases, knowledge_bases.c.id == jobs.c.knowledge_base_id)
        .where(*conditions)
        .order_by(jobs.c.created_at.desc())
        .limit(limit)
    ).all()
    return [
        JobInfo(
            id=row.id,
            knowledge_base=row.knowledge_base,
            state=row.state,
            stage=row.stage,
            error=row.error,
            documents=_files(connection, row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]


def _files(connection: Connection, job_id: str) -> tuple[JobFile, ...]:
    count = chunk_rows.served_count(job_files.c.document_id)
    rows = connection.execute(
        select(job_files, documents.c.pages, count.label("chunks"))
        .join(documents, documents.c.id == job_files.c.document_id, isouter=True)
        .where(job_files.c.job_id == job_id)
        .order_by(job_files.c.position)
    )
    return tuple(
        JobFile(
            row.name,
            row.state,
            row.document_id,
            row.pages or 0,
            row.chunks,
            tuple(Problem(**problem) for problem in row.problems),
        )
        for row in rows
    )
