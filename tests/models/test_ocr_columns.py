from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.ocr_columns import split_at_columns

PAPER, INK = 250, 20
HEIGHT = 20
TOPS = (20, 50, 80, 110)


def rectangle(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=float)


def page(lines: Sequence[tuple[int, int, int]]) -> np.ndarray:
    image = np.full((160, 500, 3), PAPER, np.uint8)
    for x0, x1, top in lines:
        for x in range(x0, x1, 10):  # strokes
            image[top : top + HEIGHT, x : x + 5] = INK
    return image


# Two columns; the last but one line of the left one reaches far towards the right one.
COLUMNS = [(20, 225, top) for top in TOPS] + [(260, 475, top) for top in TOPS]
IMAGE = page(COLUMNS)
APART = [rectangle(x0, top, x1, top + HEIGHT) for x0, x1, top in COLUMNS if top != 80]
OVER = rectangle(20, 80, 475, 100)


def spans(polygons: Sequence[np.ndarray]) -> list[tuple[float, float]]:
    return sorted((float(polygon[0][0]), float(polygon[1][0])) for polygon in polygons)


def test_a_line_over_two_columns_is_cut_between_them() -> None:
    found = split_at_columns(IMAGE, [*APART, OVER])
    parts = [polygon for polygon in found if polygon[0][1] == 80]
    assert spans(parts) == [pytest.approx((20, 228), abs=2), pytest.approx((257, 475), abs=2)]
    assert len(found) == len(COLUMNS)


def test_a_gap_where_no_other_line_begins_stays() -> None:
    moved = [polygon + np.array((40, 0)) for polygon in APART if polygon[0][0] > 200]
    left = [polygon for polygon in APART if polygon[0][0] < 200]
    assert spans(split_at_columns(IMAGE, [*left, *moved, OVER]))[-1] == (300, 515)
    assert (20, 475) in spans(split_at_columns(IMAGE, [*left, *moved, OVER]))


def test_a_line_without_a_gap_stays_whole_where_others_begin_beside_it() -> None:
    image = page([*COLUMNS, (20, 475, 80)])
    assert (20, 475) in spans(split_at_columns(image, [*APART, OVER]))


def test_a_line_that_leans_is_cut_along_its_own_direction() -> None:
    angle = np.radians(2)
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    ys, xs = np.mgrid[0:200, 0:520]
    back = np.stack([xs, ys], axis=-1) @ turn.T
    columns, rows = (
        np.clip(back[..., n].round().astype(int), 0, size - 1) for n, size in ((0, 500), (1, 160))
    )
    image = IMAGE[rows, columns]
    found = split_at_columns(image, [polygon @ turn for polygon in (*APART, OVER)])
    assert len(found) == len(COLUMNS)
