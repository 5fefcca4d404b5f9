"""Pictures of single lines, cut out of a page, in the form in which a recogniser reads them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from PIL import Image

Polygon = np.ndarray
"""Four corners of shape (4, 2) in pixels, clockwise from the top left."""

_TALL = 1.5
_STRAIGHT = 0.6
# In units of the column's width: how far apart its characters may be, and how far a cut may stray.
_PITCHES = (0.6, 1.35)
_STRAY = 0.3
_SMALL_MARK = 0.5
# In units of the distance between characters.
_TALLER_THAN_ONE = 0.95


def from_top_left(polygon: Polygon) -> Polygon:
    """The outline from the corner at which its first side points to the right.

    Detectors sort corners by their places, which goes wrong for a long column that leans.
    """
    sides = np.roll(polygon, -1, axis=0) - polygon
    first = int((sides[:, 0] / np.maximum(1e-6, np.linalg.norm(sides, axis=1))).argmax())
    turned: Polygon = np.roll(polygon, -first, axis=0)
    return turned


def is_tall(polygon: Polygon) -> bool:
    """Whether a line runs down the page rather than across it."""
    width, height = sides(polygon)
    return height >= _TALL * width


def crop(image: np.ndarray, polygon: Polygon) -> np.ndarray:
    """The part of an RGB picture inside the polygon, straightened: (height, width, 3), uint8."""
    width, height = (max(1, round(side)) for side in sides(polygon))
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    x0, y0 = (max(0, int(value)) for value in low)
    x1, y1 = int(np.ceil(high[0])), int(np.ceil(high[1]))
    part = image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    corners = np.array([(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])])
    if np.abs(polygon - corners).max() < _STRAIGHT or not part.size:
        return np.ascontiguousarray(part)
    # PIL wants the corners as top left, bottom left, bottom right, top right.
    quad = (polygon[[0, 3, 2, 1]] - (x0, y0)).astype(float).ravel()
    straight = Image.fromarray(part).transform(
        (width, height), Image.Transform.QUAD, list(quad), Image.Resampling.BICUBIC
    )
    pixels: np.ndarray = np.asarray(straight)
    return pixels


def column_as_row(column: np.ndarray) -> np.ndarray | None:
    """A column of upright characters laid out as a row, or None where it cannot be cut into characters.

    Recognisers read a column turned on its side and pass over its punctuation; as a row it is read
    like any other line. Small marks in the upper right of their cell, as vertical typesetting
    places them, go to the lower left.
    """
    ink = darkness(column)
    filled = np.flatnonzero(ink.max(axis=0) > 0.3)
    if len(filled) < 4:
        return None
    left, right = int(filled[0]), int(filled[-1]) + 1
    width = right - left
    cuts = _cuts(ink[:, left:right].sum(axis=1), width)
    if len(cuts) < 3:
        return None
    paper = np.percentile(column.reshape(-1, 3), 80, axis=0).astype(np.uint8)
    pieces = [
        (column[top:bottom, left:right], ink[top:bottom, left:right] > 0.3) for top, bottom in pairwise(cuts)
    ]
    pitch = float(np.median(np.diff(cuts)))
    cells = []
    for index, (piece, marks) in enumerate(pieces):
        if not marks.any():
            continue
        # A mark placed so high in its cell that the cut went below it has left that cell empty.
        alone = index + 1 == len(pieces) or not pieces[index + 1][1].any()
        mark = _mark_below(marks, width, pitch) if alone else None
        if mark is None:
            cells.append(_cell(piece, marks, width, paper))
            continue
        character, its_marks = piece.copy(), marks.copy()
        character[mark], its_marks[mark] = paper, False
        cells.append(_cell(character, its_marks, width, paper))
        cells.append(_cell(piece[mark], marks[mark], width, paper, small=True))
    return np.concatenate(cells, axis=1) if cells else None


def _cell(
    piece: np.ndarray, marks: np.ndarray, width: int, paper: np.ndarray, *, small: bool = False
) -> np.ndarray:
    """A square cell with the part of the piece that `marks` spans, a small mark in the lower left."""
    y0, y1, x0, x1 = _extent(marks)
    side = round(1.08 * width)
    cell = np.empty((side, side, 3), np.uint8)
    cell[:] = paper
    height, across = min(side, y1 - y0), min(side, x1 - x0)
    small = small or (max(height, across) < _SMALL_MARK * width and x0 > 0.45 * width)
    y = side - height - side // 16 if small else (side - height) // 2
    x = side // 16 if small else min(x0, side - across)
    cell[y : y + height, x : x + across] = piece[y0 : y0 + height, x0 : x0 + across]
    return cell


def _mark_below(marks: np.ndarray, width: int, pitch: float) -> tuple[slice, slice] | None:
    """Where a small mark stands to the lower right of a character in the same piece, if one does."""
    top, bottom, *_ = _extent(marks)
    if bottom - top < _TALLER_THAN_ONE * pitch:
        return None
    # What hangs together with the lowest row.
    found = np.zeros_like(marks)
    found[bottom - 1] = marks[bottom - 1]
    grown = _neighbours(found) & marks
    while (grown != found).any():
        found, grown = grown, _neighbours(grown) & marks
    y0, y1, x0, x1 = _extent(found)
    if max(y1 - y0, x1 - x0) >= _SMALL_MARK * width or x0 <= 0.45 * width or y0 == top:
        return None
    return slice(y0, y1), slice(x0, x1)


def _neighbours(marks: np.ndarray) -> np.ndarray:
    """The marks and the eight places around each."""
    wide = marks.copy()
    wide[:, 1:] |= marks[:, :-1]
    wide[:, :-1] |= marks[:, 1:]
    grown = wide.copy()
    grown[1:] |= wide[:-1]
    grown[:-1] |= wide[1:]
    return grown


def _extent(marks: np.ndarray) -> tuple[int, int, int, int]:
    """The first row with a mark and the one after the last, and so the columns."""
    rows, columns = np.flatnonzero(marks.any(axis=1)), np.flatnonzero(marks.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def sides(polygon: Polygon) -> tuple[float, float]:
    """Width and height, the longer of each pair of sides."""
    across = np.linalg.norm(polygon[[1, 2]] - polygon[[0, 3]], axis=1)
    down = np.linalg.norm(polygon[[3, 2]] - polygon[[0, 1]], axis=1)
    return float(across.max()), float(down.max())


def darkness(picture: np.ndarray) -> np.ndarray:
    """How much darker than the paper each pixel is, in [0, 1]."""
    grey = picture.astype(np.float32).mean(axis=2)
    paper, darkest = np.percentile(grey, 80), np.percentile(grey, 1)
    ink: np.ndarray = np.clip((paper - grey) / max(30.0, paper - darkest), 0.0, 1.0)
    return ink


def _cuts(profile: np.ndarray, width: int) -> list[int]:
    """Rows between the characters of a column, evenly spaced as far as the ink allows.

    `profile` is the ink of each row. The pitch is where the profile agrees best with itself; the
    cuts are the cheapest path through rows of little ink, each about a pitch below the one before.
    """
    rows = np.flatnonzero(profile > 0.02 * width)
    if len(rows) < 4:
        return []
    top = int(rows[0])
    profile = profile[top : int(rows[-1]) + 1] / max(1e-6, float(profile.max()))
    length = len(profile)
    shortest, longest = max(3, round(_PITCHES[0] * width)), round(_PITCHES[1] * width)
    if length < 1.5 * width:
        return []
    centred = profile - profile.mean()
    steps = range(shortest, min(longest, length - 2) + 1)
    if not steps:
        return []
    pitch = max(steps, key=lambda step: float((centred[step:] * centred[:-step]).mean()))
    stray = max(1, round(_STRAY * pitch))
    # Digits and marks at either end do not fill their cells. Thin strokes count almost like thick ones.
    profile = np.sqrt(np.concatenate([np.zeros(stray), profile, np.zeros(pitch)]))
    top, end, length = top - stray, length + stray, len(profile)
    cost = np.full(length + 1, np.inf)
    before = np.full(length + 1, -1)
    cost[: stray + 1] = 0.0
    edge = np.append(profile, 0.0)
    for row in range(pitch - stray, length + 1):
        starts = np.arange(max(0, row - pitch - stray), row - pitch + stray + 1)
        if not len(starts) or starts[0] > row:
            continue
        uneven = np.abs(row - starts - pitch) / pitch
        totals = cost[starts] + 2 * uneven**2
        best = int(totals.argmin())
        if totals[best] + edge[row] < cost[row]:
            cost[row], before[row] = totals[best] + edge[row], starts[best]
    tail = np.arange(end, length + 1)
    row = int(tail[cost[tail].argmin()])
    found = []
    while row >= 0:
        found.append(max(0, top + row))
        row = int(before[row])
    return found[::-1]
