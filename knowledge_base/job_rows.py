"""Jobs in the catalogue, read: what is told of them, and which one is next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from knowledge_base import searched_chunks
from knowledge_base.errors import JobNotFoundError
from knowledge_base.tables import IMPORT_OWNER, documents, job_events, job_files, jobs, knowledge_bases
from knowledge_base.types import JobEvent, JobFile, JobInfo, JobProgress
from loaders.document import Problem

UNFINISHED = ("queued", "running")


def info(connection: Connection, job_id: str) -> JobInfo:
    """One job. Raises `JobNotFoundError`."""
    for job in infos(connection, jobs.c.id == job_id):
        return job
    raise JobNotFoundError(f"there is no job {job_id!r}", id=job_id)


def infos(connection: Connection, *conditions: ColumnElement[bool], limit: int = 1) -> list[JobInfo]:
    """Jobs that meet the conditions, the newest first."""
    rows = connection.execute(
        select(
            jobs,
            knowledge_bases.c.name.label("knowledge_base"),
            knowledge_bases.c.session_id.startswith(IMPORT_OWNER).label("reserved"),
        )
        .join(knowledge_bases, knowledge_bases.c.id == jobs.c.knowledge_base_id)
        .where(*conditions)
        .order_by(jobs.c.number.desc())
        .limit(limit)
    ).all()
    files = _files(connection, [row.id for row in rows])
    return [
        JobInfo(
            id=row.id,
            # One that an import is still to fill has no name of its own yet.
            knowledge_base=row.knowledge_base if not row.reserved else files[row.id][0].name,
            state=row.state,
            stage=row.stage,
            error=row.error,
            documents=files.get(row.id, ()),
            created_at=row.created_at,
            updated_at=row.updated_at,
            progress=JobProgress(**row.progress),
            knowledge_base_id=row.knowledge_base_id,
        )
        for row in rows
    ]


def events(connection: Connection, job_id: str) -> list[JobEvent]:
    """What happened to a job, in order. Raises `JobNotFoundError`."""
    info(connection, job_id)
    rows = connection.execute(
        select(job_events).where(job_events.c.job_id == job_id).order_by(job_events.c.id)
    )
    return [JobEvent(row.at, row.kind, row.details) for row in rows]


def next_queued(connection: Connection) -> tuple[str, str, str] | None:
    """The waiting job to be taken next: its id, knowledge base and kind; or None.

    Knowledge bases take turns: that with the fewest jobs under way goes first, then the oldest job.
    A job waits for an earlier one of its knowledge base that has a file of the same name or the same
    bytes, so that the later upload wins, and one without files for any other without.
    """
    running: dict[int, int] = {}
    earlier: dict[int, set[str]] = {}
    under_way = connection.execute(
        select(jobs.c.id, jobs.c.knowledge_base_id).where(jobs.c.state == "running")
    ).all()
    for row in under_way:
        running[row.knowledge_base_id] = running.get(row.knowledge_base_id, 0) + 1
        earlier.setdefault(row.knowledge_base_id, set()).update(_claims(connection, row.id))
    waiting = connection.execute(
        select(jobs, knowledge_bases.c.name.label("knowledge_base"))
        .join(knowledge_bases, knowledge_bases.c.id == jobs.c.knowledge_base_id)
        .where(jobs.c.state == "queued")
        .order_by(jobs.c.number)
    ).all()
    turns = sorted({row.knowledge_base_id for row in waiting}, key=lambda kb: running.get(kb, 0))
    for knowledge_base_id in turns:
        taken = earlier.get(knowledge_base_id, set())
        for row in waiting:
            if row.knowledge_base_id != knowledge_base_id:
                continue
            wanted = _claims(connection, row.id) if taken else set()
            if taken.isdisjoint(wanted):
                return row.id, row.knowledge_base, row.kind
            taken |= wanted
    return None


def queued_files(connection: Connection, job_id: str) -> Sequence[Row[Any]]:
    """A job's files that are still to do, small ones first, so that they are soon found.

    Of several of one name the last stays the last, for it is the one that is kept.
    """
    largest = (
        func.max(job_files.c.size)
        .over(partition_by=job_files.c.name, order_by=job_files.c.position)
        .label("largest")
    )
    return connection.execute(
        select(job_files, largest)
        .where(job_files.c.job_id == job_id, job_files.c.state == "queued")
        .order_by(largest, job_files.c.position)
    ).all()


def _claims(connection: Connection, job_id: str) -> set[str]:
    """Names and digests of a job's files that are still to do; "" when it has none at all."""
    rows = connection.execute(
        select(job_files.c.name, job_files.c.sha256, job_files.c.state).where(job_files.c.job_id == job_id)
    ).all()
    if not rows:
        return {""}
    return {claim for row in rows if row.state == "queued" for claim in (row.name, row.sha256)}


def _files(connection: Connection, job_ids: Sequence[str]) -> dict[str, tuple[JobFile, ...]]:
    """The files of each of these jobs in order."""
    rows = connection.execute(
        select(job_files, documents.c.pages, searched_chunks.served_count().label("chunks"))
        .join(documents, documents.c.id == job_files.c.document_id, isouter=True)
        .join(knowledge_bases, knowledge_bases.c.id == documents.c.knowledge_base_id, isouter=True)
        .where(job_files.c.job_id.in_(job_ids))
        .order_by(job_files.c.job_id, job_files.c.position)
    )
    found: defaultdict[str, list[JobFile]] = defaultdict(list)
    for row in rows:
        problems = tuple(Problem(**problem) for problem in row.problems)
        found[row.job_id].append(
            JobFile(row.name, row.state, row.document_id, row.pages or 0, row.chunks, problems)
        )
    return {job_id: tuple(files) for job_id, files in found.items()}
