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
    found: list[Polygon] = []
    for polygon in polygons:
        found.extend(_split(image, polygon, polygons))
    return found


def _split(image: np.ndarray, polygon: Polygon, polygons: Sequence[Polygon]) -> list[Polygon]:
    if is_tall(polygon):
        return [polygon]
    width, height = sides(polygon)
    along = (polygon[1] - polygon[0]) / max(1e-6, float(np.linalg.norm(polygon[1] - polygon[0])))
    # Places are measured along the line, so that a page may lean.
    starts = [
        start
        for other in polygons
        if other is not polygon
        and not is_tall(other)
        and abs(float((other[0] - polygon[0]) @ (-along[1], along[0]))) < _NEAR * height
        and _LEAST_PART * height
        < (start := float((other[0] - polygon[0]) @ along))
        < width - _LEAST_PART * height
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
        if sum(abs(start - after) < _STRAY * height for start in starts) >= _LEAST_NEIGHBOURS:
            left, right = polygon.copy(), polygon.copy()
            end, begin = before + _MARGIN * height, after - _MARGIN * height
            left[1], left[2] = polygon[0] + end * along, polygon[3] + end * along
            right[0], right[3] = polygon[0] + begin * along, polygon[3] + begin * along
            return [left, *_split(image, right, polygons)]
    return [polygon]
