"""Rows of cells into blocks: titles, tables with their header, notes.

Used by every format whose tables come as rows: spreadsheets, delimited text, HTML, slides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from loaders.cleaning import clean_line
from loaders.document import Block

SEPARATOR = " | "
_HEADER_CELL = 60  # characters; a longer cell is a sentence, not the name of a column
_NUMBER = re.compile(
    r"[-+(]?\s*[¥￥$€£]?\s*[-+]?[\d,]*\.?\d+(e[-+]?\d+)?\s*[%‰)]?"
    r"|\d{4}[-/.年]\d{1,2}([-/.月]\d{1,2}日?|月)?(\s+\d{1,2}:\d{2}(:\d{2})?)?"
    r"|\d{1,2}:\d{2}(:\d{2})?",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(19|20)\d\d")


class Spanned(str):
    """A cell's text repeated because the cell reaches further to the right."""

    __slots__ = ()


def table_blocks(rows: Iterable[Sequence[str]]) -> Iterator[Block]:
    """Blocks of rows that are parted into tables by blank rows. Cells may hold `Spanned` texts."""
    region: list[list[str]] = []
    for row in rows:
        cells = [cell if type(cell) is Spanned else clean_line(cell) for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            region.append(cells)
        elif region:
            yield from _region_blocks(region)
            region = []
    if region:
        yield from _region_blocks(region)


def _region_blocks(rows: list[list[str]]) -> Iterator[Block]:
    rows = _squeeze(rows)
    width = max(map(len, rows))
    if width == 1:
        yield Block("\n".join(row[0] for row in rows), "paragraph" if len(rows) == 1 else "list")
        return
    first, last = 0, len(rows)
    while first < last and is_remark(rows[first]):
        yield Block(row_text(rows[first]))
        first += 1
    while last > first and is_remark(rows[last - 1]):
        last -= 1
    if first < last:
        yield table_block(rows[first:last])
    for row in rows[last:]:
        yield Block(row_text(row))


def table_block(rows: Sequence[Sequence[str]]) -> Block:
    """One table. Its first row becomes the header where it names columns."""
    header, used = table_header(rows)
    return Block("\n".join(map(row_text, rows[used:])), "table", header=header)


def table_header(rows: Sequence[Sequence[str]]) -> tuple[str, int]:
    """The header as one line, "" where there is none, and how many of the rows it takes."""
    used = header_rows(rows)
    if not used:
        return "", 0
    header = rows[0] if used == 1 else _joined(rows[0], rows[1])
    return row_text([str(cell) for cell in header]), used


def header_rows(rows: Sequence[Sequence[str]]) -> int:
    """How many of the first rows are the header: 0, 1, or 2 where the first row groups columns.

    A header is text in every column, at least two of them, above at least one more row. The
    first column may lack a name, as the column of a data frame's index does.
    """
    if len(rows) < 2 or not _names_columns(rows[0], max(map(len, rows))):
        return 0
    grouped = any(type(cell) is Spanned for cell in rows[0])
    return 2 if grouped and len(rows) > 2 and _names_columns(rows[1], len(rows[0])) else 1


def row_text(row: Sequence[str]) -> str:
    """A row as one line: `a | b | c`, a spanning cell once."""
    return SEPARATOR.join("" if type(cell) is Spanned else cell for cell in row).rstrip(" |")


def _names_columns(row: Sequence[str], width: int) -> bool:
    if len(row) < max(2, width) or not all(row[1:]) or len(row[0]) > _HEADER_CELL:
        return False
    if any(cell.endswith(("：", ":")) for cell in row):
        return False  # labels of a form, with room for their values
    words = [cell for cell in row if cell and not _NUMBER.fullmatch(cell)]
    years = [cell for cell in row if _YEAR.fullmatch(cell)]
    named = len(words) + (len(years) if words else 0)
    return named == sum(map(bool, row)) and all(len(cell) <= _HEADER_CELL for cell in row)


def _joined(upper: Sequence[str], lower: Sequence[str]) -> list[str]:
    return [top if top == low else f"{top} {low}".strip() for top, low in zip(upper, lower, strict=False)]


def is_remark(row: Sequence[str]) -> bool:
    """Whether a row is one cell at the left, as a title above a table or a note below it."""
    return bool(row[0]) and not any(cell and type(cell) is not Spanned for cell in row[1:])


def spans_all(cells: Sequence[str]) -> bool:
    """Whether a row is one merged cell over all columns, which titles and notes of a table are."""
    return bool(cells[0]) and all(type(cell) is Spanned for cell in cells[1:])


def _squeeze(rows: list[list[str]]) -> list[list[str]]:
    """Leave out columns that are empty in every row."""
    width = max(map(len, rows))
    used = [False] * width
    for row in rows:
        for index, cell in enumerate(row):
            used[index] = used[index] or bool(cell)
    if all(used):
        return rows
    kept = [index for index in range(width) if used[index]]
    return [[row[index] for index in kept if index < len(row)] for row in rows]
