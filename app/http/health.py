"""Whether the service lives, and whether it can work."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version

from fastapi import APIRouter, Response
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


class Readiness(BaseModel):
    """What is needed for answers and uploads."""

    ready: bool
    models: bool
    catalogue: bool
    disk: bool


@router.get("/readyz", responses={503: {"model": Readiness}})
def readyz(service: WholeServiceDep, response: Response) -> Readiness:
    """Ready: models are loaded, the catalogue can be written, and there is room on the disk."""
    found = service.operations.readiness()
    response.status_code = 200 if found.ready else 503
    return Readiness(ready=found.ready, **asdict(found))
