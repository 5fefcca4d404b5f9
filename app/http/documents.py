"""Routes of documents: upload, content, chunks, pages."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import PurePosixPath
from typing import Annotated, Any, BinaryIO
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import UploadFile

from app import schemas
from app.errors import RepeatedNameError
from app.examples import with_example
from app.failures import KNOWN, Failure
from app.http.common import MOST, LanguageDep, ServiceDep, Utf8Route
from app.http.uploads import uploaded_files
from app.messages import Language
from app.replies import ErrorDetail, Rejected, Upload
from app.service import Service
from knowledge_base.files import StoredFile
from knowledge_base.names import repeated
from knowledge_base.types import DocumentState

router = APIRouter(prefix="/api/knowledge-bases/{name}/documents", tags=["documents"], route_class=Utf8Route)

_BLOCK = 1 << 20
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                    "required": ["files"],
                }
            }
        },
    }
}
"""What the documentation says of the body of an upload."""


class DocumentList(BaseModel):
    """Documents of a knowledge base; `total` counts those that were left out by `limit` too."""

    documents: list[schemas.StoredDocument]
    total: int


class DocumentChange(BaseModel):
    """What to change of a document."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=with_example)

    name: str | None = None
    knowledge_base: str | None = None


class VersionList(BaseModel):
    """A document's versions, newest first."""

    versions: list[schemas.DocumentVersion]


@router.get("")
def list_documents(
    name: str,
    service: ServiceDep,
    language: LanguageDep,
    limit: Annotated[int | None, Query(ge=1, le=10_000)] = None,
    offset: Annotated[int, Query(ge=0, le=MOST)] = 0,
    query: str = "",
    state: DocumentState | None = None,
) -> DocumentList:
    """A knowledge base's documents by name: all of them, or `limit` after the first `offset`.

    `query` chooses those with it in their name, `state` those that are so.
    """
    page = service.listing.page(name, limit=limit, offset=offset, name=query, state=state)
    return DocumentList(
        documents=[schemas.stored(info, language) for info in page.documents], total=page.total
    )


@router.post("", status_code=202, openapi_extra=UPLOAD)
async def upload_documents(name: str, request: Request, service: ServiceDep, language: LanguageDep) -> Upload:
    """Upload files; a job ingests them. Files that cannot be read at all are rejected at once."""
    await run_in_threadpool(service.knowledge_base, name)
    async with _files(request, service, service.settings.limits.files_per_upload) as uploads:
        files = [(upload.filename or "", upload.file) for upload in uploads]
        return await run_in_threadpool(_take_in, service, name, files, language)


@router.get("/{document_id}")
def get_document(
    name: str, document_id: str, service: ServiceDep, language: LanguageDep
) -> schemas.StoredDocument:
    """One document."""
    return schemas.stored(service.document(name, document_id), language)


@router.put("/{document_id}", status_code=202, openapi_extra=UPLOAD)
async def replace_document(
    name: str, document_id: str, request: Request, service: ServiceDep, language: LanguageDep
) -> Upload:
    """Replace a document's bytes; it keeps its id, and its name unless the file is of another kind."""
    info = await run_in_threadpool(service.document, name, document_id)
    async with _files(request, service, 1) as uploads:
        new = _replacing(info.name, uploads[0].filename or "")
        await run_in_threadpool(service.lifecycle.check_free, name, new, document_id)
        files = [(new, uploads[0].file)]
        return await run_in_threadpool(_take_in, service, name, files, language, document_id)


@router.patch("/{document_id}")
def change_document(
    name: str, document_id: str, body: DocumentChange, service: ServiceDep, language: LanguageDep
) -> schemas.StoredDocument:
    """Rename a document, or move it into another knowledge base with its names, edits and vectors."""
    if body.knowledge_base is not None:
        info = service.lifecycle.move(name, document_id, body.knowledge_base, name=body.name)
    elif body.name is not None:
        info = service.lifecycle.rename(name, document_id, body.name)
    else:
        info = service.document(name, document_id)
    return schemas.stored(info, language)


@router.get("/{document_id}/versions")
def list_versions(name: str, document_id: str, service: ServiceDep) -> VersionList:
    """What the document has been, its present self first."""
    versions = service.lifecycle.versions(name, document_id)
    return VersionList(versions=[schemas.DocumentVersion.model_validate(v) for v in versions])


@router.delete("/{document_id}", status_code=204)
def delete_document(name: str, document_id: str, service: ServiceDep, only_name: str | None = None) -> None:
    """Delete a document, or with `only_name` one of its names: the document goes with the last."""
    if only_name is None:
        service.delete_document(name, document_id)
    else:
        service.lifecycle.delete_name(name, only_name, document_id=document_id)


@router.get("/{document_id}/content", response_class=FileResponse)
def get_content(name: str, document_id: str, service: ServiceDep) -> Response:
    """The document's file as it was given, as a download."""
    info = service.document(name, document_id)
    path = service.document_file(name, document_id)
    # Always a download, never interpreted: an uploaded HTML file must not run on our own address.
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(info.name.rsplit('/', 1)[-1])}",
        "X-Content-Type-Options": "nosniff",
    }
    return FileResponse(path, media_type="application/octet-stream", headers=headers)


@router.get("/{document_id}/pages/{number}.png", response_class=Response)
def get_page(name: str, document_id: str, number: int, service: ServiceDep) -> Response:
    """A page of a PDF or picture as a PNG."""
    png = service.page_picture(name, document_id, number)
    return Response(png, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


def _files(request: Request, service: Service, maximum: int) -> AbstractAsyncContextManager[list[UploadFile]]:
    _ = service.store  # a key that may store nothing is told so before its files come in
    settings = service.settings
    return uploaded_files(request, settings.limits, settings.data_dir / "tmp", max_files=maximum)


def _replacing(name: str, uploaded: str) -> str:
    """The name of a document whose bytes are replaced: files are read by what their name ends in."""
    old, new = PurePosixPath(name), PurePosixPath(uploaded)
    return name if old.suffix.lower() == new.suffix.lower() else str(old.with_name(new.name or old.name))


def _take_in(
    service: Service,
    name: str,
    files: list[tuple[str, BinaryIO]],
    language: Language,
    replaces: str | None = None,
) -> Upload:
    service.knowledge_base(name)
    if names := repeated(filename for filename, _ in files):
        raise RepeatedNameError(f"several files are called {names}", names=", ".join(names))
    stored: list[StoredFile] = []
    rejected: list[tuple[str, Exception]] = []
    try:
        for filename, stream in files:
            try:
                file = service.store(filename, _blocks(stream))
                stored.append(dataclasses.replace(file, replaces=replaces))
            except KNOWN as error:
                rejected.append((filename, error))
        if not stored:
            raise rejected[0][1]
    except BaseException:
        service.discard(stored)
        raise
    job = schemas.job(service.submit(name, stored), language)
    return Upload(
        job_id=job.id,
        job=job,
        rejected=[
            Rejected(name=filename, error=ErrorDetail(**Failure.of(error, language).body()))
            for filename, error in rejected
        ],
    )


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    while block := stream.read(_BLOCK):
        yield block
