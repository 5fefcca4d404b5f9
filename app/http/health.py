"""Whether the service lives."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version

from fastapi import APIRouter
from pydantic import BaseModel

from app.http.common import WholeServiceDep

router = APIRouter(tags=["operations"])


class Indexes(BaseModel):
    """Indexes read from the disk since the start, made anew, and brought up to date."""

    opened: int
    rebuilt: int
    caught_up: int


class Health(BaseModel):
    """The service answers."""

    status: str
    version: str
    indexes: Indexes


@router.get("/healthz")
def healthz(service: WholeServiceDep) -> Health:
    """Alive."""
    indexes = Indexes(**asdict(service.index_report()))
    return Health(status="ok", version=version("zhiwen"), indexes=indexes)
