from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loaders.base import Limits, LoadOptions
from loaders.document import ParsedDocument
from loaders.errors import DamagedFileError, EncryptedFileError, LimitExceededError, LoaderError, NoTextError
from loaders.pdf import PdfLoader
from loaders.pdf_text import read_content
from loaders.registry import parse_file
from tests.loaders.pdf_files import (
    HEIGHT,
    FakeOcr,
    fake_line,
    lines_at,
    picture_at,
    together,
    write_pdf,
)

BODY = "这一行正文写得很长，为的是让它占满整个页面的宽度，好让下一行接着它写"


def parse(path: Path, ocr: FakeOcr | None = None, **limits: int) -> ParsedDocument:
    return parse_file(path, name=path.name, options=LoadOptions(ocr=ocr, limits=Limits(**limits)))


def texts(document: ParsedDocument) -> list[tuple[int | None, str, str]]:
    return [(s.page, s.block.kind, s.block.text) for s in document.sections]


def test_paragraphs_join_without_spaces_and_keep_their_boxes(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", lines_at(72, 100, [BODY, BODY, "到此为止。"]))
    document = parse(path)
    assert texts(document) == [(1, "paragraph", BODY + BODY + "到此为止。")]
    lines = document.sections[0].block.lines
    assert [(line.start, line.end) for line in lines] == [(0, 34), (34, 68), (68, 73)]
    assert lines[0].box.page == 1
    assert lines[0].box.x0 == pytest.approx(72 / 595, abs=0.01)
    assert lines[0].box.x1 == pytest.approx((72 + 34 * 12) / 595, abs=0.01)
    assert lines[0].box.y0 < 100 / HEIGHT < lines[0].box.y1 + 0.005


def test_hyphenated_words_are_made_whole(tmp_path: Path) -> None:
    path = write_pdf(
        tmp_path / "a.pdf",
        lines_at(72, 100, ["The retrieval of pas-", "sages is what this is", "about in the end."]),
    )
    assert parse(path).text == "The retrieval of passages is what this is about in the end."


def test_headings_by_size_and_heading_path(tmp_path: Path) -> None:
    path = write_pdf(
        tmp_path / "a.pdf",
        together(
            lines_at(72, 80, ["产品手册"], size=24),
            lines_at(72, 140, ["安装"], size=16),
            lines_at(72, 180, [BODY, BODY, BODY, "接好电源。"]),
            lines_at(72, 300, ["保养"], size=16),
            lines_at(72, 340, [BODY, BODY, BODY, "定期除尘。"]),
        ),
    )
    document = parse(path)
    assert [(s.block.text, s.block.level) for s in document.sections if s.block.kind == "heading"] == [
        ("产品手册", 1),
        ("安装", 2),
        ("保养", 2),
    ]
    assert document.sections[-1].heading_path == ("产品手册", "保养")


def headings(document: ParsedDocument) -> list[str]:
    return [section.block.text for section in document.sections if section.block.kind == "heading"]


def test_a_word_in_bold_at_the_start_makes_no_heading(tmp_path: Path) -> None:
    def draw(canvas: Any) -> None:
        line = canvas.beginText(72, HEIGHT - 100)
        for font, text in (("Helvetica-Bold", "Abstract: "), ("Helvetica", "the study is about the models")):
            line.setFont(font, 12)
            line.textOut(text)
        canvas.drawText(line)
        canvas.setFont("Helvetica-Bold", 12)
        canvas.drawString(72, HEIGHT - 200, "Method")
        canvas.setFont("Helvetica", 12)
        for top, text in ((116, "that read and write text for people."), (230, "People were asked what")):
            canvas.drawString(72, HEIGHT - top, text)

    document = parse(write_pdf(tmp_path / "a.pdf", draw))
    assert headings(document) == ["Method"]
    assert document.text.startswith("Abstract: the study is about the models that read")


def test_bold_letters_smaller_than_the_text_make_no_heading(tmp_path: Path) -> None:
    def draw(canvas: Any) -> None:
        for top, size, text in ((100, 12, "Results"), (300, 7, "Figure of the press office")):
            canvas.setFont("Helvetica-Bold", size)
            canvas.drawString(72, HEIGHT - top, text)
        lines_at(72, 120, [BODY] * 8)(canvas)

    assert headings(parse(write_pdf(tmp_path / "a.pdf", draw))) == ["Results"]


def test_a_line_of_authors_below_the_title_makes_no_heading(tmp_path: Path) -> None:
    path = write_pdf(
        tmp_path / "a.pdf",
        together(
            lines_at(72, 80, ["检索增强的问答"], size=22),
            lines_at(72, 120, ["示例甲1*，示例乙2", "First Author1*, and Second Author 2"], size=14),
            lines_at(72, 180, [BODY, BODY, BODY]),
            lines_at(72, 300, ["C*-代数与 A* 搜索"], size=16),
            lines_at(72, 340, [BODY, BODY, BODY, "到此为止。"]),
        ),
    )
    assert headings(parse(path)) == ["检索增强的问答", "C*-代数与 A* 搜索"]


def test_a_title_of_two_lines_is_one_heading_and_stands_in_a_path_once(tmp_path: Path) -> None:
    title = ["关于进一步加强和规范公司办公场所消防安全管", "理工作的通知"]
    path = write_pdf(
        tmp_path / "a.pdf",
        lines_at(72, 100, title, size=22, leading=31),
        together(
            lines_at(72, 80, title, size=18, leading=25),
            lines_at(72, 150, ["总则"], size=15),
            lines_at(72, 180, [BODY, BODY, BODY, "各部门照此执行。"]),
        ),
    )
    document = parse(path)
    assert headings(document) == ["".join(title)] * 2 + ["总则"]
    assert document.sections[-1].heading_path == ("".join(title), "总则")


def test_two_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    left = [f"左栏第{n}行的文字写满这一栏的宽度" for n in range(10)]
    right = [f"右栏第{n}行的文字写满这一栏的宽度" for n in range(10)]

    def draw(canvas: object) -> None:
        for index in range(10):  # row by row, as some programs write
            lines_at(60, 150 + index * 18, [left[index]])(canvas)
            lines_at(320, 150 + index * 18, [right[index]])(canvas)

    path = write_pdf(tmp_path / "a.pdf", together(lines_at(60, 100, [BODY + "横跨两栏"]), draw))
    text = parse(path).text
    assert text.replace("\n", "") == BODY + "横跨两栏" + "".join(left) + "".join(right)


def test_running_lines_and_page_numbers_are_dropped_and_sentences_joined(tmp_path: Path) -> None:
    def page(number: int, *body: str):  # type: ignore[no-untyped-def]
        return together(
            lines_at(72, 40, ["云杉公司 内部资料"], size=9),
            lines_at(72, 120, list(body)),
            lines_at(280, 815, [f"- {number} -"], size=9),
        )

    path = write_pdf(
        tmp_path / "a.pdf",
        page(1, BODY, BODY),
        page(2, "接上页。", "", "第二页的段落。"),
        page(3, "第三页的段落。"),
    )
    document = parse(path)
    assert texts(document) == [
        (1, "paragraph", BODY + BODY + "接上页。"),
        (2, "paragraph", "第二页的段落。"),
        (3, "paragraph", "第三页的段落。"),
    ]
    assert [line.box.page for line in document.sections[0].block.lines] == [1, 1, 2]


def _grid(canvas: object, x: float, top: float, rows: list[list[str]]) -> None:
    from reportlab.pdfgen.canvas import Canvas

    assert isinstance(canvas, Canvas)
    height = 24 * len(rows)
    canvas.grid(
        [x + 100 * i for i in range(len(rows[0]) + 1)], [HEIGHT - top - 24 * i for i in range(len(rows) + 1)]
    )
    assert height > 0
    for r, row in enumerate(rows):
        for c, cell in enumerate(row):
            canvas.drawString(x + 100 * c + 6, HEIGHT - top - 24 * r - 17, cell)


def test_ruled_table(tmp_path: Path) -> None:
    rows = [["级别", "一类城市", "二类城市"], ["A级", "900", "720"], ["B级", "680", "550"]]
    path = write_pdf(
        tmp_path / "a.pdf",
        together(
            lines_at(72, 90, ["住宿标准如下。"]),
            lambda c: _grid(c, 72, 120, rows),
            lines_at(72, 300, ["以上。"]),
        ),
    )
    document = parse(path)
    assert texts(document) == [
        (1, "paragraph", "住宿标准如下。"),
        (1, "table", "A级 | 900 | 720\nB级 | 680 | 550"),
        (1, "paragraph", "以上。"),
    ]
    table = document.sections[1].block
    assert table.header == "级别 | 一类城市 | 二类城市"
    assert [table.text[line.start : line.end] for line in table.lines] == [
        "A级 | 900 | 720",
        "B级 | 680 | 550",
    ]


def test_bookmarks_give_the_heading_path(tmp_path: Path) -> None:
    def page(title: str, level: int, body: str):  # type: ignore[no-untyped-def]
        def draw(canvas: object) -> None:
            from reportlab.pdfgen.canvas import Canvas

            assert isinstance(canvas, Canvas)
            canvas.bookmarkPage(title)
            canvas.addOutlineEntry(title, title, level)
            lines_at(72, 100, [body])(canvas)

        return draw

    path = write_pdf(tmp_path / "a.pdf", page("总则", 0, "甲的内容。"), page("范围", 1, "乙的内容。"))
    assert [s.heading_path for s in parse(path).sections] == [("总则",), ("总则", "范围")]


def test_good_text_is_never_recognised_again(tmp_path: Path) -> None:
    ocr = FakeOcr([fake_line("不该出现", 0, 0, 10, 10)])
    path = write_pdf(tmp_path / "a.pdf", together(lines_at(72, 100, [BODY]), picture_at(72, 400, 40, 40)))
    assert parse(path, ocr).text == BODY
    assert ocr.shapes == []


def test_scanned_page_is_recognised_at_200_dpi(tmp_path: Path) -> None:
    ocr = FakeOcr([fake_line("扫描的文字", 165, 234, 496, 280, 0.5)])
    path = write_pdf(tmp_path / "a.pdf", picture_at(0, 0, 595, 842))
    document = parse(path, ocr)
    assert ocr.shapes[0] == (2339, 1653, 3)
    section = document.sections[0]
    assert (section.block.text, section.block.confidence, section.page) == ("扫描的文字", 0.5, 1)
    box = section.block.lines[0].box
    assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((0.1, 0.1, 0.3, 0.12), abs=0.002)
    assert [(p.code, p.page) for p in document.problems] == [("low_confidence", 1)]


def test_scan_without_recognition_says_so(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", lines_at(72, 100, [BODY]), picture_at(0, 0, 595, 842))
    document = parse(path)
    assert [(p.code, p.page) for p in document.problems] == [("needs_ocr", 2)]
    with pytest.raises(NoTextError):
        parse(write_pdf(tmp_path / "b.pdf", picture_at(0, 0, 595, 842)))


def test_picture_on_a_page_of_text_is_read_in_its_place(tmp_path: Path) -> None:
    ocr = FakeOcr([fake_line("图中文字", 10, 10, 100, 40)])
    path = write_pdf(
        tmp_path / "a.pdf",
        together(lines_at(72, 100, ["上文。"]), picture_at(72, 200, 300, 200), lines_at(72, 500, ["下文。"])),
    )
    document = parse(path, ocr)
    assert [s.block.text for s in document.sections] == ["上文。", "图中文字", "下文。"]
    assert len(ocr.shapes) == 1
    box = document.sections[1].block.lines[0].box
    assert 200 / HEIGHT < box.y0 < 400 / HEIGHT
    assert box.x0 == pytest.approx((72 + 10 * 0.36) / 595, abs=0.005)


def test_text_without_unicode_values_is_recognised(tmp_path: Path) -> None:
    ocr = FakeOcr([fake_line("看得见的字", 100, 100, 500, 140)])
    path = write_pdf(tmp_path / "a.pdf", lines_at(72, 100, ["\ue001\ue002\ue003\ue004\ue005\ue006"]))
    data = path.read_bytes()
    assert data.startswith(b"%PDF")
    document = parse(path, ocr)
    assert document.text == "看得见的字"


def test_password(tmp_path: Path) -> None:
    from reportlab.lib.pdfencrypt import StandardEncryption

    path = write_pdf(tmp_path / "a.pdf", lines_at(72, 100, [BODY]), encrypt=StandardEncryption("secret"))
    with pytest.raises(EncryptedFileError):
        parse(path)


def test_truncated_at_ten_places(tmp_path: Path) -> None:
    data = write_pdf(tmp_path / "a.pdf", lines_at(72, 100, [BODY] * 20)).read_bytes()
    for tenth in range(10):
        cut = tmp_path / "cut.pdf"
        cut.write_bytes(data[: len(data) * tenth // 10])
        with pytest.raises(LoaderError):
            parse(cut)
    cut.write_bytes(data[: len(data) // 2])
    with pytest.raises(DamagedFileError):
        parse(cut)


def test_a_damaged_page_does_not_lose_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_pdf(tmp_path / "a.pdf", lines_at(72, 100, ["第一页。"]), lines_at(72, 100, ["第二页。"]))
    calls: list[int] = []

    def fail(page: object) -> object:
        calls.append(1)
        if len(calls) in (1, 3):  # when it is sampled and when it is read
            raise RuntimeError("broken")
        return read_content(page)

    monkeypatch.setattr("loaders.pdf.read_content", fail)
    document = parse(path)
    assert document.text == "第二页。"
    assert [(p.code, p.page) for p in document.problems] == [("damaged_page", 1)]


def test_thousands_of_empty_pages(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", *[lambda canvas: None] * 300)
    with pytest.raises(NoTextError):
        parse(path)
    with pytest.raises(LimitExceededError) as caught:
        parse(path, pages=200)
    assert caught.value.details == {
        "limit": "pages", "value": 300, "maximum": 200, "name": "a.pdf", "format": "pdf",
    }  # fmt: skip


def test_first_page_progress_and_cancel(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", *[lines_at(72, 100, [f"第{n}页。"]) for n in range(1, 5)])
    seen: list[tuple[int, int]] = []
    options = LoadOptions(first_page=3, progress=lambda page, total: seen.append((page, total)))
    assert [page.number for page in PdfLoader().pages(path, options)] == [3, 4]
    assert seen == [(3, 4), (4, 4)]
    with pytest.raises(LoaderError) as caught:
        list(PdfLoader().pages(path, LoadOptions(cancelled=lambda: True)))
    assert caught.value.code == "cancelled"
