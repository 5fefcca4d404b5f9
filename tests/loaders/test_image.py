from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from loaders import rendering
from loaders.base import Limits, LoadOptions
from loaders.errors import (
    DamagedFileError,
    LimitExceededError,
    LoaderError,
    NoTextError,
    PageNotFoundError,
    UnsupportedFormatError,
)
from loaders.registry import parse_file
from loaders.rendering import render_page
from tests.loaders.pdf_files import FakeOcr, fake_line, lines_at, picture, picture_bytes, write_pdf

OCR = FakeOcr([fake_line("图片文字", 40, 30, 200, 60)])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
def test_each_kind_is_recognised_by_content(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "stored"
    path.write_bytes(picture_bytes(kind))
    document = parse_file(path, name=f"图.{kind.lower()}", options=LoadOptions(ocr=OCR))
    assert (document.text, document.format, document.pages) == ("图片文字", "image", 1)
    box = document.sections[0].block.lines[0].box
    assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((0.1, 0.1, 0.5, 0.2))
    with pytest.raises(NoTextError) as caught:
        parse_file(path, name="图", options=LoadOptions())
    assert [problem.code for problem in caught.value.details["problems"]] == ["needs_ocr"]  # type: ignore[attr-defined]


def test_pages_of_a_tiff(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    picture().save(path, save_all=True, append_images=[picture(), picture()])
    seen: list[tuple[int, int]] = []
    options = LoadOptions(ocr=OCR, first_page=2, progress=lambda *page: seen.append(page))
    document = parse_file(path, name="a.tif", options=options)
    assert [section.page for section in document.sections] == [2, 3]
    assert seen == [(2, 3), (3, 3)]


def test_a_page_that_is_too_large_costs_no_other(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "a.tif"
    picture().save(path, save_all=True, append_images=[Image.new("1", (2000, 2000)), picture()])
    limits = Limits(picture_pixels=1_000_000)
    document = parse_file(path, name="a.tif", options=LoadOptions(ocr=OCR, limits=limits))
    assert [section.page for section in document.sections] == [1, 3]
    (problem,) = document.problems
    assert (problem.page, problem.code, problem.details["limit"]) == (
        2,
        "unreadable_picture",
        "picture_pixels",
    )


def test_orientation_from_the_camera(tmp_path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[274] = 6
    path = tmp_path / "a.jpg"
    path.write_bytes(picture_bytes("JPEG", exif=exif))
    ocr = FakeOcr([fake_line("竖着拍的", 10, 10, 100, 40)])
    parse_file(path, name="a.jpg", options=LoadOptions(ocr=ocr))
    assert ocr.shapes == [(400, 300, 3)]


def _huge_png() -> bytes:
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def test_huge_picture_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(_huge_png())
    with pytest.raises(LoaderError):
        parse_file(path, name="a.png", options=LoadOptions(ocr=OCR))
    path.write_bytes(picture_bytes("PNG"))
    with pytest.raises(LimitExceededError) as caught:
        parse_file(path, name="a.png", options=LoadOptions(ocr=OCR, limits=Limits(picture_pixels=1000)))
    assert caught.value.details["limit"] == "picture_pixels"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
def test_truncated(tmp_path: Path, kind: str) -> None:
    data = picture_bytes(kind)
    path = tmp_path / "a"
    for tenth in range(10):
        path.write_bytes(data[: len(data) * tenth // 10])
        with pytest.raises(LoaderError):
            parse_file(path, name=f"a.{kind.lower()}", options=LoadOptions(ocr=OCR))


def test_picture_under_the_name_of_a_document(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    path.write_bytes(picture_bytes("PNG"))
    with pytest.raises(UnsupportedFormatError) as caught:
        parse_file(path, name="a.docx", options=LoadOptions(ocr=OCR))
    assert caught.value.details["expected"] == "docx"
    assert caught.value.details["found"] == "image"


def test_render_pages(tmp_path: Path) -> None:
    import io

    from PIL import Image

    pdf = write_pdf(tmp_path / "a.pdf", lines_at(72, 100, ["字"]), lines_at(72, 100, ["字"]))
    image = tmp_path / "a.png"
    image.write_bytes(picture_bytes("PNG"))
    assert Image.open(io.BytesIO(render_page(pdf, "pdf", 2, width=600))).size == (600, 850)
    assert Image.open(io.BytesIO(render_page(image, "image", 1, width=200))).size == (200, 150)
    for path, form in ((pdf, "pdf"), (image, "image")):
        with pytest.raises(PageNotFoundError):
            render_page(path, form, 3)
    with pytest.raises(UnsupportedFormatError):
        render_page(pdf, "docx", 1)
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.4 broken")
    with pytest.raises(DamagedFileError):
        render_page(tmp_path / "b.pdf", "pdf", 1)


def test_a_picture_beyond_every_limit_names_ours(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    path = tmp_path / "a.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )
    )
    with pytest.raises(LimitExceededError) as caught:
        parse_file(path, name="a.png", options=LoadOptions())
    assert (caught.value.details["limit"], caught.value.details["value"]) == ("picture_pixels", 900_000_000)


def test_a_tall_picture_is_drawn_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    from PIL import Image

    monkeypatch.setattr(rendering, "_MOST_PIXELS", 80_000)
    path = tmp_path / "tall.png"
    Image.new("1", (100, 8000), 1).save(path)
    assert Image.open(io.BytesIO(render_page(path, "image", 1, width=1000))).size == (32, 2530)
