from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders.base import Limits, RecognisedLine
from loaders.document import Box
from loaders.errors import DamagedFileError, LoadingCancelledError, RecognitionFailedError
from loaders.pptx import PptxLoader
from tests.loaders.office_files import (
    SHARED,
    as_bytes,
    assert_survives,
    load,
    needs_shared,
    recognised,
    truncations,
    with_member,
    zip_of,
)

LOADER = PptxLoader()


@dataclass(frozen=True)
class FoundLine:
    text: str
    confidence: float
    polygon: tuple[tuple[float, float], ...]


class FakeRecogniser:
    """Finds one line, in the top left quarter of any picture."""

    def __init__(self) -> None:
        self.calls = 0

    def recognise(self, image: np.ndarray) -> Sequence[RecognisedLine]:
        self.calls += 1
        height, width, channels = image.shape
        assert channels == 3
        corners = ((0.0, 0.0), (width / 2, 0.0), (width / 2, height / 2), (0.0, height / 2))
        return [FoundLine("图中文字", 0.9, corners)]


def corners(box: Box) -> tuple[float, float, float, float]:
    return box.x0, box.y0, box.x1, box.y1


def picture(size: tuple[int, int] = (200, 100)) -> BytesIO:
    from PIL import Image

    return BytesIO(as_bytes(lambda buffer: Image.new("RGB", size, "white").save(buffer, "PNG")))


def presentation() -> Any:
    from pptx import Presentation
    from pptx.util import Inches

    slides = Presentation()
    first = slides.slides.add_slide(slides.slide_layouts[1])
    first.shapes.title.text = "年度\v总结"
    frame = first.placeholders[1].text_frame
    frame.text = "收入增长"
    frame.add_paragraph().text = "成本下降"
    inner = frame.add_paragraph()
    inner.text = "人工成本"
    inner.level = 1
    first.notes_slide.notes_text_frame.text = "备注里的话"

    second = slides.slides.add_slide(slides.slide_layouts[6])
    # Made in the opposite of the reading order.
    second.shapes.add_textbox(Inches(1), Inches(5), Inches(3), Inches(1)).text_frame.text = "在下"
    second.shapes.add_textbox(Inches(1), Inches(1), Inches(3), Inches(1)).text_frame.text = "在上"
    table = second.shapes.add_table(3, 3, Inches(1), Inches(3), Inches(6), Inches(1)).table
    for row, cells in enumerate((("项目", "预算", "实际"), ("甲", "1", "2"), ("", "3", "4"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    table.cell(1, 0).merge(table.cell(2, 0))
    return slides


@pytest.fixture(scope="module")
def slides_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slides") / "a.pptx"
    presentation().save(path)
    return path


def test_reads_titles_lists_tables_and_notes(slides_file: Path) -> None:
    assert recognised(LOADER, slides_file, "no-suffix")
    first, second = load(LOADER, slides_file)
    assert [(block.kind, block.level, block.text) for block in first.blocks] == [
        ("heading", 1, "年度 总结"),
        ("list", 0, "- 收入增长\n- 成本下降\n  - 人工成本"),
        ("paragraph", 0, "备注里的话"),
    ]
    assert [(block.kind, block.header, block.text) for block in second.blocks] == [
        ("paragraph", "", "在上"),
        ("table", "项目 | 预算 | 实际", "甲 | 1 | 2\n甲 | 3 | 4"),
        ("paragraph", "", "在下"),
    ]
    assert (first.number, second.number, second.problems) == (1, 2, ())
    (line,) = second.blocks[0].lines
    assert (line.start, line.end) == (0, 2)
    assert line.box.page == 2
    assert corners(line.box) == pytest.approx((0.1, 1 / 7.5, 0.4, 2 / 7.5))


def test_reads_groups_charts_and_diagrams(tmp_path: Path) -> None:
    from pptx import Presentation
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE
    from pptx.util import Inches

    slides = Presentation()
    slide = slides.slides.add_slide(slides.slide_layouts[6])
    group = slide.shapes.add_group_shape().shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(2), Inches(1)).text_frame.text = "组中文字"
    data = CategoryChartData()
    data.categories = ["一季度", "二季度"]
    data.add_series("销量", (10, 20.5))
    chart = slide.shapes.add_chart(
        XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(3), Inches(4), Inches(3), data
    ).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "销量图"
    path = tmp_path / "a.pptx"
    slides.save(path)
    (page,) = load(LOADER, path)
    assert [block.text for block in page.blocks] == ["组中文字", "销量图", "一季度 | 10\n二季度 | 20.5"]
    assert page.blocks[2].header == " | 销量"
    assert page.problems == ()


def test_a_repeated_picture_is_recognised_once_and_keeps_its_place(tmp_path: Path) -> None:
    slides = presentation()
    for slide in slides.slides:
        slide.shapes.add_picture(picture(), 0, 0, slides.slide_width, slides.slide_height)
    path = tmp_path / "a.pptx"
    slides.save(path)
    ocr = FakeRecogniser()
    first, second = load(LOADER, path, ocr=ocr)
    assert ocr.calls == 1
    for page in (first, second):
        (block,) = (block for block in page.blocks if block.text == "图中文字")
        assert block.confidence == pytest.approx(0.9)
        (line,) = block.lines
        assert line.box.page == page.number
        assert corners(line.box) == pytest.approx((0.0, 0.0, 0.5, 0.5))


def slide_of(data: BytesIO, folder: Path) -> Path:
    from pptx import Presentation

    slides = Presentation()
    slides.slides.add_slide(slides.slide_layouts[6]).shapes.add_picture(data, 0, 0)
    path = folder / "a.pptx"
    slides.save(path)
    return path


def test_an_engine_that_fails_ends_the_load(tmp_path: Path) -> None:
    class Broken:
        def recognise(self, image: object) -> list[RecognisedLine]:
            raise OSError("no model")

    with pytest.raises(RecognitionFailedError, match="no model"):
        load(LOADER, slide_of(picture(), tmp_path), ocr=Broken())


def test_pictures_without_an_engine_are_a_problem(tmp_path: Path) -> None:
    (page,) = load(LOADER, slide_of(picture(), tmp_path))
    assert [(problem.code, problem.page) for problem in page.problems] == [("needs_ocr", 1)]


def test_a_picture_beyond_the_limit_is_a_problem(tmp_path: Path) -> None:
    path = slide_of(picture((400, 300)), tmp_path)
    (page,) = load(LOADER, path, ocr=FakeRecogniser(), limits=Limits(picture_pixels=1000))
    assert [problem.code for problem in page.problems] == ["unreadable_picture"]
    assert page.blocks == ()


def test_one_damaged_slide_loses_no_other(slides_file: Path, tmp_path: Path) -> None:
    def rename(xml: bytes) -> bytes:
        return xml.replace(b"<a:tbl>", b"<a:tbx>").replace(b"</a:tbl>", b"</a:tbx>")

    path = with_member(slides_file, "ppt/slides/slide2.xml", rename, tmp_path / "a.pptx")
    first, second = load(LOADER, path)
    assert first.blocks[0].text == "年度 总结"
    assert [block.text for block in second.blocks] == ["在上", "在下"]
    assert [problem.code for problem in second.problems] == ["damaged_shape"]


@needs_shared
def test_reads_the_sample_slide() -> None:
    (page,) = load(LOADER, SHARED / "ocr/ocr_test.pptx", ocr=FakeRecogniser())
    assert [(block.kind, block.header, block.text) for block in page.blocks] == [
        ("paragraph", "", "我是文字"),
        ("table", "我是表格1 | 我是表格5", "我是表格3 | 我是表格4"),
        ("paragraph", "", "图中文字"),
    ]


def test_resumes_and_cancels_between_slides(slides_file: Path) -> None:
    seen: list[tuple[int, int]] = []
    (page,) = load(LOADER, slides_file, first_page=2, progress=lambda *at: seen.append(at))
    assert (page.number, seen) == (2, [(2, 2)])
    with pytest.raises(LoadingCancelledError):
        load(LOADER, slides_file, cancelled=lambda: True)


def test_slide_shows_are_read_too(slides_file: Path, tmp_path: Path) -> None:
    def show(xml: bytes) -> bytes:
        return xml.replace(b"presentation.main+xml", b"slideshow.main+xml")

    path = with_member(slides_file, "[Content_Types].xml", show, tmp_path / "a.ppsx")
    assert len(load(LOADER, path)) == 2


def test_entities_are_refused(slides_file: Path, tmp_path: Path) -> None:
    def declare(xml: bytes) -> bytes:
        start = xml.index(b"<p:sld")
        return xml[:start] + b'<!DOCTYPE x [<!ENTITY a "b">]>' + xml[start:]

    with pytest.raises(DamagedFileError, match="entities"):
        load(LOADER, with_member(slides_file, "ppt/slides/slide1.xml", declare, tmp_path / "a.pptx"))


def test_cut_short_anywhere_is_damaged(slides_file: Path, tmp_path: Path) -> None:
    for part in truncations(slides_file.read_bytes()):
        path = tmp_path / "a.pptx"
        path.write_bytes(part)
        with pytest.raises(DamagedFileError):
            load(LOADER, path)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_survive(slides_file: Path, tmp_path: Path, data: st.DataObject) -> None:
    with zipfile.ZipFile(slides_file) as archive:
        members: dict[str, bytes | str] = {name: archive.read(name) for name in archive.namelist()}
    name = data.draw(
        st.sampled_from(["ppt/slides/slide2.xml", "ppt/presentation.xml", "[Content_Types].xml"])
    )
    xml = members[name]
    assert isinstance(xml, bytes)
    cut = data.draw(st.integers(0, len(xml)))
    members[name] = xml[:cut] + data.draw(st.binary(max_size=20)) + xml[cut + data.draw(st.integers(0, 20)) :]
    evil = zip_of(members, tmp_path / "evil.zip").read_bytes()
    assert_survives(LOADER, evil, tmp_path, "evil.pptx")
