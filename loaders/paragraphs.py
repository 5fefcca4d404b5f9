"""Builds headings, paragraphs and tables from the lines of a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from loaders.cleaning import CJK, glue
from loaders.document import Block, BlockKind, Box, Line
from loaders.layout import Row, TextLine, is_field, regions, rows
from loaders.running import goes_on, join_blocks
from loaders.text import heading_level

_ITEM = re.compile(
    r"([•●○■□◆▪·–—\-*➢✓]\s|\[[0-9]{1,3}\]|[(（]?[0-9０-９]{1,2}[)）.、．]\s?|[(（][一二三四五六七八九十]{1,3}[)）]|[①-⑳]|[a-z][)）]\s)"
)
_NUMBERED = re.compile(r"[0-9]{1,2}(\.[0-9]{1,2}){0,3}\.?\s+\S")
# The dots between a title and its page in a table of contents.
_LEADER = re.compile(r"\s*(?:[.．…·]\s?){4,}")
_ENDS = "。！？；.!?;：:"
_ONLY_NUMBERS = re.compile(rf"[^A-Za-z{CJK}]*")
_LEAST_LINES = 3
_LONG_COLUMN = 8.0  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFrame:
    """A page's number and its size in the unit of its lines."""

    number: int
    width: float
    height: float

    def box(self, x0: float, y0: float, x1: float, y1: float) -> Box:
        """The rectangle as fractions of the page."""
        return Box(
            self.number,
            min(1.0, max(0.0, x0 / self.width)),
            min(1.0, max(0.0, y0 / self.height)),
            min(1.0, max(0.0, x1 / self.width)),
            min(1.0, max(0.0, y1 / self.height)),
        )


HeadingRule = Callable[[str, float, bool], int]
"""Gives the level (1 to 6) of a line's text, size and boldness, 0 when it is no heading."""


def build_blocks(
    lines: Sequence[TextLine], frame: PageFrame, *, heading: HeadingRule | None = None
) -> list[Block]:
    """The blocks of a page in reading order. `heading` tells headings; without it none are made."""
    blocks: list[Block] = []
    before: Sequence[TextLine] = ()
    columns = [line for line in lines if line.vertical]
    for region in regions(lines):
        found = list(_region_blocks(rows(region), frame, heading))
        if blocks and found and _cut(before, region, columns, blocks[-1], found[0]):
            blocks[-1] = join_blocks(blocks[-1], found.pop(0))
        blocks.extend(found)
        before = region
    return blocks


def _cut(
    before: Sequence[TextLine],
    region: Sequence[TextLine],
    columns: Sequence[TextLine],
    last: Block,
    first: Block,
) -> bool:
    """Whether a column ended in the middle of a paragraph, which the next region goes on with."""
    if not last.kind == first.kind == "paragraph":
        return False
    if len(before) == len(region) == 1 and before[0].vertical and region[0].vertical:
        one, other = before[0], region[0]
        size = max(one.size, other.size)
        if one.x0 - other.x1 > 2 * size or one.y1 - one.y0 < _LONG_COLUMN * size:
            return False  # boxes with a few words each
        top, bottom = min(line.y0 for line in columns), max(line.y1 for line in columns)
        return one.y1 > bottom - 1.5 * size and other.y0 < top + 0.8 * size
    beside = min(line.x0 for line in region) > max(line.x1 for line in before)
    return min(len(before), len(region)) >= _LEAST_LINES and beside and goes_on(last, first)


def _region_blocks(found: Sequence[Row], frame: PageFrame, heading: HeadingRule | None) -> Iterator[Block]:
    upright = [line for row in found for line in row if not line.blocks]
    if not upright:
        for row in found:
            yield from row[0].blocks
        return
    left, right = min(line.x0 for line in upright), max(line.x1 for line in upright)
    leading = _leading(found)
    group: list[Row] = []
    kind: BlockKind = "paragraph"
    level = 0
    for run in _with_tables(found):
        if len(run) > 1:
            yield from _flush(group, kind, level, frame)
            group = []
            yield _table(run, frame)
            continue
        row = run[0]
        if row[0].blocks:
            yield from _flush(group, kind, level, frame)
            group = []
            yield from row[0].blocks
            continue
        text = _row_text(row)
        found_level = (
            heading(text, max(line.size for line in row), all(line.bold for line in row)) if heading else 0
        )
        new_kind: BlockKind = "heading" if found_level else "list" if _ITEM.match(text) else "paragraph"
        if group and _starts(
            group[-1], row, new_kind, found_level, kind, level, (left, right), leading, group[0][0].x0
        ):
            yield from _flush(group, kind, level, frame)
            group = []
        if not group:
            kind, level = new_kind, found_level
        group.append(row)
    yield from _flush(group, kind, level, frame)


def _starts(
    before: Row,
    row: Row,
    new_kind: BlockKind,
    new_level: int,
    kind: BlockKind,
    level: int,
    column: tuple[float, float],
    leading: float,
    margin: float,
) -> bool:
    """Whether `row` begins a new block below `before`, in one whose first line begins at `margin`."""
    left, right = column
    size = max(before[0].size, row[0].size)
    gap = row[0].middle - before[0].middle
    if (new_kind == "heading") != (kind == "heading") or new_level != level:
        return True
    # The lines of a large heading stand further apart than those of the text below.
    apart = 1.5 * size if kind == "heading" else 0.0
    if gap > max(1.35 * leading, 0.4 * size + leading, apart) or gap < -size:
        return True
    if new_kind == "heading":
        # A heading of two lines is one; two numbered ones are two.
        text = _row_text(row)
        return bool(heading_level(text) or _NUMBERED.match(text)) or before[-1].x1 < right - 0.3 * (
            right - left
        )
    if any(_LEADER.search(line.text) for line in before):
        return True  # an entry of a table of contents
    # The heights of recognised lines depend on their characters.
    alike = 0.8 if row[0].confidence is None else 0.6
    if new_kind == "list" or min(before[0].size, row[0].size) < alike * size:
        return True
    if kind == "list" and row[0].x0 > margin + 0.5 * size:
        return False  # hangs below its item
    if is_field(before[0].text) and is_field(row[0].text):
        return True
    ended = before[-1].text[-1:] in _ENDS + "”’」』）)"
    short = before[-1].x1 < right - 2 * size
    indented = left + 1.2 * size < row[0].x0 < left + 4.5 * size and row[0].x0 > before[0].x0 + size
    # A line that stops well before the margin was ended by its author.
    return indented or (short and (ended or before[-1].x1 < left + 0.8 * (right - left)))


def _leading(found: Sequence[Row]) -> float:
    """The usual distance between two lines."""
    sizes = [row[0].size for row in found if not row[0].blocks]
    size = median(sizes)
    steps = [
        lower[0].middle - upper[0].middle
        for upper, lower in pairwise(found)
        if 0.7 * size < lower[0].middle - upper[0].middle < 3 * size
    ]
    # The smaller ones lie inside paragraphs.
    return sorted(steps)[len(steps) // 3] if steps else 1.5 * size


def _with_tables(found: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Single rows, and runs of rows of aligned cells."""
    index = 0
    while index < len(found):
        end = index
        while (
            end < len(found)
            and _is_cells(found[end])
            and (end == index or _aligned(found[end - 1], found[end]))
        ):
            end += 1
        run = found[index:end]
        if len(run) >= 3 or (len(run) == 2 and min(len(row) for row in run) >= 3):
            yield run
            index = end
        else:
            yield found[index : index + 1]
            index += 1


def _is_cells(row: Row) -> bool:
    return len(row) > 1 and not row[0].blocks


def _aligned(upper: Row, lower: Row) -> bool:
    """Whether the cells of two rows stand in the same columns."""
    size = max(upper[0].size, lower[0].size)
    if min(cell.y0 for cell in lower) - max(cell.y1 for cell in upper) > 3 * size:
        return False
    hits = sum(
        any(
            abs(cell.x0 - other.x0) < 0.5 * size
            or abs(cell.x1 - other.x1) < 0.5 * size
            or abs(cell.x0 + cell.x1 - other.x0 - other.x1) < size
            for other in upper
        )
        for cell in lower
    )
    return hits >= max(2, min(len(upper), len(lower)) * 0.6)


def _table(found: Sequence[Row], frame: PageFrame) -> Block:
    table_rows = [" | ".join(cell.text for cell in row) for row in found]
    boxes = [_row_box(row, frame) for row in found]
    return table_block(table_rows, boxes, [[c.text for c in row] for row in found], _confidence(found))


def table_block(
    texts: Sequence[str],
    boxes: Sequence[Box | None],
    cells: Sequence[Sequence[str]],
    confidence: float | None = None,
) -> Block:
    """A table of rows, each as text and as cells; the first becomes the header if it reads like one."""
    header = ""
    first = 0
    if len(texts) > 1 and is_header(cells[0], columns=max(len(row) for row in cells)):
        header, first = texts[0], 1
    lines, offset = [], 0
    for text, box in zip(texts[first:], boxes[first:], strict=True):
        if box is not None and text:
            lines.append(Line(offset, offset + len(text), box))
        offset += len(text) + 1
    return Block("\n".join(texts[first:]), "table", lines=tuple(lines), header=header, confidence=confidence)


def is_header(cells: Sequence[str], *, columns: int) -> bool:
    """Whether the first row of a table names its columns: every cell is filled with words, none with
    a label, with its value or room for it."""
    return len(cells) == columns and all(
        cell.strip()
        and len(cell) <= 40
        and not _ONLY_NUMBERS.fullmatch(cell)
        and not is_field(cell)
        and cell.strip()[-1] not in "：:"
        for cell in cells
    )


def _row_text(row: Row) -> str:
    return _LEADER.sub(" … ", " ".join(line.text for line in row))


def _row_box(row: Row, frame: PageFrame) -> Box:
    return frame.box(
        min(line.x0 for line in row),
        min(line.y0 for line in row),
        max(line.x1 for line in row),
        max(line.y1 for line in row),
    )


def _confidence(found: Sequence[Row]) -> float | None:
    known = [
        (line.confidence, len(line.text)) for row in found for line in row if line.confidence is not None
    ]
    weight = sum(length for _, length in known)
    return sum(value * length for value, length in known) / weight if weight else None


def _flush(group: Sequence[Row], kind: BlockKind, level: int, frame: PageFrame) -> Iterator[Block]:
    if not group:
        return
    text = ""
    lines: list[Line] = []
    for row in group:
        found = _row_text(row)
        drop, joint = glue(text, found)
        if drop:
            text = text[:-drop]
            last = lines[-1]
            lines[-1] = Line(last.start, last.end - drop, last.box)
        start = len(text) + len(joint)
        text += joint + found
        if found:
            lines.append(Line(start, len(text), _row_box(row, frame)))
    if text.strip():
        yield Block(text, kind, level, tuple(lines), confidence=_confidence(group))
