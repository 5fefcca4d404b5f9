from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from loaders.layout import TextLine
from loaders.picture_tables import picture_tables

PAPER, INK = 250, 30
XS, YS = (20, 140, 260, 380), (20, 60, 100, 140)


def ruled(*, without: Sequence[tuple[int, int]] = ()) -> np.ndarray:
    """A grid of three rows and columns; `without` are (row line, column) whose piece is not drawn."""
    grey = np.full((180, 420), PAPER, np.uint8)
    for row, y in enumerate(YS):
        for column, (x0, x1) in enumerate(pairwise(XS)):
            if (row, column) not in without:
                grey[y : y + 2, x0 : x1 + 2] = INK
    for x in XS:
        grey[YS[0] : YS[-1] + 2, x : x + 2] = INK
    return grey


def line(text: str, x: float, y: float, *, width: float = 60) -> TextLine:
    return TextLine(text=text, x0=x, y0=y - 8, x1=x + width, y1=y + 8, size=16, confidence=0.9)


BODY = [line(f"{r}{c}", 40 + 120 * c, 40 + 40 * r) for r in range(3) for c in (1, 2)]


def rows(grey: np.ndarray, lines: Sequence[TextLine]) -> list[list[str]]:
    tables, _ = picture_tables(grey, lines)
    return [[str(cell) for cell in cells] for table in tables for cells, _, _ in table.rows]


def test_a_cell_over_two_rows_belongs_to_both() -> None:
    grey = ruled(without=[(2, 0)])
    found = rows(grey, [line("甲", 40, 40), line("乙", 40, 100), *BODY])
    assert found == [["甲", "01", "02"], ["乙", "11", "12"], ["乙", "21", "22"]]


def test_lines_outside_are_left() -> None:
    note = line("注", 40, 165)
    tables, outside = picture_tables(ruled(), [*BODY, line("甲", 40, 40), note])
    assert [table.confidence for table in tables] == [pytest.approx(0.9)]
    assert outside == [note]


def test_a_line_read_over_two_cells_leaves_the_table_to_the_layout() -> None:
    lines = [*BODY, line("一行两格", 40, 40, width=200)]
    assert picture_tables(ruled(), lines) == ([], lines)


def test_text_without_rules_is_no_table() -> None:
    grey = np.full((180, 420), PAPER, np.uint8)
    for item in BODY:
        grey[int(item.y0) : int(item.y1), int(item.x0) : int(item.x1) : 4] = INK
    assert picture_tables(grey, BODY) == ([], BODY)


def test_tiny_pictures() -> None:
    assert picture_tables(np.zeros((3, 3), np.uint8), BODY) == ([], BODY)
