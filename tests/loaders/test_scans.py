"""Scans as offices make them, through the real recognition engine."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.scans import layouts
from benchmarks.scans.faces import FACES, missing_packages
from benchmarks.scans.office_texts import FormPage, TablePage
from benchmarks.scans.sheet import Sheet
from benchmarks.scans.wear import Wear, stamp
from loaders.base import TextRecogniser
from loaders.document import Block
from loaders.ocr_pages import read_picture

pytestmark = [
    pytest.mark.slow,
    pytest.mark.model,
    pytest.mark.skipif(bool(missing_packages()), reason="the fonts that the scans are set in are missing"),
]

DPI = 110
TABLE = TablePage(
    "设备保养计划",
    "各车间按照下列周期保养设备。",
    (
        ("设备", "保养内容", "周期"),
        ("空气压缩机", "更换机油并\n清洗滤芯", "每季度"),
        ("输送带", "张紧并清理\n托辊积灰", "每两周"),
    ),
    (),
)
FORM = FormPage(
    "设备报修单",
    (("报修部门", "质检室"), ("设备编号", "ZJ-0417"), ("设备名称", "恒温培养箱"), ("维修费用", "460元")),
    "维修完成后请保留旧件七日。",
    (),
)


@pytest.fixture(scope="module")
def ocr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TextRecogniser]:
    from models.ocr import PaddleOcrEngine

    yield PaddleOcrEngine(cache_dir=tmp_path_factory.mktemp("ocr"), threads=2)


def sheet() -> Sheet:
    return Sheet(FACES[0], size=14, dpi=DPI)


def read(made: Sheet, ocr: TextRecogniser, **wear: float) -> tuple[Block, ...]:
    picture = Wear(**wear).apply(made.image, DPI, np.random.default_rng(1))  # type: ignore[arg-type]
    return read_picture(np.asarray(picture), ocr, page=1).blocks


@pytest.mark.parametrize(
    "wear", [{}, {"turn": 90}, {"turn": 180}, {"turn": 270}, {"skew": -3}, {"skew": 2.5}]
)
def test_a_form_keeps_labels_with_values_and_places(ocr: TextRecogniser, wear: dict[str, float]) -> None:
    made = sheet()
    layouts.form(made, FORM, ruled=True)
    title, table, remark = read(made, ocr, **wear)
    assert title.text == "设备报修单"
    rows = ["报修部门 | 质检室 | 设备编号 | ZJ-0417", "设备名称 | 恒温培养箱 | 维修费用 | 460元"]
    assert [*filter(None, [table.header]), *table.text.split("\n")] == rows
    assert remark.text == "维修完成后请保留旧件七日。"
    # The title stands in the middle of the edge that was the top one.
    box = title.lines[0].box
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    top = (62 + 10) / 842
    expected = {0: (0.5, top), 90: (top, 0.5), 180: (0.5, 1 - top), 270: (1 - top, 0.5)}[
        int(wear.get("turn", 0))
    ]
    assert (x, y) == pytest.approx(expected, abs=0.03)
    assert title.confidence is not None
    assert title.confidence > 0.95


@pytest.mark.parametrize("ruled", [True, False])
def test_cells_of_several_lines_stay_in_their_row(ocr: TextRecogniser, ruled: bool) -> None:
    made = sheet()
    layouts.table(made, TABLE, ruled=ruled)
    *_, table = read(made, ocr)
    assert (table.kind, table.header) == ("table", "设备 | 保养内容 | 周期")
    assert table.text.split("\n") == [
        "空气压缩机 | 更换机油并清洗滤芯 | 每季度",
        "输送带 | 张紧并清理托辊积灰 | 每两周",
    ]


@pytest.mark.parametrize("wear", [{}, {"skew": 2.2, "noise": 8.0, "shade": 0.2}, {"turn": 90}])
def test_merged_cells_are_told_by_the_lines_around_them(ocr: TextRecogniser, wear: dict[str, float]) -> None:
    made = sheet()
    xs, ys = (60, 150, 240, 330, 420, 510), [150 + 34 * row for row in range(7)]
    for row, y in enumerate(ys):
        start, end = {1: (xs[2], xs[4]), 3: (xs[1], xs[5]), 5: (xs[1], xs[5])}.get(row, (xs[0], xs[5]))
        made.rule(start, y, end, y)
    for column, x in enumerate(xs):
        made.rule(x, ys[1] if column == 3 else ys[0], x, ys[6])
    merged = ((0, 0, 2, 1, "区域"), (0, 1, 2, 1, "城市"), (0, 2, 1, 2, "本年"), (0, 4, 2, 1, "合计"))
    regions = ((2, 0, 2, 1, "华东"), (4, 0, 2, 1, "华南"))
    single = [(1, 2, 1, 1, "上半年"), (1, 3, 1, 1, "下半年")]
    body = (
        ("上海", "310", "325", "635"),
        ("南京", "120", "131", "251"),
        ("广州", "98", "104", "202"),
        ("深圳", "77", "90", "167"),
    )
    single += [(2 + r, 1 + c, 1, 1, text) for r, row in enumerate(body) for c, text in enumerate(row)]
    for row, column, down, across, text in (*merged, *regions, *single):
        middle, level = (xs[column] + xs[column + across]) / 2, (ys[row] + ys[row + down]) / 2
        made.write(middle - made.width(text) / 2, level - 0.65 * made.size, text)
    (table,) = read(made, ocr, **wear)
    assert table.header == "区域 | 城市 | 本年 上半年 | 本年 下半年 | 合计"
    assert table.text.split("\n") == [
        "华东 | 上海 | 310 | 325 | 635",
        "华东 | 南京 | 120 | 131 | 251",
        "华南 | 广州 | 98 | 104 | 202",
        "华南 | 深圳 | 77 | 90 | 167",
    ]
    assert table.confidence is not None
    assert table.confidence > 0.9


def test_vertical_text_keeps_its_order_and_punctuation(ocr: TextRecogniser) -> None:
    made = sheet()
    text = (
        "档案室每天上午九点开放，月末最后一个工作日闭馆盘点，借阅单由部门负责人签字，归还时由管理员清点页数"
    )
    layouts.vertical(made, [text])
    assert "".join(block.text for block in read(made, ocr)) == text


def test_a_stamp_does_not_hide_the_text(ocr: TextRecogniser) -> None:
    made = sheet()
    layouts.prose(made, "通知", ["食堂从下月起分两批供餐，生产车间的员工先用餐。"])
    stamp(made.image, FACES[0], DPI, (0.6, 0.3))
    assert "生产车间的员工先用餐" in "".join(block.text for block in read(made, ocr))
