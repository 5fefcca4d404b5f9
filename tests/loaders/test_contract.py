"""What every registered format must do; a new one is added to `SAMPLES` and to `LOADERS`."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from loaders.base import Loader, LoadOptions
from loaders.errors import EmptyFileError, LoaderError, LoadingCancelledError
from loaders.registry import LOADERS, find_loader, parse_file, read_pages, supported_formats
from tests.loaders import samples
from tests.loaders.pdf_files import FakeOcr, fake_line

OCR = FakeOcr([fake_line("测试文字", 10, 10, 200, 40)])

SAMPLES: dict[str, Callable[[Path], Path]] = {
    "pdf": samples.pdf,
    "image": samples.image,
    "docx": samples.docx,
    "pptx": samples.pptx,
    "xlsx": samples.xlsx,
    "faq": samples.faq,
    "csv": samples.delimited,
    "html": samples.html,
    "mhtml": samples.mhtml,
    "eml": samples.eml,
    "epub": samples.epub,
    "json": samples.json_records,
    "rst": samples.rst,
    "zip": samples.archive,
    "markdown": samples.markdown,
    "text": samples.text,
}
# Read by a program that is not everywhere; tested with the loader itself.
_NEEDS_PROGRAM = ("doc", "ppt", "xls", "legacy")


def by_format() -> dict[str, Loader]:
    return {loader.format: loader for loader in LOADERS if not loader.format.startswith(_NEEDS_PROGRAM)}


@pytest.fixture(params=sorted(by_format()))
def sample(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Loader, Path]:
    name: str = request.param
    assert name in SAMPLES, f"add a sample of {name} to tests/loaders/samples.py"
    return by_format()[name], SAMPLES[name](tmp_path)


def test_recognised_by_content(sample: tuple[Loader, Path], tmp_path: Path) -> None:
    loader, path = sample
    stored = tmp_path / "0a1b2c"
    shutil.copy(path, stored)
    assert find_loader(stored, path.name) is loader
    assert path.suffix in loader.suffixes


def test_yields_text(sample: tuple[Loader, Path]) -> None:
    loader, path = sample
    document = parse_file(path, name=path.name, options=LoadOptions(ocr=OCR))
    assert "测试" in "\n".join(section.block.question + section.block.text for section in document.sections)
    assert document.format == loader.format
    assert all(document.text[s.start : s.end] == s.block.text for s in document.sections)
    for section in document.sections:
        assert all(0 <= line.start < line.end <= len(section.block.text) for line in section.block.lines)


def test_tells_progress_and_goes_on_at_a_page(sample: tuple[Loader, Path]) -> None:
    loader, path = sample
    seen: list[tuple[int, int]] = []
    options = LoadOptions(ocr=OCR, progress=lambda page, total: seen.append((page, total)))
    pages = list(read_pages(loader, path, name=path.name, options=options))
    assert seen[-1][0] == seen[-1][1] == len(pages)
    assert [page for page, _ in seen] == sorted(page for page, _ in seen)
    if len(pages) > 1:
        rest = list(read_pages(loader, path, name=path.name, options=LoadOptions(ocr=OCR, first_page=2)))
        assert rest == pages[1:]


def test_honours_cancellation(sample: tuple[Loader, Path]) -> None:
    loader, path = sample
    with pytest.raises(LoadingCancelledError):
        list(read_pages(loader, path, name=path.name, options=LoadOptions(ocr=OCR, cancelled=lambda: True)))


def test_damaged_files_fail_with_a_loader_error_or_not_at_all(
    sample: tuple[Loader, Path], tmp_path: Path
) -> None:
    loader, path = sample
    data = path.read_bytes()
    noise = random.Random(7)  # noqa: S311  the same noise each time
    for tenth in range(1, 10):
        cut = data[: len(data) * tenth // 10]
        flipped = bytearray(data)
        for _ in range(max(1, len(data) // 200)):
            flipped[noise.randrange(len(data))] = noise.randrange(256)
        for broken in (cut, bytes(flipped)):
            copy = tmp_path / f"broken{path.suffix}"
            copy.write_bytes(broken)
            try:
                list(read_pages(loader, copy, name=path.name, options=LoadOptions(ocr=OCR)))
                parse_file(copy, name=path.name, options=LoadOptions(ocr=OCR))
            except LoaderError as error:
                assert error.details["name"] == path.name


def test_empty_file(sample: tuple[Loader, Path], tmp_path: Path) -> None:
    _, path = sample
    empty = tmp_path / f"empty{path.suffix}"
    empty.touch()
    with pytest.raises(EmptyFileError):
        parse_file(empty, name=empty.name, options=LoadOptions(ocr=OCR))


def test_formats_are_listed_once() -> None:
    names = [item.name for item in supported_formats()]
    assert len(names) == len(set(names)) == len(LOADERS)
