"""Tables between drawn lines, by pdfplumber's geometry; the lines come from pdfium or from a picture.

pdfplumber's own way to the lines of a PDF, through pdfminer, takes more time than all the rest of a page.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from loaders.cleaning import glue
from loaders.document import Block, BlockKind, Line
from loaders.layout import TextLine, is_field, rows
from loaders.paragraphs import PageFrame
from loaders.tabular import Spanned, row_text, spans_all, table_header

_LONGEST_CELL = 600
_LEAST_FILLED = 0.3
# pdfplumber's defaults, in points.
_SNAP = 3.0
_SHORTEST = 3.0
_MEET = 3.0
_MOST_CROSSINGS = 250_000

Cell = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Edge:
    """A straight line across or down the page, drawn as such or as the side of a shape."""

    x0: float
    y0: float
    x1: float
    y1: float
    upright: bool


class Grid:
    """The cells of one table, as rows and columns; a merged cell takes up several places."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.cells = cells
        self._xs = sorted({x for cell in cells for x in (cell[0], cell[2])})
        self._ys = sorted({y for cell in cells for y in (cell[1], cell[3])})
        self._places: dict[tuple[int, int], int] = {}
        for number, (x0, y0, x1, y1) in enumerate(cells):
            for row in range(self._ys.index(y0), self._ys.index(y1)):
                for column in range(self._xs.index(x0), self._xs.index(x1)):
                    self._places[row, column] = number

    @property
    def box(self) -> Cell:
        """The sides (x0, y0, x1, y1) of the whole table."""
        return self._xs[0], self._ys[0], self._xs[-1], self._ys[-1]

    def scaled(self, factor: float) -> Grid:
        """The grid in another unit."""
        return Grid([(x0 * factor, y0 * factor, x1 * factor, y1 * factor) for x0, y0, x1, y1 in self.cells])

    def cell_at(self, x: float, y: float) -> int | None:
        """The number of the cell that holds a point."""
        return self._places.get((bisect_right(self._ys, y) - 1, bisect_right(self._xs, x) - 1))

    def rows(self, texts: Sequence[str]) -> Iterator[tuple[list[str], float, float]]:
        """The rows of the cells' texts, with upper and lower side.

        A cell that spans rows is repeated in each of them; one that spans columns is `Spanned` in the
        further ones.
        """
        for row, (upper, lower) in enumerate(zip(self._ys, self._ys[1:], strict=False)):
            values: list[str] = []
            before: int | None = None
            for column in range(len(self._xs) - 1):
                number = self._places.get((row, column))
                text = "" if number is None else texts[number]
                values.append(Spanned(text) if number is not None and number == before else text)
                before = number
            yield values, upper, lower


@dataclass(frozen=True, slots=True)
class RuledTable:
    """A table's place in points, and its rows of cells with upper and lower side, from the top."""

    box: Cell
    rows: tuple[tuple[tuple[str, ...], float, float], ...]
    confidence: float | None = None
    """Mean confidence where the text was recognised."""

    def stand_in(self, frame: PageFrame) -> TextLine:
        """A line that stands in for the table among the lines of its page."""
        x0, y0, x1, y1 = self.box
        return TextLine(text="", x0=x0, y0=y0, x1=x1, y1=y1, size=10.0, blocks=tuple(self._blocks(frame)))

    def _blocks(self, frame: PageFrame) -> Iterator[Block]:
        """A title over all columns, the table, a note over all columns."""
        first, last = 0, len(self.rows)
        while first < last and spans_all(self.rows[first][0]):
            yield self._block(frame, first, first + 1)
            first += 1
        while last > first and spans_all(self.rows[last - 1][0]):
            last -= 1
        if first < last:
            yield self._block(frame, first, last)
        for index in range(last, len(self.rows)):
            yield self._block(frame, index, index + 1)

    def _block(self, frame: PageFrame, first: int, last: int) -> Block:
        rows = self.rows[first:last]
        header, used = "", 0
        if len(rows) > 1 and not any(map(is_field, rows[0][0])):
            header, used = table_header([cells for cells, _, _ in rows])
        x0, _, x1, _ = self.box
        lines, texts, offset = [], [], 0
        for cells, upper, lower in rows[used:]:
            text = row_text(cells)
            lines.append(Line(offset, offset + len(text), frame.box(x0, upper, x1, lower)))
            texts.append(text)
            offset += len(text) + 1
        kind: BlockKind = "paragraph" if len(rows) == 1 and spans_all(rows[0][0]) else "table"
        return Block("\n".join(texts), kind, lines=tuple(lines), header=header, confidence=self.confidence)


def find_grids(edges: Iterable[Edge]) -> list[Grid]:
    """The tables that straight lines of a page make, from the top.

    What crossing lines enclose are cells, and cells that touch are a table, as in Nurminen,
    "Algorithmic extraction of data in tables in PDF documents" (2013), which pdfplumber follows.
    """
    from pdfplumber import table
    from pdfplumber.utils import filter_edges

    found = [
        {
            "orientation": "v" if edge.upright else "h", "object_type": "line",
            "x0": edge.x0, "x1": edge.x1, "top": edge.y0, "bottom": edge.y1,
            "width": edge.x1 - edge.x0, "height": edge.y1 - edge.y0,
        }
        for edge in edges
    ]  # fmt: skip
    if not _both_ways(found):
        return []
    merged = filter_edges(table.merge_edges(found, _SNAP, _SNAP, _SNAP, _SNAP), min_length=_SHORTEST)
    if not _both_ways(merged):
        return []
    cells = table.intersections_to_cells(table.edges_to_intersections(merged, _MEET, _MEET))
    return [Grid(group) for group in table.cells_to_tables(cells)]


def _both_ways(edges: Sequence[Any]) -> bool:
    """Whether there are lines enough for a table, and not so many that it is a drawing."""
    upright = [edge["orientation"] for edge in edges].count("v")
    level = len(edges) - upright
    return upright >= 2 and level >= 2 and upright * level <= _MOST_CROSSINGS


def ruled_table(grid: Grid, texts: Sequence[str], *, confidence: float | None = None) -> RuledTable | None:
    """The table of a grid with the texts of its cells, or None where it is rather a frame of running text."""
    rows = [row for row in grid.rows(texts) if any(row[0])]
    used = [
        column
        for column in range(len(rows[0][0]) if rows else 0)
        if any(cells[column] and type(cells[column]) is not Spanned for cells, _, _ in rows)
    ]
    if len(rows) < 2 or len(used) < 2:
        return None
    places = len(rows) * len(used)
    filled = sum(bool(cells[column]) for cells, _, _ in rows for column in used)
    if filled < _LEAST_FILLED * places or max(map(len, texts)) > _LONGEST_CELL:
        return None
    kept = tuple((tuple(cells[column] for column in used), upper, lower) for cells, upper, lower in rows)
    return RuledTable(grid.box, kept, confidence)


def cell_text(lines: Sequence[TextLine]) -> str:
    """The text of a table's cell, its lines joined."""
    joined = ""
    for row in rows(lines):
        text = " ".join(line.text for line in row)
        drop, joint = glue(joined, text)
        joined = joined[: len(joined) - drop] + joint + text
    return joined.replace(" | ", " ¦ ")
