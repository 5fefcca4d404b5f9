"""Reading order of text on a page, from the places of its lines.

Units are those of the page (points or pixels), with the origin in the top left corner.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import median

from loaders.cleaning import glue
from loaders.document import Block

_BINS = 200
_SMALLER = 0.88
# In units of the font size; justified Western text leaves gaps of up to about one.
_CELL_GAP = 1.6
_LABEL = re.compile(r"[^：:，。；、,;()（）]{1,12}[：:]\s?\S")
_MARKER = re.compile(r"[•●○■□◆▪·–—*➢✓-]|[(（]?[0-9]{1,2}[)）.、]|[(（]?[a-zA-Z][)）.]|[①-⑳]")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLine:
    """A run of text in one place. `blocks` stand in for the text of a table or a picture."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    """Font size, or the height of a line in a picture."""
    bold: bool = False
    vertical: bool = False
    confidence: float | None = None
    blocks: tuple[Block, ...] = ()

    @property
    def middle(self) -> float:
        """Height of the line's centre."""
        return (self.y0 + self.y1) / 2


Row = tuple[TextLine, ...]
"""Lines that stand side by side, from left to right; more than one is cells or far apart."""


def regions(lines: Sequence[TextLine], *, depth: int = 0) -> list[list[TextLine]]:
    """Groups of lines in reading order: columns from left to right, between what spans them.

    A recursive cut of the page as in Nagy and Seth, "Hierarchical representation of optically
    scanned documents" (1984), with lines across the gutter as the horizontal cuts.
    """
    upright = [line for line in lines if not line.vertical]
    columns = [line for line in lines if line.vertical]
    if columns and len(columns) * 2 > len(lines):
        # A page of vertical text: columns from right to left, the others above or below.
        ordered = _from_right_to_left(columns)
        above = [line for line in upright if line.middle < min(column.y0 for column in columns)]
        below = [line for line in upright if line not in above]
        return [group for group in (above, *([line] for line in ordered), below) if group]
    gutter = _gutter(upright) if depth < 4 else None
    if gutter is None:
        return [group for group in (list(upright), *([line] for line in columns)) if group]
    low, high = gutter
    middle = (low + high) / 2
    across = sorted((line for line in upright if line.x0 < low and line.x1 > high), key=lambda line: line.y0)
    # What a wide space sets off from a line across the gutter is part of it.
    across += [line for line in upright if line not in across and any(_beside(line, o) for o in across)]
    across.sort(key=lambda line: line.y0)
    sides = [line for line in upright if line not in across]
    found: list[list[TextLine]] = []
    for band, crossing in _bands(sides, across):
        left = [line for line in band if (line.x0 + line.x1) / 2 <= middle]
        right = [line for line in band if (line.x0 + line.x1) / 2 > middle]
        notes = _notes_below(left) if right else []
        found.extend(regions([line for line in left if line not in notes], depth=depth + 1))
        found.extend(regions(right, depth=depth + 1))
        if notes:
            found.append(notes)
        if crossing:
            found.append(crossing)
    found.extend([line] for line in columns)
    return found


def _beside(line: TextLine, other: TextLine) -> bool:
    """Whether a line stands in the row of another, a few characters from it."""
    gap = max(line.x0, other.x0) - min(line.x1, other.x1)
    return abs(line.middle - other.middle) < 0.3 * other.size and gap < 3 * other.size


def _notes_below(column: Sequence[TextLine]) -> list[TextLine]:
    """Notes in smaller type at the foot of a column, which interrupt its text; none in pictures."""
    ordered = sorted(column, key=lambda line: line.y0)
    if not ordered or any(line.confidence is not None for line in ordered):
        return []
    body = median(line.size for line in ordered for _ in line.text)
    first = len(ordered)
    while first and ordered[first - 1].size < _SMALLER * body and not ordered[first - 1].blocks:
        first -= 1
    return ordered[first:] if 0 < first < len(ordered) else []


def _from_right_to_left(lines: Sequence[TextLine]) -> list[TextLine]:
    """Vertical lines in reading order; pieces of one column follow one another from the top."""
    found: list[list[TextLine]] = []
    for line in sorted(lines, key=lambda item: -(item.x0 + item.x1)):
        if found and found[-1][0].x0 + found[-1][0].x1 - line.x0 - line.x1 < line.size:
            found[-1].append(line)
        else:
            found.append([line])
    return [line for column in found for line in sorted(column, key=lambda item: item.y0)]


def _bands(
    sides: Sequence[TextLine], across: Sequence[TextLine]
) -> list[tuple[list[TextLine], list[TextLine]]]:
    """The lines of the columns before each run of lines across them, and that run."""
    bands: list[tuple[list[TextLine], list[TextLine]]] = []
    rest = sorted(sides, key=lambda line: line.y0)
    run: list[TextLine] = []
    band: list[TextLine] = []
    for line in across:
        before = [side for side in rest if side.middle < line.middle]
        if before and run:
            bands.append((band, run))
            band, run = [], []
        band = band + before
        run.append(line)
        rest = rest[len(before) :] if before == rest[: len(before)] else [s for s in rest if s not in before]
    bands.append((band, run))
    bands.append((rest, []))
    return bands


def _gutter(lines: Sequence[TextLine]) -> tuple[float, float] | None:
    """The space between two columns of running text, as (left, right), or None."""
    if len(lines) < 6:
        return None
    left, right = min(line.x0 for line in lines), max(line.x1 for line in lines)
    width = right - left
    size = median(line.size for line in lines)
    if width < 12 * size:
        return None
    step = width / _BINS
    cover = [0] * (_BINS + 1)
    for line in lines:
        cover[int((line.x0 - left) / step)] += 1
        cover[min(_BINS, int((line.x1 - left) / step) + 1)] -= 1
    total = 0
    counts = []
    for change in cover[:_BINS]:
        total += change
        counts.append(total)
    best: tuple[float, float, float] | None = None
    first, last = int(_BINS * 0.2), int(_BINS * 0.8)
    for low, high in _valleys(counts, first, last, max(counts) * 0.55):
        best = _better(best, lines, left + low * step, left + high * step, size, width)
    return best[1:] if best else None


def _valleys(counts: Sequence[int], first: int, last: int, limit: float) -> Iterator[tuple[int, int]]:
    """The emptiest stretch of each run of bins that are not above `limit`."""
    for is_low, group in groupby(range(first, last + 1), key=lambda place: counts[place] <= limit):
        if not is_low:
            continue
        places = list(group)
        least = min(counts[place] for place in places)
        stretches = [list(part) for empty, part in groupby(places, key=lambda p: counts[p] == least) if empty]
        longest = max(stretches, key=len)
        yield longest[0], longest[-1] + 1


def _better(
    best: tuple[float, float, float] | None,
    lines: Sequence[TextLine],
    low: float,
    high: float,
    size: float,
    width: float,
) -> tuple[float, float, float] | None:
    """The better of the best gutter so far and the one within `low` to `high`."""
    middle = (low + high) / 2
    left = [line for line in lines if line.x1 <= high and (line.x0 + line.x1) / 2 < middle]
    right = [line for line in lines if line.x0 >= low and (line.x0 + line.x1) / 2 > middle]
    if len(left) < 3 or len(right) < 3 or len(left) + len(right) < 0.5 * len(lines):
        return best
    low, high = max(line.x1 for line in left), min(line.x0 for line in right)
    if high - low < 0.7 * size:
        return best
    if _are_fields(left, right):
        return best
    overlap = min(max(line.y1 for line in left), max(line.y1 for line in right)) - max(
        min(line.y0 for line in left), min(line.y0 for line in right)
    )
    for side in (left, right):
        extent = max(line.x1 for line in side) - min(line.x0 for line in side)
        height = max(line.y1 for line in side) - min(line.y0 for line in side)
        # Running text fills its column; the cells of a table seldom do.
        filled = sum(line.x1 - line.x0 for line in side) / _row_count(side)
        if extent < 0.25 * width or filled < 0.6 * extent:
            return best
        if overlap < 0.3 * height and overlap < 6 * size:
            return best
        # So do several cells in a row.
        found = rows(side)
        if sum(len(row) > 1 for row in found) > 0.35 * len(found):
            return best
    if best is None or high - low > best[0]:
        return (high - low, low, high)
    return best


def is_field(text: str) -> bool:
    """Whether a text begins with a label and a colon, as the lines of forms do."""
    return _LABEL.match(text) is not None


def _are_fields(left: Sequence[TextLine], right: Sequence[TextLine]) -> bool:
    """Whether two columns are fields of a form, which stand side by side."""
    size = median(line.size for line in left)
    beside = sum(any(abs(line.middle - other.middle) < 0.5 * size for other in right) for line in left)
    return beside > 0.6 * len(left) and all(
        sum(is_field(line.text) for line in side) > 0.5 * len(side) for side in (left, right)
    )


def _row_count(lines: Sequence[TextLine]) -> int:
    count = 0
    reached = -math.inf
    for line in sorted(lines, key=lambda item: item.middle):
        if line.middle > reached:
            count += 1
            reached = line.middle + 0.5 * line.size
    return count


def rows(lines: Sequence[TextLine]) -> list[Row]:
    """Lines of one region as rows from top to bottom; neighbours in a row are merged."""
    found: list[list[TextLine]] = []
    for line in sorted(lines, key=lambda item: (item.middle, item.x0)):
        if found and not line.blocks and any(_same_row(other, line) for other in found[-1]):
            found[-1].append(line)
        else:
            found.append([line])
    return [_merge(row) for row in found]


def _same_row(one: TextLine, other: TextLine) -> bool:
    if one.blocks or other.blocks or one.vertical or other.vertical:
        return False
    overlap = min(one.y1, other.y1) - max(one.y0, other.y0)
    return overlap > 0.5 * min(one.y1 - one.y0, other.y1 - other.y0) and (
        min(one.x1, other.x1) - max(one.x0, other.x0) < 0.5 * min(one.x1 - one.x0, other.x1 - other.x0)
    )


def _cell_gap(line: TextLine) -> float:
    # Recognition finds whole lines, so that two boxes side by side are apart for a reason.
    return _CELL_GAP if line.confidence is None else 0.5


def _merge(row: Sequence[TextLine]) -> Row:
    merged: list[TextLine] = []
    for line in sorted(row, key=lambda item: item.x0):
        before = merged[-1] if merged else None
        reach = 4.0 if before is not None and _MARKER.fullmatch(before.text) else _cell_gap(line)
        if before is None or line.x0 - before.x1 > reach * max(before.size, line.size):
            merged.append(line)
            continue
        gap = line.x0 - before.x1
        joint = " " if (gap > 0.2 * line.size and glue(before.text, line.text)[1]) or reach == 4.0 else ""
        confidence = before.confidence
        if confidence is not None and line.confidence is not None:
            share = len(before.text) / max(1, len(before.text) + len(line.text))
            confidence = share * confidence + (1 - share) * line.confidence
        merged[-1] = replace(
            before if len(before.text) >= len(line.text) else line,
            text=before.text + joint + line.text,
            x0=min(before.x0, line.x0),
            y0=min(before.y0, line.y0),
            x1=max(before.x1, line.x1),
            y1=max(before.y1, line.y1),
            bold=before.bold and line.bold,
            confidence=confidence,
        )
    return tuple(merged)
