"""Routes that give out a knowledge base as one file, and take one in."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from app import schemas
from app.http.common import LanguageDep, ServiceDep, Utf8Route
from app.http.uploads import uploaded_package
from knowledge_base.errors import storage_error

router = APIRouter(prefix="/api/knowledge-bases", tags=["knowledge bases"], route_class=Utf8Route)

_Result = TypeVar("_Result")
_BLOCK = 1 << 20
_LOOK_SECONDS = 0.5
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {"schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}}
_PACKAGE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": _BINARY, "multipart/form-data": _FORM},
    }
}
_FILE: dict[int | str, dict[str, Any]] = {200: {"content": {"application/zip": {}}}}


class ImportUnderWay(BaseModel):
    """The job that takes a knowledge base in."""

    job_id: str
    job: schemas.Job


_UNDER_WAY: dict[int | str, dict[str, Any]] = {202: {"model": ImportUnderWay}}


@router.post(
    "/import",
    status_code=201,
    response_model=schemas.Import,
    responses=_UNDER_WAY,
    openapi_extra=_PACKAGE,
)
async def import_knowledge_base(
    request: Request,
    service: ServiceDep,
    language: LanguageDep,
    name: str | None = None,
    wait: bool = True,
) -> schemas.Import | JSONResponse:
    """Take in an exported knowledge base, all of it or nothing; `name` gives it another name.

    Without `wait`, a job takes it in, which tells its progress, can be cancelled, and goes on after a
    restart.
    """
    limits = service.settings.limits
    # Asked for before the body is read: who may not import is told so at once.
    imports, jobs = service.imports, service.import_jobs
    async with uploaded_package(request, limits, service.settings.data_dir / "tmp") as file:
        if not wait:
            submit = partial(jobs.submit, file, name=name, max_bytes=limits.package_bytes)
            job = schemas.job(await run_in_threadpool(submit), language)
            return JSONResponse(ImportUnderWay(job_id=job.id, job=job).model_dump(mode="json"), 202)
        taken = await _while_connected(
            request, lambda gone: imports.import_package(file, name=name, cancelled=gone)
        )
    return schemas.Import.model_validate(taken)


@router.post("/{name}/export", response_class=StreamingResponse, responses=_FILE)
async def export_knowledge_base(name: str, request: Request, service: ServiceDep) -> StreamingResponse:
    """The knowledge base in one file, as it is at this moment."""
    folder = await run_in_threadpool(_temporary, service.settings.data_dir / "tmp")
    path = Path(folder.name, "export")
    try:
        await _while_connected(request, lambda gone: service.exports.export(name, path, cancelled=gone))
    except BaseException:
        folder.cleanup()
        raise
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}.zhiwen",
        "Content-Length": str(path.stat().st_size),
    }
    return StreamingResponse(_sent(folder, path), media_type="application/zip", headers=headers)


def _temporary(parent: Path) -> TemporaryDirectory[str]:
    try:
        parent.mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(dir=parent, prefix="export-")
    except OSError as error:
        raise storage_error(f"cannot write to {parent}", error) from error


def _sent(folder: TemporaryDirectory[str], path: Path) -> Iterator[bytes]:
    """The file's bytes; it is gone when they are sent."""
    with folder, path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            yield block


async def _while_connected(request: Request, work: Callable[[Callable[[], bool]], _Result]) -> _Result:
    """What `work` gives; it is told when the client has left."""
    gone = threading.Event()
    task = asyncio.ensure_future(run_in_threadpool(work, gone.is_set))
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=_LOOK_SECONDS)
            if await request.is_disconnected():
                gone.set()
    finally:
        gone.set()
    return task.result()
