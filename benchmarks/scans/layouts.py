"""The kinds of pages that offices scan."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.scans.office_texts import FormPage, TablePage
from benchmarks.scans.sheet import MARGIN, PAGE, Sheet

ROOM = PAGE[0] - 2 * MARGIN
_PAD = 5.0


def _title(sheet: Sheet, text: str) -> float:
    size = 1.5 * sheet.size
    if text:
        sheet.write((PAGE[0] - sheet.width(text, size)) / 2, MARGIN, text, size=size)
    return MARGIN + 2.4 * size


def prose(sheet: Sheet, title: str, paragraphs: Sequence[str]) -> None:
    """A title and paragraphs over the full width."""
    y = _title(sheet, title)
    for paragraph in paragraphs:
        y = sheet.paragraph(MARGIN, y, ROOM, paragraph)


def columns(sheet: Sheet, title: str, paragraphs: Sequence[str]) -> None:
    """A title over two columns of equal height."""
    top = _title(sheet, title)
    gutter = 2.2 * sheet.size
    room = (ROOM - gutter) / 2
    lines = [line for text in paragraphs for line in sheet.wrap(text, room)]
    half = (len(lines) + 1) // 2
    for side, part in enumerate((lines[:half], lines[half:])):
        y = top
        for line in part:
            indent = sheet.size * (len(line) - len(line.lstrip("　")))
            sheet.write(MARGIN + side * (room + gutter) + indent, y, line.strip())
            y += 1.65 * sheet.size


def vertical(sheet: Sheet, paragraphs: Sequence[str]) -> None:
    """Columns from right to left."""
    height = PAGE[1] - 2 * MARGIN - 120
    fits = int(height / (1.08 * sheet.size))
    x = PAGE[0] - MARGIN - sheet.size
    for text in paragraphs:
        for start in range(0, len(text), fits):
            sheet.column(x, MARGIN, text[start : start + fits])
            x -= 1.9 * sheet.size


def table(sheet: Sheet, page: TablePage, *, ruled: bool) -> None:
    """A title, a sentence and a table, with lines between its cells or only space."""
    y = sheet.paragraph(MARGIN, _title(sheet, page.title), ROOM, page.lead) + 6
    widths = [
        max(sheet.width(line) for row in page.rows for line in row[column].split("\n"))
        for column in range(len(page.rows[0]))
    ]
    spare = max(0.0, min(ROOM - sum(widths), 60.0 * len(widths))) / len(widths)
    edges = [MARGIN]
    for width in widths:
        edges.append(edges[-1] + width + spare)
    top = y
    for row in page.rows:
        if ruled:
            sheet.rule(edges[0], y, edges[-1], y)
        depth = max(cell.count("\n") + 1 for cell in row)
        for x, cell in zip(edges, row, strict=False):
            lines = cell.split("\n")
            for number, line in enumerate(lines):
                shift = (depth - len(lines)) * 0.65 * sheet.size
                sheet.write(x + _PAD, y + _PAD + shift + number * 1.3 * sheet.size, line)
        y += depth * 1.3 * sheet.size + 2 * _PAD
    if ruled:
        sheet.rule(edges[0], y, edges[-1], y)
        for x in edges:
            sheet.rule(x, top, x, y)


def form(sheet: Sheet, page: FormPage, *, ruled: bool) -> None:
    """Two labels with their values a row, in cells or with a colon, and a remark below."""
    y = _title(sheet, page.title)
    edges = [MARGIN + ROOM * share for share in (0.0, 0.19, 0.5, 0.69, 1.0)]
    height = 1.3 * sheet.size + 2 * _PAD
    top = y
    for start in range(0, len(page.fields), 2):
        if ruled:
            sheet.rule(edges[0], y, edges[-1], y)
        for side, (label, value) in enumerate(page.fields[start : start + 2]):
            if ruled:
                sheet.write(edges[2 * side] + _PAD, y + _PAD, label)
                sheet.write(edges[2 * side + 1] + _PAD, y + _PAD, value)
            else:
                sheet.write(edges[2 * side], y + _PAD, f"{label}：{value}")
        y += height
    if ruled:
        sheet.rule(edges[0], y, edges[-1], y)
        for x in edges:
            sheet.rule(x, top, x, y)
    sheet.paragraph(MARGIN, y + sheet.size, ROOM, page.remark)
