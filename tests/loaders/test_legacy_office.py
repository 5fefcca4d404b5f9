from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loaders import legacy_office
from loaders.base import Loader, LoadOptions
from loaders.errors import DamagedFileError, EncryptedFileError
from loaders.legacy_office import ConverterMissingError, DocLoader, PptLoader, XlsLoader
from loaders.registry import find_loader, parse_file
from tests.loaders.office_files import load, recognised, texts, workbook

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
LOADERS: list[tuple[Loader, str, str]] = [
    (DocLoader(), "WordDocument", ".doc"),
    (PptLoader(), "PowerPoint Document", ".ppt"),
    (XlsLoader(), "Workbook", ".xls"),
    (XlsLoader(), "Book", ".xls"),
]


def ole(folder: Path, stream: str) -> Path:
    path = folder / "stored-under-a-hash"
    path.write_bytes(OLE + stream.encode("utf-16-le") + bytes(64))
    return path


def program(folder: Path, body: str) -> str:
    """A stand-in for LibreOffice; its last argument is the source, the one before it the folder."""
    path = folder / "soffice"
    path.write_text(f'#!/bin/sh\nfor last; do :; done\nfolder=$(dirname "$last")\n{body}\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(("loader", "stream", "suffix"), LOADERS)
def test_recognised_by_its_streams_and_refused_without_libreoffice(
    loader: Loader, stream: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(legacy_office, "find_converter", lambda: None)
    path = ole(tmp_path, stream)
    assert [item for item, *_ in LOADERS if recognised(item, path) and item.format == loader.format]
    assert not any(recognised(item, path) for item, *_ in LOADERS if item.format != loader.format)
    with pytest.raises(ConverterMissingError, match="LibreOffice") as caught:
        load(loader, path)
    assert caught.value.details["needs"] == "LibreOffice"
    assert type(find_loader(path, f"文件{suffix}")) is type(loader)


def test_the_converted_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(book: Any) -> None:
        book.active.title = "表"
        book.active.append(["部门", "人数"])
        book.active.append(["财务", 12])

    made = workbook(tmp_path / "made.xlsx", fill)
    soffice = program(tmp_path, f'test "${{last##*.}}" = xls && cp "{made}" "$folder/source.xlsx"')
    monkeypatch.setattr(legacy_office, "find_converter", lambda: soffice)
    document = parse_file(ole(tmp_path, "Workbook"), name="a.xls", options=LoadOptions())
    assert document.text == "财务 | 12"
    assert document.format == "xls"
    assert document.sections[0].heading_path == ("表",)


@pytest.mark.parametrize(
    ("body", "reason"), [("exit 1", "conversion"), ("exec tail -f /dev/null", "timeout")]
)
def test_a_conversion_that_fails_is_an_error(
    body: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soffice = program(tmp_path, body)
    monkeypatch.setattr(legacy_office, "find_converter", lambda: soffice)
    folder = tmp_path / "work"
    folder.mkdir()
    with pytest.raises(DamagedFileError) as caught:
        legacy_office.convert(ole(tmp_path, "Book"), ".xls", ".xlsx", folder, seconds=0.3)
    assert caught.value.details["reason"] == reason


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs Linux")
def test_what_the_converter_started_ends_with_it(tmp_path: Path) -> None:
    child = tmp_path / "child"
    started = program(
        tmp_path, f'tail -f /dev/null & echo $! > "{child}.part"; mv "{child}.part" "{child}"; wait'
    )
    process = subprocess.Popen([started, str(tmp_path)])  # noqa: S603 - a script of our own
    until(child.exists)
    legacy_office._end_tree(process)
    until_ended(int(child.read_text()))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline


def until_ended(pid: int) -> None:
    """Wait for the end of a process; one that nobody has waited for yet has ended."""
    stat = Path(f"/proc/{pid}/stat")
    until(lambda: not stat.exists() or stat.read_text().split()[2] == "Z")


def test_a_password_is_named(tmp_path: Path) -> None:
    with pytest.raises(EncryptedFileError):
        find_loader(ole(tmp_path, "EncryptedPackage"), "a.xlsx")


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
@pytest.mark.slow
def test_libreoffice_converts(tmp_path: Path) -> None:
    rich = tmp_path / "a.rtf"
    rich.write_text(r"{\rtf1\ansi Hello}", encoding="ascii")
    converted = legacy_office.convert(rich, ".rtf", ".doc", tmp_path)
    assert recognised(DocLoader(), converted)
    assert texts(load(DocLoader(), converted)) == ["Hello"]
