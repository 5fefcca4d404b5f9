"""Cells of several lines in pictures of tables, told by cells of one line beside their middle or top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from loaders.cleaning import glue
from loaders.layout import TextLine, is_field

# In units of the lines' height: lines of one cell are set closer than rows are.
_CLOSE = 0.3
_ALIGNED = 0.6
_LEVEL = 0.25
# In units of the distance between rows.
_CLOSER_THAN_ROWS = 0.8
# In units of the width of the text: what is wider is no cell.
_WIDEST = 0.4


def join_cell_lines(lines: Sequence[TextLine]) -> list[TextLine]:
    """The lines of a page, those of one cell joined where another cell shows that they are one row.

    Two lines close below one another are a cell when a line beside them is centred between them:
    where rows are of one line each, their middles are level. Lines that hang below a row, much closer
    than its next one, belong to it as well.
    """
    upright = [line for line in lines if not line.vertical and not line.blocks]
    if len(upright) < 4:
        return list(lines)
    width = max(line.x1 for line in upright) - min(line.x0 for line in upright)
    narrow = sorted((line for line in upright if line.x1 - line.x0 < _WIDEST * width), key=lambda x: x.y0)
    joined: list[TextLine] = []
    taken: set[int] = set()
    for index, line in enumerate(narrow):
        if index in taken:
            continue
        below = [n for n in range(index + 1, len(narrow)) if n not in taken and _follows(line, narrow[n])]
        if below and any(_centred(other, (line, narrow[below[0]])) for other in narrow):
            taken.add(below[0])
            line = _join(line, narrow[below[0]])
        else:
            first = last = line
            while below and _hangs(first, last, narrow[below[0]], narrow):
                taken.add(below[0])
                last = narrow[below[0]]
                line = _join(line, last)
                below = [
                    n
                    for n in range(below[0] + 1, len(narrow))
                    if n not in taken and _follows(last, narrow[n])
                ]
        joined.append(line)
    kept = {id(line) for line in narrow}
    return [*(line for line in lines if id(line) not in kept), *joined]


def _follows(upper: TextLine, lower: TextLine) -> bool:
    size = max(upper.size, lower.size)
    aligned = min(
        abs(upper.x0 - lower.x0), abs(upper.x1 - lower.x1), abs(upper.x0 + upper.x1 - lower.x0 - lower.x1) / 2
    )
    return aligned < _ALIGNED * size and -0.5 * size < lower.y0 - upper.y1 < _CLOSE * size


def _centred(other: TextLine, pair: Sequence[TextLine]) -> bool:
    upper, lower = pair
    if not (other.x1 <= min(line.x0 for line in pair) or other.x0 >= max(line.x1 for line in pair)):
        return False
    step = lower.middle - upper.middle
    return abs(other.middle - (upper.middle + lower.middle) / 2) < _LEVEL * step


def _hangs(first: TextLine, upper: TextLine, lower: TextLine, lines: Sequence[TextLine]) -> bool:
    """Whether `lower` goes on the cell that begins with `first`: its row has no cell at its left end,
    and is much closer to `upper` than rows are to each other."""
    step = lower.middle - upper.middle

    def level(line: TextLine) -> list[TextLine]:
        return [
            other
            for other in lines
            if abs(other.middle - line.middle) < _LEVEL * step
            and (other.x1 <= line.x0 or other.x0 >= line.x1)
        ]

    row = sorted(level(first), key=lambda line: line.x0)
    if not row or is_field(lower.text):
        return False
    leads = first.x0 < row[0].x0
    anchor = row[0]
    column = sorted(line.middle for line in lines if line.x0 < anchor.x1 and line.x1 > anchor.x0)
    if leads and level(lower):
        return False
    if any(abs(middle - lower.middle) < _LEVEL * step for middle in column):
        return False
    rows = [below - above for above, below in pairwise(column)]
    return bool(rows) and step < _CLOSER_THAN_ROWS * min(rows)


def _join(upper: TextLine, lower: TextLine) -> TextLine:
    drop, joint = glue(upper.text, lower.text)
    confidence = upper.confidence
    if confidence is not None and lower.confidence is not None:
        share = len(upper.text) / max(1, len(upper.text) + len(lower.text))
        confidence = share * confidence + (1 - share) * lower.confidence
    return replace(
        upper,
        text=upper.text[: len(upper.text) - drop] + joint + lower.text,
        x0=min(upper.x0, lower.x0),
        x1=max(upper.x1, lower.x1),
        y1=lower.y1,
        confidence=confidence,
    )
