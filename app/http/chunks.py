"""Routes of a document's chunks, and of what was changed of them by hand."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app import schemas
from app.examples import with_example
from app.http.common import RowId, ServiceDep, Utf8Route

router = APIRouter(
    prefix="/api/knowledge-bases/{name}/documents/{document_id}", tags=["chunks"], route_class=Utf8Route
)

_MOST_PAGES = 1_000_000


class ChunkList(BaseModel):
    """A document's chunks in order."""

    chunks: list[schemas.Chunk]


class NewChunk(BaseModel):
    """A chunk to add at the end of a document."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=with_example)

    text: str
    page: int | None = Field(None, ge=1, le=_MOST_PAGES)
    heading_path: list[str] = Field([], max_length=100)


class ChunkChange(BaseModel):
    """What to change of a chunk."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=with_example)

    text: str | None = None
    enabled: bool | None = None


class EditList(BaseModel):
    """What was changed of a document by hand."""

    edits: list[schemas.ChunkEdit]


class Keeping(BaseModel):
    """Which chunk an edit is about now; none: its text is added as a chunk of its own."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=with_example)

    chunk_id: RowId | None = None


@router.get("/chunks")
def list_chunks(name: str, document_id: str, service: ServiceDep) -> ChunkList:
    """A document's chunks in order, those that are switched off among them."""
    return ChunkList(chunks=[schemas.chunk(found) for found in service.chunks.chunks(name, document_id)])


@router.post("/chunks", status_code=201)
def add_chunk(name: str, document_id: str, body: NewChunk, service: ServiceDep) -> schemas.Chunk:
    """Add a chunk by hand; it is found as soon as this returns."""
    return schemas.chunk(
        service.chunks.add(name, document_id, body.text, page=body.page, heading_path=body.heading_path)
    )


@router.patch("/chunks/{chunk_id}")
def change_chunk(
    name: str, document_id: str, chunk_id: RowId, body: ChunkChange, service: ServiceDep
) -> schemas.Chunk:
    """Give a chunk another text, under a new id, or switch it off or on."""
    return schemas.chunk(
        service.chunks.change(name, document_id, chunk_id, text=body.text, enabled=body.enabled)
    )


@router.delete("/chunks/{chunk_id}", status_code=204)
def delete_chunk(name: str, document_id: str, chunk_id: RowId, service: ServiceDep) -> None:
    """Delete a chunk; it does not come again when the file is read again."""
    service.chunks.delete(name, document_id, chunk_id)


@router.get("/edits")
def list_edits(name: str, document_id: str, service: ServiceDep) -> EditList:
    """What was changed by hand; an edit in conflict has lost its chunk and waits for a decision."""
    suggestions = service.chunks.suggestions(name, document_id)
    edits = [schemas.ChunkEdit.model_validate(edit) for edit in service.chunks.edits(name, document_id)]
    for edit in edits:
        if edit.id in suggestions:
            edit.suggested_chunk, edit.similarity = suggestions[edit.id]
    return EditList(edits=edits)


@router.post("/edits/{edit_id}/keep", status_code=204)
def keep_edit(name: str, document_id: str, edit_id: RowId, body: Keeping, service: ServiceDep) -> None:
    """Settle a conflict for the edit: make it of another chunk, or add its text."""
    service.chunks.keep(name, document_id, edit_id, chunk_id=body.chunk_id)


@router.delete("/edits/{edit_id}", status_code=204)
def discard_edit(name: str, document_id: str, edit_id: RowId, service: ServiceDep) -> None:
    """Take an edit back: the chunk is as it was read."""
    service.chunks.discard(name, document_id, edit_id)
