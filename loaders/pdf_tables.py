"""Ruled tables of a PDF, through pdfplumber, which is slow and asked only where rules are drawn."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from loaders.cleaning import clean_line, glue, unify
from loaders.document import Block, Box
from loaders.layout import TextLine
from loaders.paragraphs import PageFrame, table_block

_LONGEST_CELL = 600
_log = logging.getLogger(__name__)


class TableReader:
    """Finds the tables of one file's pages. Opens the file when it is first asked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pdf: Any = None

    def tables(self, frame: PageFrame) -> list[TextLine]:
        """The tables of a page, each as a stand-in line with its block. None when they cannot be read."""
        try:
            return self._read(frame)
        except Exception as error:
            _log.debug("Tables of page %d cannot be read: %s", frame.number, error)
            return []

    def close(self) -> None:
        """Close the file."""
        if self._pdf is not None:
            self._pdf.close()

    def _read(self, frame: PageFrame) -> list[TextLine]:
        import pdfplumber

        if self._pdf is None:
            self._pdf = pdfplumber.open(self._path)
        page = self._pdf.pages[frame.number - 1]
        try:
            left, top = page.bbox[:2]
            found = []
            for table in page.find_tables():
                block = _block(table, frame, left, top)
                if block is not None:
                    x0, y0, x1, y1 = table.bbox
                    found.append(
                        TextLine(
                            text="",
                            x0=x0 - left,
                            y0=y0 - top,
                            x1=x1 - left,
                            y1=y1 - top,
                            size=10.0,
                            blocks=(block,),
                        )
                    )
            return found
        finally:
            page.close()


def _block(table: Any, frame: PageFrame, left: float, top: float) -> Block | None:
    cells = [[_cell(text) for text in row] for row in table.extract()]
    columns = max((len(row) for row in cells), default=0)
    filled = sum(bool(cell) for row in cells for cell in row)
    if len(cells) < 2 or columns < 2 or filled < 0.3 * len(cells) * columns:
        return None
    # Frames around whole paragraphs are layout.
    if max(len(cell) for row in cells for cell in row) > _LONGEST_CELL:
        return None
    _fill_merged(table, cells)
    texts: list[str] = []
    boxes: list[Box | None] = []
    kept: list[list[str]] = []
    for row, values in zip(table.rows, cells, strict=True):
        if any(values):
            x0, y0, x1, y1 = row.bbox
            texts.append(" | ".join(values))
            boxes.append(frame.box(x0 - left, y0 - top, x1 - left, y1 - top))
            kept.append(values)
    return table_block(texts, boxes, kept) if texts else None


def _fill_merged(table: Any, cells: list[list[str]]) -> None:
    """Repeat the text of a cell that spans several rows in each of them."""
    rows = table.rows
    for index in range(1, len(rows)):
        for column, own in enumerate(rows[index].cells):
            if own is not None:
                continue
            for above in range(index - 1, -1, -1):
                cell = rows[above].cells[column] if column < len(rows[above].cells) else None
                if cell is not None:
                    if cell[3] > rows[index].bbox[1] + 1:
                        cells[index][column] = cells[above][column]
                    break


def _cell(text: str | None) -> str:
    joined = ""
    for line in (text or "").split("\n"):
        line = unify(clean_line(line))
        drop, joint = glue(joined, line)
        joined = joined[: len(joined) - drop] + joint + line
    return joined.replace(" | ", " ¦ ")
