"""Which pages are recognised: by what their text layer is worth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loaders.base import LoadOptions
from loaders.document import ParsedDocument
from loaders.registry import parse_file
from tests.loaders.pdf_files import HEIGHT, FakeOcr, fake_line, lines_at, picture_at, together, write_pdf

GOOD = (
    "合同审核应当在收到文本后三个工作日内完成，涉及金额较大的须由法务部门复核。",
    "審查人員應於收到文件後三日內完成初審，逾期未完成者由主管人員另行指派。",
    "Payment is due within thirty days after the invoice has been received in full.",
    "Les employés déposent leur demande d\u2019été auprès du secrétariat général avant midi.",
)


def parse(path: Path, ocr: FakeOcr) -> ParsedDocument:
    return parse_file(path, name=path.name, options=LoadOptions(ocr=ocr))


def hidden(texts: list[str]) -> Callable[[Any], None]:
    def draw(canvas: Any) -> None:
        text = canvas.beginText(72, HEIGHT - 100)
        text.setTextRenderMode(3)
        text.setFont("STSong-Light", 12)
        for line in texts:
            text.textLine(line)
        canvas.drawText(text)

    return draw


@pytest.mark.parametrize("text", GOOD)
def test_a_good_layer_is_kept_also_behind_a_scan(tmp_path: Path, text: str) -> None:
    ocr = FakeOcr([fake_line("不该出现", 10, 10, 200, 40)])
    scan = write_pdf(tmp_path / "a.pdf", together(picture_at(0, 0, 595, 842), hidden([text] * 3)))
    digital = write_pdf(tmp_path / "b.pdf", lines_at(72, 100, [text] * 3, size=9))
    for path in (scan, digital):
        assert parse(path, ocr).text.replace("\n", " ").startswith(text[:20])
    assert ocr.shapes == []


@pytest.mark.parametrize(
    "text",
    [
        "".join(chr(0x4E00 + (n * 7919) % 20_000) for n in range(30)),
        "审核合同须由法务部门复核金额较大者另行报批".encode("gb18030").decode("latin-1"),
        "^ # ffl * = ~ | < il } ] \\ @ & { + $ > a ^ # * ~ = | <",
    ],
    ids=["wrong map", "wrong encoding", "recognised in another language"],
)
def test_a_bad_layer_behind_a_scan_is_recognised(tmp_path: Path, text: str) -> None:
    ocr = FakeOcr([fake_line("看得见的字", 100, 100, 500, 140)])
    path = write_pdf(tmp_path / "a.pdf", together(picture_at(0, 0, 595, 842), hidden([text] * 3)))
    assert parse(path, ocr).text == "看得见的字"


def test_wrong_characters_are_recognised_without_a_scan_too(tmp_path: Path) -> None:
    ocr = FakeOcr([fake_line("看得见的字", 100, 100, 500, 140)])
    text = "".join(chr(0x4E00 + (n * 7919) % 20_000) for n in range(30))
    assert parse(write_pdf(tmp_path / "a.pdf", lines_at(72, 100, [text])), ocr).text == "看得见的字"


def test_headers_of_left_and_right_pages_are_dropped(tmp_path: Path) -> None:
    def page(number: int) -> Callable[[Any], None]:
        right = number % 2 == 1
        return together(
            lines_at(380 if right else 72, 40, ["第三章 设备管理" if right else "员工手册"], size=9),
            lines_at(72, 120, [f"这是第{number}页独有的正文内容。"]),
            lines_at(500 if right else 72, 815, [str(number)], size=9),
        )

    path = write_pdf(tmp_path / "a.pdf", *[page(number) for number in range(1, 7)])
    assert parse(path, FakeOcr()).text == "\n".join(f"这是第{n}页独有的正文内容。" for n in range(1, 7))


def test_a_table_over_two_pages_keeps_its_header_in_every_chunk(tmp_path: Path) -> None:
    from loaders.splitter import ChineseTextSplitter

    def grid(top: float, rows: list[list[str]]) -> Callable[[Any], None]:
        def draw(canvas: Any) -> None:
            canvas.grid([72, 172, 272, 372], [HEIGHT - top - 24 * i for i in range(len(rows) + 1)])
            for r, row in enumerate(rows):
                for c, cell in enumerate(row):
                    canvas.drawString(78 + 100 * c, HEIGHT - top - 24 * r - 17, cell)

        return draw

    header = ["编号", "名称", "数量"]
    rows = [[f"A{n:03d}", f"零件{n}", str(100 + n)] for n in range(1, 25)]
    path = write_pdf(tmp_path / "a.pdf", grid(400, [header, *rows[:14]]), grid(80, rows[14:]))
    document = parse(path, FakeOcr())
    chunks = [chunk for chunk in ChineseTextSplitter().split(document) if chunk.kind == "table"]
    assert {chunk.header for chunk in chunks} == {"编号 | 名称 | 数量"}
    assert "\n".join(chunk.text for chunk in chunks).split("\n") == [" | ".join(row) for row in rows]
