"""The JSON that only the HTTP interface answers with, for its routes and for the client in `app.client`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from app import schemas
from app.examples import with_example


class ErrorDetail(BaseModel):
    """An error: `code` for programs, `message` for people."""

    code: str
    message: str
    details: dict[str, Any]
    request_id: str | None = None
    """The request as the log names it."""


class ErrorResponse(BaseModel):
    """The body of every answer with a status of 400 or more."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "error": {
                        "code": "knowledge_base_not_found",
                        "message": "没有名为“制度”的知识库。",
                        "details": {"name": "制度"},
                        "request_id": "5f2c0b7e9d1a4c33",
                    }
                }
            ]
        }
    )

    error: ErrorDetail


class Indexes(BaseModel):
    """Indexes read from the disk since the start, made anew, and brought up to date."""

    opened: int
    rebuilt: int
    caught_up: int


class Health(BaseModel):
    """The service answers."""

    model_config = ConfigDict(json_schema_extra=with_example)

    status: str
    version: str
    indexes: Indexes


class Readiness(BaseModel):
    """What is needed for answers and uploads."""

    model_config = ConfigDict(json_schema_extra=with_example)

    ready: bool
    models: bool
    catalogue: bool
    disk: bool


class Rejected(BaseModel):
    """A file that was not taken in, and why."""

    model_config = ConfigDict(json_schema_extra=with_example)

    name: str
    error: ErrorDetail


class Upload(BaseModel):
    """The job that ingests the files taken in, and the files that were not."""

    job_id: str
    job: schemas.Job
    rejected: list[Rejected]


class SearchResponse(BaseModel):
    """What a search found, best first.

    `unreadable` counts passages left out because the catalogue is damaged where they stand.
    """

    hits: list[schemas.Hit]
    unreadable: int = 0


class Session(BaseModel):
    """A conversation. `settings` is whatever a client keeps with it."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra=with_example)

    id: str
    title: str
    knowledge_bases: list[str]
    settings: dict[str, Any]
    created_at: schemas.Time
    updated_at: schemas.Time


class SessionMessage(BaseModel):
    """Something said; what only answers have is empty for questions. `rating` is 1, -1 or 0."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra=with_example)

    id: str
    role: str
    state: str
    text: str
    question: str
    citations: list[dict[str, Any]]
    sentences: list[dict[str, Any]]
    refused: bool
    model: str
    timings: dict[str, float]
    rating: int
    reason: str
