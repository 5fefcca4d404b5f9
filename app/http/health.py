"""Whether the service lives, and whether it can work."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version

from fastapi import APIRouter, Request, Response

from app.http.common import WholeServiceDep, whole_service
from app.replies import Health, Indexes, Readiness

router = APIRouter(tags=["operations"])


@router.get("/healthz")
async def healthz(request: Request) -> Health:
    """Alive."""
    # Without any thread, also for a dependency: it answers while all of them are at work.
    indexes = Indexes(**asdict(whole_service(request).index_report()))
    return Health(status="ok", version=version("zhiwen"), indexes=indexes)


@router.get("/readyz", responses={503: {"model": Readiness}})
def readyz(service: WholeServiceDep, response: Response) -> Readiness:
    """Ready: models are loaded, the catalogue can be written, and there is room on the disk."""
    found = service.operations.readiness()
    response.status_code = 200 if found.ready else 503
    return Readiness(ready=found.ready, **asdict(found))
