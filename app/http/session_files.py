"""Routes of the files of one conversation, which it alone can be asked about and which go with it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from app.errors import NoSourcesError
from app.http import documents
from app.http.common import LanguageDep, ServiceDep, Utf8Route
from app.replies import Upload
from app.service import Service

router = APIRouter(prefix="/api/sessions/{session_id}/files", tags=["sessions"], route_class=Utf8Route)

_OWNER = None
"""Stands for the key that asks: whoever it is, the service knows better."""


@router.get("")
def list_files(session_id: str, service: ServiceDep, language: LanguageDep) -> documents.DocumentList:
    """The conversation's files by name."""
    service.sessions.session(_OWNER, session_id)
    name = service.conversation_files.name(session_id)
    if name is None:
        return documents.DocumentList(documents=[], total=0)
    return documents.list_documents(name, service, language)


@router.post("", status_code=202, openapi_extra=documents.UPLOAD)
async def upload_files(
    session_id: str, request: Request, service: ServiceDep, language: LanguageDep
) -> Upload:
    """Upload files into the conversation; a job ingests them. No listing of knowledge bases shows them."""
    name = await run_in_threadpool(_ensured, service, session_id)
    return await documents.upload_documents(name, request, service, language)


@router.delete("/{document_id}", status_code=204)
def delete_file(session_id: str, document_id: str, service: ServiceDep) -> None:
    """Delete one of the conversation's files."""
    service.sessions.session(_OWNER, session_id)
    name = service.conversation_files.name(session_id) or ""
    documents.delete_document(name, document_id, service)


def files_of(service: Service, session_id: str) -> str:
    """Name of the knowledge base that holds the conversation's files. Raises `NoSourcesError` without any."""
    service.sessions.session(_OWNER, session_id)
    name: str | None = service.conversation_files.name(session_id)
    if name is None:
        raise NoSourcesError("the conversation has no files")
    return name


def _ensured(service: Service, session_id: str) -> str:
    service.sessions.session(_OWNER, session_id)
    return service.conversation_files.ensure(session_id)
