from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from loaders.base import Limits, LoadOptions
from loaders.document import ParsedDocument
from loaders.docx_numbering import chinese, numeral
from loaders.errors import DamagedFileError, LoaderError
from loaders.registry import parse_file
from tests.loaders.pdf_files import FakeOcr, fake_line, picture_bytes

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def save(document: Any, path: Path) -> Path:
    document.save(str(path))
    return path


def parse(path: Path, ocr: FakeOcr | None = None) -> ParsedDocument:
    return parse_file(path, name="文件.docx", options=LoadOptions(ocr=ocr))


def test_body_in_order(tmp_path: Path) -> None:
    import docx

    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "页眉不要"
    document.add_heading("出差办法", 0)
    document.add_heading("住宿", 1)
    document.add_paragraph("标准如下。")
    table = document.add_table(3, 2)
    for row, values in zip(table.rows, [("级别", "金额"), ("甲级", "900"), ("乙级", "680")], strict=True):
        for cell, value in zip(row.cells, values, strict=True):
            cell.text = value
    document.add_paragraph("表后。")
    parsed = parse(save(document, tmp_path / "a.docx"))
    assert [(s.block.kind, s.block.level, s.block.header, s.block.text) for s in parsed.sections] == [
        ("heading", 1, "", "出差办法"),
        ("heading", 2, "", "住宿"),
        ("paragraph", 0, "", "标准如下。"),
        ("table", 0, "级别 | 金额", "甲级 | 900\n乙级 | 680"),
        ("paragraph", 0, "", "表后。"),
    ]
    assert parsed.sections[3].heading_path == ("出差办法", "住宿")


def test_chinese_style_names_and_outline_levels(tmp_path: Path) -> None:
    import docx
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    document = docx.Document()
    style = document.styles.add_style("标题 1", 1)
    document.add_paragraph("甲", style=style)
    paragraph = document.add_paragraph("乙")
    level = OxmlElement("w:outlineLvl")
    level.set(qn("w:val"), "1")
    paragraph._p.get_or_add_pPr().append(level)
    document.add_paragraph("正文")
    parsed = parse(save(document, tmp_path / "a.docx"))
    assert parsed.sections[-1].heading_path == ("甲", "乙")


def test_merged_cells(tmp_path: Path) -> None:
    import docx

    document = docx.Document()
    table = document.add_table(3, 3)
    for r in range(3):
        for c in range(3):
            table.cell(r, c).text = f"{'甲乙丙'[r]}{c}"
    table.cell(1, 0).merge(table.cell(2, 0)).text = "合并"
    parsed = parse(save(document, tmp_path / "a.docx"))
    assert parsed.text == "合并 | 乙1 | 乙2\n合并 | 丙1 | 丙2"
    assert parsed.sections[0].block.header == "甲0 | 甲1 | 甲2"


def test_list_numbers(tmp_path: Path) -> None:
    import docx

    document = docx.Document()
    for text in ("甲", "乙"):
        document.add_paragraph(text, style="List Number")
    document.add_paragraph("丙", style="List Bullet")
    parsed = parse(save(document, tmp_path / "a.docx"))
    assert [s.block.text for s in parsed.sections] == ["1. 甲", "2. 乙", "- 丙"]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (12, "chineseCounting", "十二"),
        (305, "chineseCountingThousand", "三百零五"),
        (4, "upperRoman", "IV"),
        (27, "lowerLetter", "aa"),
        (3, "decimalEnclosedCircle", "③"),
        (20, "ideographDigital", "二〇"),
        (7, "decimal", "7"),
    ],
)
def test_numerals(value: int, kind: str, expected: str) -> None:
    assert numeral(value, kind) == expected


def test_chinese_numbers() -> None:
    assert [chinese(n) for n in (0, 10, 11, 20, 100, 110, 1001)] == [
        "〇", "十", "十一", "二十", "一百", "一百一十", "一千零一",
    ]  # fmt: skip


def test_insertions_in_deletions_out_and_text_boxes(tmp_path: Path) -> None:
    import docx
    from lxml import etree

    document = docx.Document()
    paragraph = document.add_paragraph("原文")
    for xml in (
        f'<w:ins xmlns:w="{W}"><w:r><w:t>加上</w:t></w:r></w:ins>',
        f'<w:del xmlns:w="{W}"><w:r><w:delText>删去</w:delText></w:r></w:del>',
        f'<w:r xmlns:w="{W}"><w:pict><w:txbxContent>'
        "<w:p><w:r><w:t>框内</w:t></w:r></w:p></w:txbxContent></w:pict></w:r>",
    ):
        paragraph._p.append(etree.fromstring(xml))
    assert parse(save(document, tmp_path / "a.docx")).text == "原文加上\n框内"


def test_pictures_are_recognised_once(tmp_path: Path) -> None:
    import docx

    document = docx.Document()
    document.add_paragraph("前")
    for _ in range(2):
        document.add_picture(io.BytesIO(picture_bytes("PNG")))
    document.add_paragraph("后")
    ocr = FakeOcr([fake_line("图中", 10, 10, 100, 40)])
    path = save(document, tmp_path / "a.docx")
    assert parse(path, ocr).text == "前\n图中\n后"
    assert len(ocr.shapes) == 1
    assert parse(path).text == "前\n后"


def test_truncated_at_ten_places(tmp_path: Path) -> None:
    import docx

    document = docx.Document()
    document.add_paragraph("正文")
    data = save(document, tmp_path / "a.docx").read_bytes()
    for tenth in range(10):
        (tmp_path / "b.docx").write_bytes(data[: len(data) * tenth // 10])
        with pytest.raises(LoaderError):
            parse(tmp_path / "b.docx")


def test_entities_are_refused(tmp_path: Path) -> None:
    import docx

    source = save(docx.Document(), tmp_path / "a.docx")
    hostile = tmp_path / "b.docx"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(hostile, "w") as new:
        for member in old.namelist():
            data = old.read(member)
            if member == "word/document.xml":
                body = "<w:p><w:r><w:t>&x;</w:t></w:r></w:p>"
                data = (
                    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
                    f'<w:document xmlns:w="{W}"><w:body>{body}</w:body></w:document>'
                ).encode()
            new.writestr(member, data)
    with pytest.raises(DamagedFileError):
        parse(hostile)


def test_comments_are_told_from_the_text(tmp_path: Path) -> None:
    import docx

    document = docx.Document()
    run = document.add_paragraph("上限为四百元。").runs[0]
    document.add_comment(run, text="改为五百元？", author="李工")
    parsed = parse(save(document, tmp_path / "a.docx"))
    assert parsed.text == "上限为四百元。\n批注（李工）：改为五百元？"


def test_what_exceeds_a_limit_is_a_problem_of_the_part(tmp_path: Path) -> None:
    import docx

    document = docx.Document()
    document.add_paragraph("正文。").add_run().add_picture(io.BytesIO(picture_bytes("PNG")))
    table = document.add_table(4, 2)
    for number, row in enumerate(table.rows):
        row.cells[0].text, row.cells[1].text = f"甲{number}", "乙"
    path = save(document, tmp_path / "a.docx")
    limits = Limits(table_rows=2, picture_pixels=100)
    parsed = parse_file(path, name="文件.docx", options=LoadOptions(ocr=FakeOcr([]), limits=limits))
    assert parsed.text == "正文。\n甲1 | 乙"  # 甲0 is the header
    assert [(p.code, p.details.get("cause"), p.details.get("maximum")) for p in parsed.problems] == [
        ("unreadable_picture", "limit_exceeded", 100),
        ("rows_left_out", None, 2),
    ]


def test_cells_that_span_leave_no_separators_behind(tmp_path: Path) -> None:
    import docx

    document = docx.Document()
    table = document.add_table(2, 3)
    for row in table.rows:
        for cell in row.cells:
            cell.text = "值"
    table.cell(1, 1).merge(table.cell(1, 2))
    assert parse(save(document, tmp_path / "a.docx")).text == "值 | 值 值"


def test_merged_heads_and_a_title_over_the_table(tmp_path: Path) -> None:
    import docx

    document = docx.Document()
    table = document.add_table(5, 4)
    cells = {
        (0, 0): "表2 车间人员", (1, 0): "车间", (1, 1): "白班", (1, 3): "夜班", (2, 1): "正式",
        (2, 2): "临时", (2, 3): "正式", (3, 0): "一车间", (3, 1): "12", (3, 2): "3", (3, 3): "8",
        (4, 0): "二车间", (4, 1): "9", (4, 2): "1", (4, 3): "6",
    }  # fmt: skip
    for first, last in (((0, 0), (0, 3)), ((1, 0), (2, 0)), ((1, 1), (1, 2))):
        table.cell(*first).merge(table.cell(*last))
    for place, text in cells.items():
        table.cell(*place).text = text
    parsed = parse(save(document, tmp_path / "a.docx"))
    assert [(s.block.kind, s.block.header, s.block.text) for s in parsed.sections] == [
        ("paragraph", "", "表2 车间人员"),
        ("table", "车间 | 白班 正式 | 白班 临时 | 夜班 正式", "一车间 | 12 | 3 | 8\n二车间 | 9 | 1 | 6"),
    ]


def test_hidden_text_is_left_out(tmp_path: Path) -> None:
    import docx

    document = docx.Document()
    paragraph = document.add_paragraph("验收期限为")
    for text, hidden in (("三十日", True), ("十五日", False), ("。", None)):
        paragraph.add_run(text).font.hidden = hidden
    assert parse(save(document, tmp_path / "a.docx")).text == "验收期限为十五日。"


def test_headings_of_a_contract_that_were_only_made_bold(tmp_path: Path) -> None:
    import docx

    document = docx.Document()
    title = document.add_paragraph()
    title.alignment = 1
    title.add_run("设备采购合同").bold = True
    for text, bold in (
        ("第一条 交货", True),
        ("第一批于三十日内交货。", False),
        ("第二条 付款", True),
        ("第三条 所述比例以验收单为准", False),
        ("注意：", True),
    ):
        document.add_paragraph().add_run(text).bold = bold
    table = document.add_table(2, 2)
    for place, text in {(0, 0): "甲方：", (0, 1): "乙方：", (1, 0): "代表：", (1, 1): "代表："}.items():
        table.cell(*place).text = text
    parsed = parse(save(document, tmp_path / "a.docx"))
    assert [(s.block.kind, s.block.level, s.block.text) for s in parsed.sections] == [
        ("heading", 1, "设备采购合同"),
        ("heading", 2, "第一条 交货"),
        ("paragraph", 0, "第一批于三十日内交货。"),
        ("heading", 2, "第二条 付款"),
        ("paragraph", 0, "第三条 所述比例以验收单为准"),
        ("paragraph", 0, "注意："),
        ("table", 0, "甲方： | 乙方：\n代表： | 代表："),
    ]
