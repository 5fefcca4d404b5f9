"""Files of office formats, written for the tests."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from loaders.base import Limits, Loader, LoadOptions
from loaders.document import Page
from loaders.errors import LoaderError

SHARED = Path(__file__).parents[3] / "shared/data/files"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared sample files are not here")


def load(loader: Loader, path: Path, **options: Any) -> list[Page]:
    return list(loader.pages(path, LoadOptions(**options)))


def head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(8192)


def recognised(loader: Loader, path: Path, name: str | None = None) -> bool:
    return loader.recognises(head(path), path, name or path.name)


def texts(pages: list[Page]) -> list[str]:
    return [block.text for page in pages for block in page.blocks]


def zip_of(members: dict[str, bytes | str], path: Path, *, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def workbook(path: Path, fill: Callable[[Any], None]) -> Path:
    """An XLSX file whose workbook `fill` has filled."""
    from openpyxl import Workbook

    book = Workbook()
    fill(book)
    book.save(path)
    return path


def with_member(source: Path, name: str, change: Callable[[bytes], bytes], target: Path) -> Path:
    """A copy of a ZIP file with one member changed."""
    with zipfile.ZipFile(source) as archive:
        members: dict[str, bytes | str] = {item: archive.read(item) for item in archive.namelist()}
        original = archive.read(name)
    members[name] = change(original)
    return zip_of(members, target)


def assert_survives(loader: Loader, data: bytes, folder: Path, name: str) -> None:
    """A loader gives pages or a `LoaderError`, for any bytes."""
    path = folder / name
    path.write_bytes(data)
    try:
        loader.recognises(data[:8192], path, name)
        for page in loader.pages(path, LoadOptions(limits=Limits(file_bytes=10_000_000))):
            assert isinstance(page, Page)
    except LoaderError:
        pass


def truncations(data: bytes) -> list[bytes]:
    """The data cut short at ten places, nothing at all among them."""
    return [data[: len(data) * tenth // 10] for tenth in range(10)]


def as_bytes(save: Callable[[BytesIO], object]) -> bytes:
    buffer = BytesIO()
    save(buffer)
    return buffer.getvalue()
