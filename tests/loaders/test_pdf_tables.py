from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from loaders.base import LoadOptions
from loaders.document import ParsedDocument
from loaders.registry import parse_file
from loaders.ruled_tables import Edge, find_grids
from tests.loaders.pdf_files import HEIGHT, lines_at, together, write_pdf

ROW, COLUMN = 24.0, 90.0


def parse(path: Path) -> ParsedDocument:
    return parse_file(path, name=path.name, options=LoadOptions())


def cells(x: float, top: float, texts: Sequence[tuple[int, int, int, int, str]]) -> Callable[[Any], None]:
    """Boxes at (row, column) that span some rows and columns, with a text in each."""

    def draw(canvas: Any) -> None:
        canvas.setFont("STSong-Light", 10)
        for row, column, down, across, text in texts:
            left, upper = x + COLUMN * column, HEIGHT - top - ROW * row
            canvas.rect(left, upper - ROW * down, COLUMN * across, ROW * down)
            for index, line in enumerate(text.split("\n")):
                canvas.drawString(left + 5, upper - 12 - 11 * index, line)

    return draw


REPORT = [
    (0, 0, 1, 5, "表3 各区域销售额（万元）"),
    (1, 0, 2, 1, "区域"),
    (1, 1, 1, 2, "2024年"),
    (1, 3, 1, 2, "2025年"),
    *((2, 1 + n, 1, 1, name) for n, name in enumerate(("上半年", "下半年", "上半年", "下半年"))),
    (3, 0, 2, 1, "华东"),
    *((3, 1 + n, 1, 1, value) for n, value in enumerate(("310", "325", "340", "362"))),
    *((4, 1 + n, 1, 1, value) for n, value in enumerate(("12", "14", "15", "19"))),
    (5, 0, 1, 5, "注：第二行为线上渠道。"),
]


def test_merged_heads_merged_rows_title_and_note(tmp_path: Path) -> None:
    document = parse(write_pdf(tmp_path / "a.pdf", cells(60, 100, REPORT)))
    found = [(s.block.kind, s.block.header, s.block.text) for s in document.sections]
    assert found == [
        ("paragraph", "", "表3 各区域销售额（万元）"),
        (
            "table",
            "区域 | 2024年 上半年 | 2024年 下半年 | 2025年 上半年 | 2025年 下半年",
            "华东 | 310 | 325 | 340 | 362\n华东 | 12 | 14 | 15 | 19",
        ),
        ("paragraph", "", "注：第二行为线上渠道。"),
    ]
    first, second = document.sections[1].block.lines
    assert (first.box.y0, first.box.y1) == pytest.approx(
        ((100 + 3 * ROW) / HEIGHT, (100 + 4 * ROW) / HEIGHT), abs=1e-4
    )
    assert (second.box.x0, second.box.x1) == pytest.approx((60 / 595, (60 + 5 * COLUMN) / 595), abs=1e-4)


def test_a_table_drawn_inside_a_form_that_is_moved_and_shrunk(tmp_path: Path) -> None:
    def draw(canvas: Any) -> None:
        canvas.beginForm("grid")
        cells(
            0,
            HEIGHT - 100,
            [(0, 0, 1, 1, "型号"), (0, 1, 1, 1, "质保"), (1, 0, 1, 1, "甲"), (1, 1, 1, 1, "3年")],
        )(canvas)
        canvas.endForm()
        canvas.translate(100, 300)
        canvas.scale(0.8, 0.8)
        canvas.doForm("grid")

    document = parse(write_pdf(tmp_path / "a.pdf", draw))
    (section,) = document.sections
    assert (section.block.header, section.block.text) == ("型号 | 质保", "甲 | 3年")
    (line,) = section.block.lines
    assert (line.box.x0, line.box.x1) == pytest.approx((100 / 595, (100 + 0.8 * 2 * COLUMN) / 595), abs=1e-4)


def test_a_table_on_a_turned_page(tmp_path: Path) -> None:
    def draw(canvas: Any) -> None:
        canvas.setPageRotation(90)
        canvas.translate(595, 0)
        canvas.rotate(90)
        cells(
            60,
            HEIGHT - 500,
            [(0, 0, 1, 1, "型号"), (0, 1, 1, 1, "质保"), (1, 0, 1, 1, "甲"), (1, 1, 1, 1, "3年")],
        )(canvas)

    (section,) = parse(write_pdf(tmp_path / "a.pdf", draw)).sections
    assert (section.block.header, section.block.text) == ("型号 | 质保", "甲 | 3年")


def test_cells_of_several_lines_and_text_beside_the_table(tmp_path: Path) -> None:
    document = parse(
        write_pdf(
            tmp_path / "a.pdf",
            together(
                lines_at(60, 80, ["处理方法如下。"]),
                cells(
                    60,
                    100,
                    [
                        (0, 0, 1, 1, "代码"),
                        (0, 1, 1, 2, "处理"),
                        (1, 0, 1, 1, "E01"),
                        (1, 1, 1, 2, "检查线径，\n再检查线长"),
                    ],
                ),
                lines_at(60, 190, ["其他代码见附录。"]),
            ),
        )
    )
    assert document.text.split("\n") == ["处理方法如下。", "E01 | 检查线径，再检查线长", "其他代码见附录。"]


def test_a_frame_around_text_is_no_table(tmp_path: Path) -> None:
    words = ["框里的说明文字一共有好几行，", "它们只是被框住了，不是表格。"]
    path = write_pdf(
        tmp_path / "a.pdf",
        together(lambda canvas: canvas.rect(50, HEIGHT - 200, 400, 120), lines_at(60, 110, words)),
    )
    (section,) = parse(path).sections
    assert (section.block.kind, section.block.text) == ("paragraph", "".join(words))


def test_a_drawing_of_very_many_lines_is_not_searched_for_cells() -> None:
    hatched = [Edge(0, 5 * n, 4000, 5 * n, upright=False) for n in range(600)]
    hatched += [Edge(5 * n, 0, 5 * n, 4000, upright=True) for n in range(600)]
    assert find_grids(hatched) == []
