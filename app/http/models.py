"""Routes of the chat models: which there are, loading and unloading them."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from app.examples import with_example
from app.http.common import ServiceDep, Utf8Route

router = APIRouter(prefix="/api/models", tags=["models"], route_class=Utf8Route)


class Model(BaseModel):
    """A model that answers. `state` is ready, unreachable (a server), unloaded or loaded."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra=with_example)

    name: str
    kind: str
    model: str
    state: str
    device: str
    memory_bytes: int
    active: int
    waiting: int
    default: bool


class Models(BaseModel):
    """All models that can be asked, the one that quotes first."""

    models: list[Model]


@router.get("")
def list_chat_models(service: ServiceDep) -> Models:
    """All models with their state; nothing is loaded for that."""
    return Models(models=[Model.model_validate(status) for status in service.models.list()])


@router.post("/{name}/load")
def load_model(name: str, service: ServiceDep) -> Model:
    """Load a model now, so that the first answer does not wait for it."""
    return Model.model_validate(service.models.load(name))


@router.post("/{name}/unload")
def unload_model(name: str, service: ServiceDep) -> Model:
    """End a model's answers and give its memory back; it loads again when it is asked."""
    return Model.model_validate(service.models.unload(name))
