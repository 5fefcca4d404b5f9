from __future__ import annotations

import math

import numpy as np
import pytest

from loaders.ocr_pages import read_picture
from tests.loaders.pdf_files import FakeLine, FakeOcr, fake_line

PICTURE = np.zeros((1000, 800, 3), dtype=np.uint8)


def test_rows_of_a_table() -> None:
    rows = [("级别", "城市", "金额"), ("甲", "北京", "900"), ("乙", "上海", "680")]
    ocr = FakeOcr(
        [
            fake_line(cell, 100 + 200 * c, 100 + 50 * r, 180 + 200 * c, 130 + 50 * r)
            for r, row in enumerate(rows)
            for c, cell in enumerate(row)
        ]
    )
    (block,) = read_picture(PICTURE, ocr, page=3).blocks
    assert (block.kind, block.header, block.text) == (
        "table",
        "级别 | 城市 | 金额",
        "甲 | 北京 | 900\n乙 | 上海 | 680",
    )
    assert [line.box.page for line in block.lines] == [3, 3]


def test_vertical_text_reads_from_right_to_left() -> None:
    ocr = FakeOcr(
        [
            fake_line(text, x, 100, x + 40, 600)
            for text, x in (("第三列文字", 100), ("第一列文字", 300), ("第二列文字", 200))
        ]
    )
    assert [b.text for b in read_picture(PICTURE, ocr, page=1).blocks] == ["第一列文字第二列文字第三列文字"]


def test_a_column_that_ends_early_ends_its_paragraph() -> None:
    columns = (("第一列文字", 300, 100, 600), ("到此为止", 200, 100, 400), ("另起一段", 100, 100, 450))
    ocr = FakeOcr([fake_line(text, x, top, x + 40, bottom) for text, x, top, bottom in columns])
    found = [block.text for block in read_picture(PICTURE, ocr, page=1).blocks]
    assert found == ["第一列文字到此为止", "另起一段"]


def test_two_columns() -> None:
    lines = [
        fake_line(f"{side}{n}一二三四五六七八九十", x, 100 + 40 * n, x + 300, 130 + 40 * n)
        for n in range(5)
        for side, x in (("右", 450), ("左", 100))
    ]
    text = "".join(block.text for block in read_picture(PICTURE, FakeOcr(lines), page=1).blocks)
    assert [c for c in text if c in "左右"] == ["左"] * 5 + ["右"] * 5


def test_fields_side_by_side_are_rows_and_not_columns() -> None:
    fields = [("部门：质检室", "编号：ZJ-0417"), ("名称：恒温培养箱一号", "时间：2026年5月18日")]
    fields += [("现象：温度无法上升", "处理：更换加热管"), ("费用：460元", "意见：运行正常")]
    lines = [fake_line("设备报修单", 300, 60, 500, 90)]
    for number, row in enumerate(fields):
        for x, text in zip((100, 450), row, strict=True):
            lines.append(fake_line(text, x, 150 + 50 * number, x + 25 * len(text), 180 + 50 * number))
    title, table = read_picture(PICTURE, FakeOcr(lines), page=1).blocks
    assert title.text == "设备报修单"
    assert (table.kind, table.header) == ("table", "")
    assert table.text.split("\n") == [" | ".join(row) for row in fields]


def test_fields_below_one_another_are_not_run_together() -> None:
    fields = ["设备名称：恒温培养箱", "故障现象：温度无法上升", "维修费用：460元"]
    lines = [
        fake_line(text, 100, 100 + 40 * n, 100 + 28 * len(text), 130 + 40 * n)
        for n, text in enumerate(fields)
    ]
    assert [block.text for block in read_picture(PICTURE, FakeOcr(lines), page=1).blocks] == fields


@pytest.mark.parametrize(
    "corners",
    [
        ((100, 80), (500, 80), (500, 160), (100, 160)),
        ((160, 100), (160, 500), (80, 500), (80, 100)),
        ((500, 160), (100, 160), (100, 80), (500, 80)),
        ((80, 500), (80, 100), (160, 100), (160, 500)),
    ],
)
def test_page_on_its_side_is_laid_out_upright(corners: tuple[tuple[float, float], ...]) -> None:
    result = read_picture(PICTURE, FakeOcr([FakeLine("正过来的文字", 0.98, corners)]), page=1)
    assert [block.text for block in result.blocks] == ["正过来的文字"]
    box = result.blocks[0].lines[0].box
    xs, ys = [x / 800 for x, _ in corners], [y / 1000 for _, y in corners]
    assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((min(xs), min(ys), max(xs), max(ys)))


def test_lines_of_a_page_on_its_side_are_in_order() -> None:
    # The page was turned with the clock: its first line stands furthest to the right.
    lines = [
        FakeLine(f"第{n}行", 0.98, ((x + 30, 50), (x + 30, 400), (x, 400), (x, 50)))
        for n, x in enumerate((500, 450, 400))
    ]
    result = read_picture(PICTURE, FakeOcr(lines[::-1]), page=1)
    text = "".join(block.text for block in result.blocks)
    assert [c for c in text if c.isdigit()] == ["0", "1", "2"]


def test_skewed_lines_keep_their_order_and_place() -> None:
    angle = math.radians(4)
    cosine, sine = math.cos(angle), math.sin(angle)

    def turned(x: float, y: float) -> tuple[float, float]:
        dx, dy = x - 400, y - 500
        return 400 + dx * cosine - dy * sine, 500 + dx * sine + dy * cosine

    def line(text: str, x0: float, y0: float, x1: float) -> FakeLine:
        return FakeLine(
            text, 0.9, tuple(turned(x, y) for x, y in ((x0, y0), (x1, y0), (x1, y0 + 30), (x0, y0 + 30)))
        )

    rows = [line(f"第{n}行左边{'字' * 16}", 50, 100 + 40 * n, 700) for n in range(6)]
    result = read_picture(PICTURE, FakeOcr(list(reversed(rows))), page=1)
    text = "".join(block.text for block in result.blocks)
    assert [c for c in text if c.isdigit()] == list("012345")
    first = result.blocks[0].lines[0].box
    (x, y) = turned(375, 115)
    assert ((first.x0 + first.x1) / 2, (first.y0 + first.y1) / 2) == pytest.approx(
        (x / 800, y / 1000), abs=0.002
    )


def test_nothing_found() -> None:
    result = read_picture(PICTURE, FakeOcr(), page=1)
    assert (result.blocks, result.confidence, result.problems(1)) == ((), None, ())


def test_lines_of_one_cell_are_joined() -> None:
    cells = [
        ("设备", 50, 100), ("保养", 250, 100), ("周期", 450, 100),
        ("压缩机", 50, 162), ("更换机油并", 250, 145), ("清洗滤芯", 250, 180), ("每季度", 450, 162),
        ("输送带", 50, 242), ("张紧并清理", 250, 225), ("托辊积灰", 250, 260), ("每两周", 450, 242),
    ]  # fmt: skip
    lines = [fake_line(text, x, y, x + 30 * len(text), y + 30) for text, x, y in cells]
    (block,) = read_picture(PICTURE, FakeOcr(lines), page=1).blocks
    assert (block.kind, block.header) == ("table", "设备 | 保养 | 周期")
    assert block.text.split("\n") == [
        "压缩机 | 更换机油并清洗滤芯 | 每季度",
        "输送带 | 张紧并清理托辊积灰 | 每两周",
    ]


def test_lines_that_hang_below_their_row_are_joined_to_it() -> None:
    cells = [
        ("设备", 100, 100), ("保养内容", 300, 100), ("负责人", 600, 100),
        ("空气压缩机", 100, 160), ("更换机油并", 300, 160), ("设备科", 600, 160),
        ("清洗滤芯与", 300, 192), ("甲班", 600, 192), ("管路", 300, 224),
        ("数控车床", 100, 290), ("检查导轨", 300, 290), ("设备科", 600, 290),
        ("输送带", 100, 350), ("张紧并清理", 300, 350), ("生产科", 600, 350), ("托辊积灰", 300, 382),
    ]  # fmt: skip
    ocr = FakeOcr([fake_line(text, x, y, x + 28 * len(text), y + 30) for text, x, y in cells])
    (table,) = read_picture(PICTURE, ocr, page=1).blocks
    assert (table.kind, table.header) == ("table", "设备 | 保养内容 | 负责人")
    assert table.text.split("\n") == [
        "空气压缩机 | 更换机油并清洗滤芯与管路 | 设备科甲班",
        "数控车床 | 检查导轨 | 设备科",
        "输送带 | 张紧并清理托辊积灰 | 生产科",
    ]


def test_rows_of_one_line_each_are_not_joined() -> None:
    rows = [("甲", "北京城区", "九百"), ("乙", "上海城区", "六百"), ("丙", "天津城区", "五百")]
    lines = [
        fake_line(cell, 50 + 200 * c, 100 + 33 * r, 50 + 200 * c + 30 * len(cell), 130 + 33 * r)
        for r, row in enumerate(rows)
        for c, cell in enumerate(row)
    ]
    (block,) = read_picture(PICTURE, FakeOcr(lines), page=1).blocks
    assert [*filter(None, [block.header]), *block.text.split("\n")] == [" | ".join(row) for row in rows]
