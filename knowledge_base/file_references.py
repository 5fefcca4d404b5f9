"""Which of the stored files the catalogue still needs."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, select

from knowledge_base.id_batches import batches
from knowledge_base.tables import documents, job_files, jobs, knowledge_bases

_LEFT = (job_files.c.state == "queued") | job_files.c.retryable
"""Files of jobs that go on, or may be tried again."""


def referenced(connection: Connection) -> set[str]:
    """Digests of the files that a document needs, or a job that goes on or may be tried again."""
    return set(connection.execute(select(documents.c.sha256)).scalars()) | of_jobs(connection)


def referenced_among(connection: Connection, digests: Collection[str]) -> set[str]:
    """Those of `digests` that are referenced; what it costs does not depend on what else there is."""
    found: set[str] = set()
    for batch in batches(digests):
        used = select(documents.c.sha256).where(documents.c.sha256.in_(batch))
        wanted = select(job_files.c.sha256).where(job_files.c.sha256.in_(batch), _LEFT)
        found.update(connection.execute(used.union(wanted)).scalars())
    return found


def names(connection: Connection, digests: Collection[str]) -> list[str]:
    """What the files with these digests are called, each after its knowledge base, in order."""
    found: set[str] = set()
    for batch in batches(digests):
        used = (
            select(knowledge_bases.c.name, documents.c.name)
            .join(documents, documents.c.knowledge_base_id == knowledge_bases.c.id)
            .where(documents.c.sha256.in_(batch))
        )
        wanted = (
            select(knowledge_bases.c.name, job_files.c.name)
            .join(jobs, jobs.c.knowledge_base_id == knowledge_bases.c.id)
            .join(job_files, job_files.c.job_id == jobs.c.id)
            .where(job_files.c.sha256.in_(batch), _LEFT)
        )
        found.update(f"{inside}/{name}" for inside, name in connection.execute(used.union(wanted)))
    return sorted(found)


def of_jobs(connection: Connection) -> set[str]:
    """Digests of the files that a job is still to read, or may be asked to read again."""
    return set(connection.execute(select(job_files.c.sha256).where(_LEFT)).scalars())
