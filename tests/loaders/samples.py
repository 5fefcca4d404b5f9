"""A small file of each format, made when a test asks for it."""

from __future__ import annotations

import csv
import json
import zipfile
from email.message import EmailMessage
from pathlib import Path

from tests.loaders.pdf_files import lines_at, picture_bytes, write_pdf

TEXT = "这是一段测试文字，说的是出差的住宿标准。"


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def pdf(folder: Path) -> Path:
    return write_pdf(folder / "sample.pdf", lines_at(72, 100, [TEXT]), lines_at(72, 100, [f"第二页：{TEXT}"]))


def image(folder: Path) -> Path:
    path = folder / "sample.png"
    path.write_bytes(picture_bytes("PNG"))
    return path


def docx(folder: Path) -> Path:
    import docx

    document = docx.Document()
    document.add_heading("办法", 1)
    document.add_paragraph(TEXT)
    path = folder / "sample.docx"
    document.save(str(path))
    return path


def pptx(folder: Path) -> Path:
    import pptx

    presentation = pptx.Presentation()
    for number in (1, 2):
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = f"第{number}张"
        slide.placeholders[1].text = TEXT
    path = folder / "sample.pptx"
    presentation.save(str(path))
    return path


def xlsx(folder: Path) -> Path:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["级别", "说明"], ["甲", TEXT], ["乙", TEXT]):
        book.active.append(row)
    path = folder / "sample.xlsx"
    book.save(path)
    return path


def _csv(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def delimited(folder: Path) -> Path:
    return _csv(folder / "sample.csv", [["级别", "说明"], ["甲", TEXT], ["乙", TEXT]])


def faq(folder: Path) -> Path:
    return _csv(folder / "faq.csv", [["问题", "答案"], ["测试吗？", TEXT], ["住哪里？", TEXT]])


def html(folder: Path) -> Path:
    body = f"<h1>办法</h1><p>{TEXT}</p>"
    page = f"<!doctype html><html><head><meta charset='utf-8'></head><body>{body}</body></html>"
    return _write(folder / "sample.html", page)


def mhtml(folder: Path) -> Path:
    message = EmailMessage()
    message["From"] = "<Saved by a browser>"
    message["Subject"] = "Page"
    message["Snapshot-Content-Location"] = "http://localhost/"
    message.set_content(f"<html><body><h1>办法</h1><p>{TEXT}</p></body></html>", subtype="html")
    message.make_related()
    path = folder / "sample.mhtml"
    path.write_bytes(message.as_bytes())
    return path


def eml(folder: Path) -> Path:
    message = EmailMessage()
    message["From"] = "a@example.com"
    message["To"] = "b@example.com"
    message["Subject"] = "住宿标准"
    message["Date"] = "Fri, 20 Nov 2026 10:00:00 +0800"
    message.set_content(TEXT)
    path = folder / "sample.eml"
    path.write_bytes(message.as_bytes())
    return path


def epub(folder: Path) -> Path:
    path = folder / "sample.epub"
    chapter = f'<html xmlns="http://www.w3.org/1999/xhtml"><body><h1>章</h1><p>{TEXT}</p></body></html>'
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("mimetype", "application/epub+zip")
        book.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
            '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/>'
            "</rootfiles></container>",
        )
        book.writestr(
            "book.opf",
            '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><manifest>'
            '<item id="c1" href="c1.xhtml" media-type="application/xhtml+xml"/>'
            '<item id="c2" href="c2.xhtml" media-type="application/xhtml+xml"/>'
            '</manifest><spine><itemref idref="c1"/><itemref idref="c2"/></spine></package>',
        )
        book.writestr("c1.xhtml", chapter)
        book.writestr("c2.xhtml", chapter)
    return path


def json_records(folder: Path) -> Path:
    records = [{"级别": "甲", "说明": TEXT}, {"级别": "乙", "说明": TEXT}]
    return _write(folder / "sample.json", json.dumps(records, ensure_ascii=False))


def rst(folder: Path) -> Path:
    return _write(folder / "sample.rst", f"办法\n====\n\n{TEXT}\n")


def archive(folder: Path) -> Path:
    path = folder / "sample.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("甲.txt", TEXT)
        packed.writestr("乙.md", f"# 办法\n\n{TEXT}")
    return path


def markdown(folder: Path) -> Path:
    return _write(folder / "sample.md", f"# 办法\n\n{TEXT}\n")


def text(folder: Path) -> Path:
    return _write(folder / "sample.txt", f"{TEXT}\n")
