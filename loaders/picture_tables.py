"""Tables in pictures, by the lines drawn between their cells, so that merged cells are told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

import numpy as np

from loaders.layout import TextLine
from loaders.ruled_tables import Edge, Grid, RuledTable, cell_text, find_grids, ruled_table

# In units of the text's height: strokes of characters are shorter than lines across or down a table.
_ACROSS = 3.0
_DOWN = 1.6
_SOLID = 0.9
# Places are given to the search for cells as if the text had this size in points.
_POINTS = 10.0
_SHADE = 32
_DARK = 0.75
_LEAST_LINES = 4
_MOST_EDGES = 4_000
_REACHES_OVER = 0.6


def picture_tables(grey: np.ndarray, lines: Sequence[TextLine]) -> tuple[list[RuledTable], list[TextLine]]:
    """The ruled tables of a picture of shape (height, width), uint8, and the lines outside them.

    `lines` are those recognised in it, in its pixels; the picture must not lean.
    """
    if len(lines) < _LEAST_LINES:
        return [], list(lines)
    size = max(4.0, median(line.size for line in lines))
    tables: list[RuledTable] = []
    outside = list(lines)
    for grid in _grids(grey, size):
        table, rest = _filled(grid, outside, size)
        if table is not None:
            tables.append(table)
            outside = rest
    return tables, outside


def _grids(grey: np.ndarray, size: float) -> list[Grid]:
    """The grids that dark straight lines make in a picture whose text has the height `size`."""
    dark = _dark(grey)
    if not dark.size:
        return []
    scale = 2 * _POINTS / size  # the dark pixels have half the resolution
    across = _runs(dark, max(4, round(_ACROSS * size / 2)))
    down = _runs(dark.T, max(4, round(_DOWN * size / 2)))
    if len(across) + len(down) > _MOST_EDGES:
        return []
    edges = [Edge(x0 * scale, y * scale, x1 * scale, y * scale, upright=False) for y, x0, x1 in across]
    edges += [Edge(x * scale, y0 * scale, x * scale, y1 * scale, upright=True) for x, y0, y1 in down]
    return [grid.scaled(size / _POINTS) for grid in find_grids(edges)]


def _dark(grey: np.ndarray) -> np.ndarray:
    """Which pixels are darker than the paper around them, at half the resolution, so that thin lines stay."""
    height, width = (side // 2 for side in grey.shape)
    small = grey[: 2 * height, : 2 * width].reshape(height, 2, width, 2).min(axis=(1, 3))
    rows, columns = height // _SHADE, width // _SHADE
    if not rows or not columns:
        return np.zeros((0, 0), bool)
    blocks = small[: rows * _SHADE, : columns * _SHADE].reshape(rows, _SHADE, columns, _SHADE)
    paper = np.percentile(blocks, 80, axis=(1, 3))
    limits = np.kron(_DARK * paper, np.ones((_SHADE, _SHADE))).astype(np.float32)
    limits = np.pad(limits, ((0, height - limits.shape[0]), (0, width - limits.shape[1])), mode="edge")
    found: np.ndarray = small < limits
    return found


def _runs(dark: np.ndarray, least: int) -> list[tuple[float, int, int]]:
    """Runs of at least so many dark pixels in a row, as (row, first, last); small gaps are filled."""
    if dark.shape[1] <= least:
        return []
    # A line that leans a little goes on in the next row.
    thick = dark.copy()
    thick[1:] |= dark[:-1]
    thick[:-1] |= dark[1:]
    sums = np.cumsum(np.pad(thick, ((0, 0), (1, 0))), axis=1, dtype=np.int32)
    solid = sums[:, least:] - sums[:, :-least] >= _SOLID * least
    steps = np.diff(np.pad(solid, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(steps > 0)
    ends = np.nonzero(steps < 0)[1]  # row by row too, so that each belongs to its start
    return [
        (float(row), int(low), int(high) - 1 + least)
        for row, low, high in zip(rows, starts, ends, strict=True)
    ]


def _filled(grid: Grid, lines: Sequence[TextLine], size: float) -> tuple[RuledTable | None, list[TextLine]]:
    """The table of a grid with the lines in its cells, and the lines outside.

    None where a line reaches over several cells: the recogniser took them for one.
    """
    inside: list[list[TextLine]] = [[] for _ in grid.cells]
    outside: list[TextLine] = []
    for line in lines:
        number = grid.cell_at((line.x0 + line.x1) / 2, line.middle)
        if number is None:
            outside.append(line)
            continue
        x0, _, x1, _ = grid.cells[number]
        if max(x0 - line.x0, line.x1 - x1) > _REACHES_OVER * size:
            return None, list(lines)
        inside[number].append(line)
    texts = [cell_text(found) for found in inside]
    return ruled_table(grid, texts, confidence=_mean(line for found in inside for line in found)), outside


def _mean(lines: Iterable[TextLine]) -> float | None:
    """The mean confidence over the characters of some lines."""
    known = [(line.confidence, len(line.text)) for line in lines if line.confidence is not None]
    length = sum(count for _, count in known)
    return sum(confidence * count for confidence, count in known) / length if length else None
