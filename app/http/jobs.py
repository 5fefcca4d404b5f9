"""Routes of background jobs."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from app import schemas
from app.http.common import LanguageDep, ServiceDep, Utf8Route

router = APIRouter(prefix="/api/jobs", tags=["jobs"], route_class=Utf8Route)


class JobList(BaseModel):
    """Jobs, the newest first."""

    jobs: list[schemas.Job]


class JobEvents(BaseModel):
    """What happened to a job, in order."""

    events: list[schemas.JobEvent]


@router.get("")
def list_jobs(service: ServiceDep, language: LanguageDep) -> JobList:
    """The newest jobs first."""
    return JobList(jobs=[schemas.job(info, language) for info in service.jobs()])


@router.get("/{job_id}")
def get_job(job_id: str, service: ServiceDep, language: LanguageDep) -> schemas.Job:
    """One job with its files."""
    return schemas.job(service.job(job_id), language)


@router.get("/{job_id}/events")
def list_job_events(job_id: str, service: ServiceDep) -> JobEvents:
    """What happened to a job, in order."""
    return JobEvents(events=[schemas.JobEvent.model_validate(event) for event in service.job_events(job_id)])


@router.post("/{job_id}/cancel")
def cancel_job(job_id: str, service: ServiceDep, language: LanguageDep) -> schemas.Job:
    """Ask a job to stop; the files that it has stored stay."""
    return schemas.job(service.cancel_job(job_id), language)


@router.post("/{job_id}/retry")
def retry_job(job_id: str, service: ServiceDep, language: LanguageDep) -> schemas.Job:
    """Try again what failed for reasons outside the files."""
    return schemas.job(service.retry_job(job_id), language)
