from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.ocr_crops import column_as_row, crop, from_top_left, is_tall
from models.ocr_reading import LineReader, PageReader

PAPER, INK, MARK = 250, 20, 120


def rectangle(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=float)


def page_with(lines: Sequence[tuple[int, int, int, int]]) -> np.ndarray:
    """Lines of ink whose left end has a mark, so that a reader can tell which way up they are."""
    image = np.full((400, 300, 3), PAPER, np.uint8)
    for x0, y0, x1, y1 in lines:
        image[y0:y1, x0:x1] = INK
        image[y0 : (y0 + y1) // 2, x0 : x0 + 10] = MARK
    return image


LINES = ((40, 30, 260, 50), (40, 80, 260, 100), (40, 130, 200, 150))


def detect(image: np.ndarray) -> list[np.ndarray]:
    """The outlines of runs of dark rows or columns."""
    dark = image[:, :, 0] < PAPER - 50
    across = image.shape[1] < image.shape[0]
    edges = np.flatnonzero(np.diff(dark.any(axis=1 if across else 0).astype(int)))
    found = []
    for low, high in edges.reshape(-1, 2) + 1:
        part = dark[low:high] if across else dark[:, low:high]
        inside = np.flatnonzero(part.any(axis=0 if across else 1))
        first, last = inside[0], inside[-1] + 1
        found.append(rectangle(first, low, last, high) if across else rectangle(low, first, high, last))
    return found


def read(line: np.ndarray) -> tuple[str, float]:
    """Sure of what it reads where the mark is in the upper left corner."""
    sure = abs(int(line[3, 3, 0]) - MARK) < 30
    return f"{line.shape[1]} wide", 0.99 if sure else 0.3


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_page_is_read_upright_however_it_lies(turns: int) -> None:
    image = np.ascontiguousarray(np.rot90(page_with(LINES), -turns))
    found = PageReader(detect, LineReader(read, threads=2)).read(image)
    assert [(text, score) for text, score, _ in found] == [
        ("220 wide", 0.99),
        ("220 wide", 0.99),
        ("160 wide", 0.99),
    ]
    # Outlines are in the picture as it was given and begin at the text's own top left, with the mark.
    for (_, _, polygon), (x0, y0, x1, y1) in zip(found, LINES, strict=True):
        upright = rectangle(x0, y0, x1, y1)
        x, y = upright[:, 0], upright[:, 1]
        expected = ((x, y), (400 - y, x), (300 - x, 400 - y), (y, 300 - x))[turns]
        assert polygon.tolist() == np.stack(expected, axis=1).tolist()


def test_lines_of_an_upright_page_are_read_once() -> None:
    times: list[int] = []

    def counting(line: np.ndarray) -> tuple[str, float]:
        times.append(line.shape[1])
        return read(line)

    found = PageReader(detect, LineReader(counting, threads=1)).read(page_with(LINES))
    assert sorted(times) == [160, 220, 220]
    assert [text for text, _, _ in found] == ["220 wide", "220 wide", "160 wide"]


def test_lines_come_in_order_from_several_threads() -> None:
    lines = [np.full((20, width, 3), MARK, np.uint8) for width in (30, 90, 60, 120, 40)]
    assert [text for text, _ in LineReader(read, threads=3)(lines)] == [
        "30 wide", "90 wide", "60 wide", "120 wide", "40 wide",
    ]  # fmt: skip


def test_a_failure_in_one_thread_is_raised() -> None:
    def fail(_: np.ndarray) -> tuple[str, float]:
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        LineReader(fail, threads=2)([np.zeros((9, 9, 3), np.uint8)] * 3)


@pytest.mark.slow
def test_crops_are_straightened() -> None:
    image = np.full((200, 300, 3), PAPER, np.uint8)
    corners = np.array([(50.0, 60.0), (250.0, 80.0), (248.0, 100.0), (48.0, 80.0)])
    for along in np.linspace(0, 1, 900):
        for down in np.linspace(0, 1, 90):
            x, y = corners[0] + along * (corners[1] - corners[0]) + down * (corners[3] - corners[0])
            image[round(y), round(x)] = INK
    straight = crop(image, corners)
    assert straight.shape == (20, 201, 3)
    assert (straight[3:-3, 3:-3] < 60).mean() > 0.99
    assert crop(image, rectangle(10, 10, 40, 20)).shape == (10, 30, 3)
    assert is_tall(rectangle(0, 0, 10, 30))
    assert not is_tall(corners)


def test_a_column_becomes_a_row() -> None:
    # Four squares of ink with gaps, the last a small mark in the upper right of its cell.
    column = np.full((172, 48, 3), PAPER, np.uint8)
    for top in (6, 50, 94):
        column[top : top + 36, 4:44] = INK
    column[138:146, 34:44] = INK
    row = column_as_row(column)
    assert row is not None
    height, width = row.shape[:2]
    assert width == 4 * height
    dark = row[:, :, 0] < 100
    assert [int(dark[:, n * height : (n + 1) * height].sum()) for n in range(4)] == [1440, 1440, 1440, 80]
    ys, xs = np.nonzero(dark[:, 3 * height :])
    assert ys.min() > height / 2 > xs.max(), "the mark lies in the lower left"


def test_a_mark_beside_the_foot_of_a_character_gets_a_cell_of_its_own() -> None:
    column = np.full((272, 52, 3), PAPER, np.uint8)
    for top in (6, 50, 94, 182, 226):
        column[top : top + 36, 4:38] = INK
    column[127:139, 40:48] = INK
    row = column_as_row(column)
    assert row is not None
    height, width = row.shape[:2]
    assert width == 6 * height
    dark = row[:, :, 0] < 100
    counts = [int(dark[:, n * height : (n + 1) * height].sum()) for n in range(6)]
    assert counts == [1224, 1224, 1224, 96, 1224, 1224]


def test_an_outline_begins_at_the_top_left() -> None:
    leaning = np.array([(179.0, 21.0), (258.0, 681.0), (184.0, 684.0), (105.0, 24.0)])
    assert from_top_left(leaning).tolist() == [[105, 24], [179, 21], [258, 681], [184, 684]]
    assert from_top_left(rectangle(0, 0, 30, 10)).tolist() == rectangle(0, 0, 30, 10).tolist()


def test_what_is_no_column_stays_as_it_is() -> None:
    assert column_as_row(np.full((100, 30, 3), PAPER, np.uint8)) is None
    assert column_as_row(np.full((40, 36, 3), INK, np.uint8)) is None
