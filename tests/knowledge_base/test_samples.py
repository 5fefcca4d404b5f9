"""The sample documents hold the answers that their question set names."""

from __future__ import annotations

import csv
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from benchmarks.make_samples import SAMPLES, SOURCES, make_samples
from benchmarks.sample_renderers.parts import read_parts
from benchmarks.sample_renderers.scan import SERIF, SERIF_BOLD

pytestmark = pytest.mark.slow

QUESTIONS: list[dict[str, Any]] = json.loads(
    (SAMPLES.parent / "sample_questions.json").read_text(encoding="utf-8")
)["questions"]
ANSWERABLE = [question for question in QUESTIONS if question["answerable"]]
DOCUMENTS = {
    "2026年第二季度销售统计.xlsx",
    "SG-200工业边缘网关用户手册.pdf",
    "release-notes-4.3.md",
    "产品委员会会议纪要-2026年7月.txt",
    "供应商采购框架合同模板.docx",
    "信息安全管理制度.md",
    "停电检修通知-扫描件.pdf",
    "员工手册.md",
    "差旅与费用报销管理办法.docx",
    "服务台常见问题.csv",
    "港台分支工作指引.txt",
    "网络与值班运行手册.md",
}
SCAN = "停电检修通知-扫描件.pdf"
ENCODINGS = {
    "产品委员会会议纪要-2026年7月.txt": "gb18030",
    "港台分支工作指引.txt": "big5",
    "服务台常见问题.csv": "utf-8-sig",
}


def squeeze(text: str) -> str:
    """Drop white space, for a line may break anywhere in Chinese."""
    return "".join(text.split())


@cache
def pages_of(name: str) -> dict[int | None, str]:
    """A sample's text by page; that of the scan, which has no text layer, comes from its source."""
    if name == SCAN:
        scanned = [""]
        for part in read_parts(SOURCES / "notice.md"):
            if part.kind == "page_end":
                scanned.append("")
            scanned[-1] += part.text + "\n" + "\n".join(" ".join(row) for row in part.rows)
        return dict(enumerate(scanned, start=1))
    return read_pages(SAMPLES / name)


def read_pages(path: Path) -> dict[int | None, str]:
    """A file's text by page, read with the format's plain library; one page None without pages."""
    if path.suffix == ".pdf":
        import pdfplumber

        with pdfplumber.open(path) as pdf:
            return {page.page_number: page.extract_text() for page in pdf.pages}
    if path.suffix == ".docx":
        import docx

        document = docx.Document(str(path))
        cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
        return {None: "\n".join([*(paragraph.text for paragraph in document.paragraphs), *cells])}
    if path.suffix == ".xlsx":
        import openpyxl

        workbook = openpyxl.load_workbook(path, read_only=True)
        rows = [row for sheet in workbook for row in sheet.iter_rows(values_only=True)]
        workbook.close()
        return {None: "\n".join(str(value) for row in rows for value in row if value is not None)}
    return {None: path.read_bytes().decode(ENCODINGS.get(path.name, "utf-8"))}


def test_folder_holds_the_documents_and_nothing_else() -> None:
    assert {path.name for path in SAMPLES.iterdir()} == DOCUMENTS
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) <= 1.5 * 1024 * 1024


def test_question_set_has_45_answerable_and_15_unanswerable_questions() -> None:
    assert Counter(question["answerable"] for question in QUESTIONS) == {True: 45, False: 15}
    assert len({question["id"] for question in QUESTIONS}) == 60
    assert len({question["question"] for question in QUESTIONS}) == 60
    assert {question["document"] for question in ANSWERABLE} == DOCUMENTS
    for question in QUESTIONS:
        assert set(question) == {"id", "question", "answer", "document", "page", "answerable"}
        if not question["answerable"]:
            assert question["answer"] is question["document"] is question["page"] is None


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: str(question["id"]))
def test_answer_stands_on_its_page(question: dict[str, Any]) -> None:
    assert squeeze(question["answer"]) in squeeze(pages_of(question["document"])[question["page"]])


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: str(question["id"]))
def test_question_does_not_give_its_answer_away(question: dict[str, Any]) -> None:
    assert question["answer"] not in question["question"]


def test_faq_has_200_different_questions_and_answers() -> None:
    with (SAMPLES / "服务台常见问题.csv").open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["问题", "答案"]
    assert len(rows) == 200
    assert all(len(row) == 2 for row in rows)
    assert len({row[0] for row in rows}) == 200
    assert len({row[1] for row in rows}) == 200


def test_regional_encodings_are_not_utf_8() -> None:
    for name, encoding in ENCODINGS.items():
        if encoding != "utf-8-sig":
            with pytest.raises(UnicodeDecodeError):
                (SAMPLES / name).read_bytes().decode("utf-8")


def test_scan_has_pictures_and_no_text_layer() -> None:
    import pdfplumber

    with pdfplumber.open(SAMPLES / SCAN) as pdf:
        assert [(page.extract_text(), len(page.images)) for page in pdf.pages] == [("", 1), ("", 1)]


def test_manual_has_bookmarks_running_lines_and_page_numbers() -> None:
    import pypdfium2

    pdf = pypdfium2.PdfDocument(SAMPLES / "SG-200工业边缘网关用户手册.pdf")
    chapters = [
        (mark.get_title(), mark.get_dest().get_index() + 1) for mark in pdf.get_toc() if mark.level == 0
    ]
    pdf.close()
    assert len(chapters) == 9
    assert chapters[7] == ("8 故障处理", 11)
    for number, text in pages_of("SG-200工业边缘网关用户手册.pdf").items():
        if number != 1:
            assert text.startswith("SG-200工业边缘网关用户手册 V1.6")
            assert text.endswith(f"云杉示例科技有限公司 第{number}页")


def test_sales_total_agrees_with_the_minutes() -> None:
    import openpyxl

    workbook = openpyxl.load_workbook(SAMPLES / "2026年第二季度销售统计.xlsx")
    *_, total = workbook["按区域"].iter_rows(values_only=True)
    by_product = [row[4] for row in workbook["按产品"].iter_rows(min_row=2, values_only=True)]
    assert total == ("合计", 1410, 1387, 1489, 4286, 4200, pytest.approx(1.0205, abs=1e-4))
    assert sum(by_product) == pytest.approx(4286)
    minutes = pages_of("产品委员会会议纪要-2026年7月.txt")[None]
    assert "二季度销售额合计4286万元，完成季度目标4200万元的102.0%" in minutes


def test_generator_writes_the_committed_samples_again(tmp_path: Path) -> None:
    """Bytes depend on library versions, so the text is compared."""
    if not (Path(SERIF).exists() and Path(SERIF_BOLD).exists()):
        pytest.skip("the fonts of fonts-noto-cjk are not installed")
    written = make_samples(tmp_path)
    assert len(written) == 7
    for path in written:
        assert read_pages(path) == read_pages(SAMPLES / path.name)


@pytest.mark.parametrize(
    ("name", "headings", "tables"),
    [("差旅与费用报销管理办法.docx", 10, 3), ("供应商采购框架合同模板.docx", 12, 1)],
)
def test_word_documents_have_headings_and_tables(name: str, headings: int, tables: int) -> None:
    import docx

    document = docx.Document(str(SAMPLES / name))
    styles = Counter(paragraph.style.name for paragraph in document.paragraphs)
    assert (styles["Title"], styles["Heading 1"], len(document.tables)) == (1, headings, tables)
