"""Whether the service lives."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter
from pydantic import BaseModel

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """The service answers."""

    status: str
    version: str


@router.get("/healthz")
def healthz() -> Health:
    """Alive."""
    return Health(status="ok", version=version("zhiwen"))
