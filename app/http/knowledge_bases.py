"""Routes of knowledge bases."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app import schemas
from app.examples import with_example
from app.http.common import LanguageDep, ServiceDep, Utf8Route

router = APIRouter(prefix="/api/knowledge-bases", tags=["knowledge bases"], route_class=Utf8Route)


class NewKnowledgeBase(BaseModel):
    """A knowledge base to make."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"name": "制度"}]})

    name: str
    description: str = Field("", max_length=2000)


class KnowledgeBaseChange(BaseModel):
    """What to change of a knowledge base."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=with_example)

    name: str | None = None
    description: str | None = Field(None, max_length=2000)
    prompt: str | None = Field(None, max_length=20_000)


class KnowledgeBaseList(BaseModel):
    """All knowledge bases."""

    knowledge_bases: list[schemas.KnowledgeBase]


@router.get("")
def list_knowledge_bases(service: ServiceDep) -> KnowledgeBaseList:
    """All knowledge bases by name."""
    infos = service.knowledge_bases()
    return KnowledgeBaseList(knowledge_bases=[schemas.KnowledgeBase.model_validate(i) for i in infos])


@router.post("", status_code=201)
def create_knowledge_base(body: NewKnowledgeBase, service: ServiceDep) -> schemas.KnowledgeBase:
    """Make a knowledge base."""
    info = service.create_knowledge_base(body.name, body.description)
    return schemas.KnowledgeBase.model_validate(info)


@router.get("/{name}")
def get_knowledge_base(name: str, service: ServiceDep) -> schemas.KnowledgeBase:
    """One knowledge base."""
    return schemas.KnowledgeBase.model_validate(service.knowledge_base(name))


@router.patch("/{name}")
def change_knowledge_base(name: str, body: KnowledgeBaseChange, service: ServiceDep) -> schemas.KnowledgeBase:
    """Rename or describe a knowledge base, or give it a prompt of its own; an empty one takes that away."""
    info = service.update_knowledge_base(
        name, new_name=body.name, description=body.description, prompt=body.prompt
    )
    return schemas.KnowledgeBase.model_validate(info)


@router.post("/{name}/rebuild", status_code=202)
def rebuild_knowledge_base(name: str, service: ServiceDep, language: LanguageDep) -> schemas.Job:
    """Read, split and embed all documents again in a job; the old state is searched until that is done."""
    return schemas.job(service.submit_rebuild(name), language)


@router.post("/{name}/rollback", status_code=202)
def roll_back_knowledge_base(name: str, service: ServiceDep, language: LanguageDep) -> schemas.Job:
    """Go back, in a job, to what was searched before the last rebuild."""
    return schemas.job(service.submit_rebuild(name, back=True), language)


@router.delete("/{name}/previous", status_code=204)
def forget_previous(name: str, service: ServiceDep) -> None:
    """Delete what is kept from before the last rebuild, to have its space."""
    service.rebuilds.forget_previous(service.key(name))


@router.delete("/{name}", status_code=204)
def delete_knowledge_base(name: str, service: ServiceDep) -> None:
    """Delete a knowledge base with all its documents."""
    service.delete_knowledge_base(name)
