"""Outlines that a detector drew across the space between two columns, cut there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from models.ocr_crops import Polygon, crop, darkness, is_tall, sides

# In units of the line's height.
_LEAST_GAP = 1.2
_NEAR = 4.0
_STRAY = 0.5
_LEAST_PART = 2.0
_STROKE = 0.06
_MARGIN = 0.15
_LEAST_NEIGHBOURS = 2


def split_at_columns(image: np.ndarray, polygons: Sequence[Polygon]) -> list[Polygon]:
    """The outlines of upright lines, those that reach over two columns in two parts.

    A line is cut at a gap without ink that ends where at least two lines above or below begin.
    """
    upright = [polygon for polygon in polygons if not is_tall(polygon)]
    corners = np.array([polygon[0] for polygon in upright]).reshape(-1, 2)
    found: list[Polygon] = []
    for polygon in polygons:
        found.extend([polygon] if is_tall(polygon) else _split(image, polygon, corners))
    return found


def _split(image: np.ndarray, polygon: Polygon, corners: np.ndarray) -> list[Polygon]:
    """The upright line in its parts; `corners` of shape (n, 2) are the top left ones of all upright lines."""
    width, height = sides(polygon)
    along = (polygon[1] - polygon[0]) / max(1e-6, float(np.linalg.norm(polygon[1] - polygon[0])))
    # Places are measured along the line, so that a page may lean.
    apart = corners - polygon[0]
    starts = apart @ along
    # The line's own corner is among them, at its start.
    starts = starts[
        (np.abs(apart @ (-along[1], along[0])) < _NEAR * height)
        & (starts > _LEAST_PART * height)
        & (starts < width - _LEAST_PART * height)
    ]
    if len(starts) < _LEAST_NEIGHBOURS:
        return [polygon]
    line = crop(image, polygon)
    # A speck is no character, a thin stroke is part of one.
    dark = (darkness(line) > 0.3).sum(axis=0) >= max(2.0, _STROKE * line.shape[0])
    inked = np.flatnonzero(dark) * (width / line.shape[1])
    for before, after in pairwise(inked):
        if after - before < _LEAST_GAP * height:
            continue
        if (np.abs(starts - after) < _STRAY * height).sum() >= _LEAST_NEIGHBOURS:
            left, right = polygon.copy(), polygon.copy()
            end, begin = before + _MARGIN * height, after - _MARGIN * height
            left[1], left[2] = polygon[0] + end * along, polygon[3] + end * along
            right[0], right[3] = polygon[0] + begin * along, polygon[3] + begin * along
            return [left, *([right] if is_tall(right) else _split(image, right, corners))]
    return [polygon]
