"""Word and Excel samples, the same bytes on every run."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.sample_renderers.parts import COMPANY, read_parts

WRITTEN = datetime(2026, 8, 3, 9, 0)


def freeze_archive(data: bytes) -> bytes:
    """Give every member of an Office file the same date, so that equal content is equal bytes."""
    stamp = WRITTEN.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            body = old.read(name)
            if name == "docProps/core.xml":
                body = re.sub(rb"(<dcterms:(created|modified)[^>]*>)[^<]*", rb"\g<1>" + stamp, body)
            member = zipfile.ZipInfo(name, WRITTEN.timetuple()[:6])
            member.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(member, body)
    return out.getvalue()


def make_docx(source: Path) -> bytes:
    """Render a Markdown source as a Word document with heading styles and grid tables."""
    import docx
    from docx.oxml.ns import qn
    from docx.shared import Pt

    document = docx.Document()
    for style in ("Normal", "Title", "Heading 1"):
        # Word falls back to a Japanese font for Han characters when no East Asian one is named.
        properties = document.styles[style].element.get_or_add_rPr()
        properties.get_or_add_rFonts().set(qn("w:eastAsia"), "宋体" if style == "Normal" else "黑体")
    document.styles["Normal"].font.size = Pt(11)
    for part in read_parts(source):
        if part.kind == "heading":
            document.add_heading(part.text, level=part.level - 1)
            if part.level == 1:
                document.core_properties.title = part.text
        elif part.kind == "table":
            table = document.add_table(rows=0, cols=len(part.rows[0]), style="Table Grid")
            for number, row in enumerate(part.rows):
                for cell, text in zip(table.add_row().cells, row, strict=True):
                    cell.paragraphs[0].add_run(text).bold = number == 0
            document.add_paragraph()
        else:
            document.add_paragraph(part.text)
    document.core_properties.author = COMPANY
    out = io.BytesIO()
    document.save(out)
    return freeze_archive(out.getvalue())


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of a workbook; a title stands in a merged first row above the header row."""

    name: str
    rows: Sequence[Sequence[str | float | int]]
    title: str = ""


def make_workbook(sheets: Sequence[Sheet]) -> bytes:
    """Write sheets as an Excel workbook of plain values."""
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter

    workbook = Workbook()
    workbook.remove(workbook.active)
    workbook.properties.creator = COMPANY
    for sheet in sheets:
        page = workbook.create_sheet(sheet.name)
        columns = len(sheet.rows[0])
        if sheet.title:
            page.append([sheet.title])
            page.merge_cells(start_row=1, start_column=1, end_row=1, end_column=columns)
            page["A1"].alignment = Alignment(horizontal="center")
        for row in sheet.rows:
            page.append(list(row))
        header = 2 if sheet.title else 1
        for cell in page[header]:
            cell.font = Font(bold=True)
        for row in page.iter_rows(min_row=header + 1):
            for cell in row:
                if isinstance(cell.value, float):
                    cell.number_format = (
                        "0.0%" if "率" in str(page.cell(header, cell.column).value) else "0.0"
                    )
        for column in range(1, columns + 1):
            page.column_dimensions[get_column_letter(column)].width = 16
        page.freeze_panes = page.cell(header + 1, 1)
    out = io.BytesIO()
    workbook.save(out)
    return freeze_archive(out.getvalue())
