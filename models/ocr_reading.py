"""Reading a page: which way up it lies, where its lines are, and what each says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from models.ocr_columns import split_at_columns
from models.ocr_crops import Polygon, column_as_row, crop, is_tall

Detector = Callable[[np.ndarray], list[Polygon]]
"""Gives the outlines of the lines in an RGB picture, each clockwise from its top left."""
Reading = tuple[str, float]
"""The text of a line and its confidence."""
Recogniser = Callable[[np.ndarray], Reading]
"""Reads an RGB picture of one line, several at once in as many threads."""
_Known = dict[bytes, Reading]
"""What lines say, by their outlines."""

_PROBES = 4
_SURE = 0.9
_BETTER = 0.1
_AS_GOOD = 0.9


class LineReader:
    """Reads lines, so many at once as there are threads. It may be called from any thread, and calls
    `recogniser` from several."""

    def __init__(self, recogniser: Recogniser, *, threads: int) -> None:
        self._recogniser = recogniser
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ocr")

    def __call__(self, lines: Sequence[np.ndarray]) -> list[Reading]:
        """Text and confidence of each line, in order."""
        # The longest first, so that no thread is left with one at the end.
        order = iter(
            sorted(range(len(lines)), key=lambda index: -lines[index].shape[1] / lines[index].shape[0])
        )
        found: list[Reading] = [("", 0.0)] * len(lines)

        def work() -> None:
            for index in order:  # taken from one iterator by all threads
                found[index] = self._recogniser(lines[index])

        for task in [self._pool.submit(work) for _ in range(self._threads)]:
            task.result()
        return found


class PageReader:
    """Finds the lines of a page and reads them."""

    def __init__(self, detect: Detector, read_lines: LineReader) -> None:
        self._detect = detect
        self._read_lines = read_lines

    def read(self, image: np.ndarray) -> list[tuple[str, float, Polygon]]:
        """Text, confidence and outline of each line of an RGB picture, from top to bottom.

        Outlines are in the picture's pixels, clockwise from the text's own top left, so that those
        of a page that lies on its side begin in another corner.
        """
        polygons = self._detect(image)
        turns, known = self._quarter_turns(image, polygons)
        upright = image
        if turns:
            upright = np.ascontiguousarray(np.rot90(image, turns))
            polygons = self._detect(upright)
        polygons = split_at_columns(upright, polygons)
        polygons.sort(key=lambda polygon: (float(polygon[0][1]), float(polygon[0][0])))
        unread = [polygon for polygon in polygons if polygon.tobytes() not in known]
        known.update(zip(map(np.ndarray.tobytes, unread), self._read(upright, unread), strict=True))
        readings = [known[polygon.tobytes()] for polygon in polygons]
        height, width = image.shape[:2]
        return [
            (text, score, _turned_back(polygon, turns, width, height))
            for (text, score), polygon in zip(readings, polygons, strict=True)
        ]

    def _read(self, image: np.ndarray, polygons: Sequence[Polygon]) -> list[Reading]:
        lines = [crop(image, polygon) for polygon in polygons]
        tall = [index for index, polygon in enumerate(polygons) if is_tall(polygon)]
        for index in tall:
            row = column_as_row(lines[index])
            if row is not None:
                lines[index] = row
        found = self._read_lines(lines)
        doubtful = [index for index in tall if found[index][1] < _SURE]
        on_their_side = [np.rot90(crop(image, polygons[index])) for index in doubtful]
        for index, reading in zip(doubtful, self._read_lines(on_their_side), strict=True):
            if reading[1] > found[index][1]:
                found[index] = reading
        return found

    def _quarter_turns(self, image: np.ndarray, polygons: Sequence[Polygon]) -> tuple[int, _Known]:
        """By how many quarter turns against the clock the page comes upright, told by some long lines.

        Of a page that is upright, what these say comes along, so that they need not be read again.
        """
        tall = [polygon for polygon in polygons if is_tall(polygon)]
        wide = [polygon for polygon in polygons if not is_tall(polygon)]
        lies = _extent(tall) > _extent(wide)
        chosen = sorted(tall if lies else wide, key=lambda polygon: -_extent([polygon]))[:_PROBES]
        lines = [crop(image, polygon) for polygon in chosen]
        if not lines:
            return 0, {}
        if not lies:
            readings = self._read_lines(lines)
            known = {polygon.tobytes(): reading for polygon, reading in zip(chosen, readings, strict=True)}
            upright = _confidence(readings)
            if upright >= _SURE:
                return 0, known
            turned = _confidence(self._read_lines([np.rot90(line, 2) for line in lines]))
            return (2, {}) if turned > upright + _BETTER else (0, known)
        left, right = (
            _confidence(self._read_lines([np.rot90(line, turns) for line in lines])) for turns in (1, 3)
        )
        if right > left:
            return 3, {}
        # Recognisers also read a column of upright characters turned to the left; laid out as a row
        # its characters are upright, where those of a page that lies on its side are not.
        columns = [row for line in lines if (row := column_as_row(line)) is not None]
        upright_columns = columns and _confidence(self._read_lines(columns)) >= _AS_GOOD * left
        return (0 if upright_columns else 1), {}


def _confidence(readings: Sequence[Reading]) -> float:
    """The mean confidence over the characters of some lines."""
    length = sum(len(text) for text, _ in readings)
    return sum(score * len(text) for text, score in readings) / length if length else 0.0


def _extent(polygons: Sequence[Polygon]) -> float:
    """The lengths of lines added up."""
    return float(sum(np.ptp(polygon, axis=0).max() for polygon in polygons))


def _turned_back(polygon: Polygon, turns: int, width: int, height: int) -> Polygon:
    """The outline on the picture before it was turned `turns` quarters against the clock."""
    x, y = polygon[:, 0], polygon[:, 1]
    places = ((x, y), (width - y, x), (width - x, height - y), (y, height - x))[turns]
    return np.stack(places, axis=1)
