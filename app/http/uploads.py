"""Multipart bodies, kept to the limits while they come in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Literal, cast

from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from app.errors import TooManyFilesError, UploadError
from app.settings import LimitSettings
from knowledge_base.errors import storage_error
from loaders.errors import LimitExceededError

_FIELDS = 100
_IN_MEMORY = 1 << 20
"""Bytes of each file that are kept in memory; what is larger goes to the disk as it comes in."""


class _LimitedParser(MultiPartParser):
    """Ends with an error as soon as a limit is passed, whatever length the client has stated."""

    def __init__(self, request: Request, limit: str, maximum: int, folder: Path, max_files: int) -> None:
        super().__init__(request.headers, request.stream(), max_files=max_files, max_fields=_FIELDS)
        self._limit = limit
        self._maximum = maximum
        self._folder = folder
        self._part_bytes = 0
        self._made: list[SpooledTemporaryFile[bytes]] = []

    def close(self) -> None:
        """Close all files: also of parts that broke off, which no form holds."""
        for file in self._made:
            file.close()

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        self._part_bytes = 0
        upload = self._current_part.file
        if upload is not None:
            # In the data folder: the system's own place may be in memory, or small.
            spooled = SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(self._folder))  # noqa: SIM115
            self._made.append(spooled)
            upload.file.close()
            upload.file = cast("BinaryIO", spooled)

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        super().on_part_data(data, start, end)
        upload = self._current_part.file
        self._part_bytes += end - start
        if upload is not None and self._part_bytes > self._maximum:
            raise _too_large(upload.filename or "", self._limit, self._maximum)


@asynccontextmanager
async def uploaded_files(
    request: Request,
    limits: LimitSettings,
    folder: Path,
    *,
    max_files: int,
    limit: Literal["file_bytes", "package_bytes"] = "file_bytes",
) -> AsyncIterator[list[UploadFile]]:
    """The files of a multipart request, whatever their fields are called; closed at the end.

    What is larger than 1 MiB lies in `folder` meanwhile, under no name. Raises `TooManyFilesError`,
    `LimitExceededError` as soon as a file has grown too large, and `UploadError` without a file.
    """
    if not request.headers.get("Content-Type", "").lower().startswith("multipart/form-data"):
        raise UploadError("the request holds no file")
    folder.mkdir(parents=True, exist_ok=True)
    parser = _LimitedParser(request, limit, getattr(limits, limit), folder, max_files)
    try:
        uploads = await _parsed(parser, max_files)
        if not uploads:
            raise UploadError("the request holds no file")
        yield uploads
    finally:
        parser.close()


async def _parsed(parser: _LimitedParser, max_files: int) -> list[UploadFile]:
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise TooManyFilesError(
                f"one upload takes at most {max_files} files", maximum=max_files
            ) from error
        raise HTTPException(400, error.message) from error
    except OSError as error:
        raise storage_error("cannot keep the upload", error) from error
    return [value for _, value in form.multi_items() if isinstance(value, UploadFile)]


@asynccontextmanager
async def uploaded_package(request: Request, limits: LimitSettings, folder: Path) -> AsyncIterator[BinaryIO]:
    """The one file of a multipart request, or the body of another one; it lies in `folder` meanwhile.

    Raises `LimitExceededError` as soon as it has grown beyond `limits.package_bytes`, and as
    `uploaded_files` does.
    """
    if request.headers.get("Content-Type", "").lower().startswith("multipart/form-data"):
        async with uploaded_files(request, limits, folder, max_files=1, limit="package_bytes") as uploads:
            yield uploads[0].file
        return
    folder.mkdir(parents=True, exist_ok=True)
    size = 0
    with SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(folder)) as spooled:
        async for block in request.stream():
            size += len(block)
            if size > limits.package_bytes:
                raise _too_large("", "package_bytes", limits.package_bytes)
            try:
                await run_in_threadpool(spooled.write, block)
            except OSError as error:
                raise storage_error("cannot keep the upload", error) from error
        if not size:
            raise UploadError("the request holds no file")
        yield cast("BinaryIO", spooled)


def _too_large(name: str, limit: str, maximum: int) -> LimitExceededError:
    message = f"{name} is larger than {maximum} bytes"
    return LimitExceededError(message, name=name, limit=limit, maximum=maximum)
