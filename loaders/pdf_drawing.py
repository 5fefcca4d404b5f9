"""Pictures and drawn lines of a PDF page, through pdfium, and the plane in which all its places are."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from loaders.ruled_tables import Edge

_DEVICE = 1_000_000
_MOST_OBJECTS = 20_000
_MOST_DEPTH = 4
_MOST_PATHS = 4_000
_MOST_SEGMENTS = 2_000
# In points: how far a line may lean, and the least length that counts.
_LEAN = 0.5
_SHORTEST = 1.0
_WHITE = 250

Matrix = tuple[float, float, float, float, float, float]
"""`(a, b, c, d, e, f)`: (x, y) goes to (a x + c y + e, b x + d y + f)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture on a page: its place in points from the top left corner, its size in pixels."""

    x0: float
    y0: float
    x1: float
    y1: float
    pixels: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What is drawn on a page besides text."""

    pictures: tuple[Picture, ...]
    paths: int
    """Number of drawn lines and shapes."""
    edges: tuple[Edge, ...]
    """Those that may be the lines of a table; none where the page is a drawing of many paths."""
    painted: tuple[tuple[float, float, float, float], ...]
    """Where pictures and shapes filled with another colour than white make white text visible."""


class Plane:
    """Maps pdfium's page coordinates, which know no rotation, to points from the top left corner."""

    def __init__(self, page: Any) -> None:
        import pypdfium2.raw as raw

        self.width, self.height = (max(1.0, side) for side in page.get_size())
        corners = []
        for x, y in ((0.0, 0.0), (1000.0, 0.0), (0.0, 1000.0)):
            across, down = ctypes.c_int(), ctypes.c_int()
            raw.FPDF_PageToDevice(page, 0, 0, _DEVICE, _DEVICE, 0, x, y, across, down)
            corners.append((across.value * self.width / _DEVICE, down.value * self.height / _DEVICE))
        (x0, y0), (ax, ay), (bx, by) = corners
        self.matrix: Matrix = (
            (ax - x0) / 1000, (ay - y0) / 1000, (bx - x0) / 1000, (by - y0) / 1000, x0, y0,
        )  # fmt: skip

    def rectangle(
        self, left: float, bottom: float, right: float, top: float
    ) -> tuple[float, float, float, float]:
        """The sides (x0, y0, x1, y1) of a rectangle of pdfium's."""
        return _bounds(self.matrix, left, bottom, right, top)


def read_drawing(page: Any, plane: Plane) -> Drawing:
    """The pictures and lines of a pdfium page, those inside forms too."""
    import pypdfium2.raw as raw

    pictures: list[Picture] = []
    painted: list[tuple[float, float, float, float]] = []
    edges: list[Edge] = []
    paths = 0
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    width, height = ctypes.c_uint(), ctypes.c_uint()
    for number, (item, matrix) in enumerate(_objects(page, plane.matrix)):
        if number > _MOST_OBJECTS:
            break
        kind = raw.FPDFPageObj_GetType(item)
        if kind == raw.FPDF_PAGEOBJ_TEXT or not raw.FPDFPageObj_GetBounds(item, left, bottom, right, top):
            continue
        bounds = _bounds(matrix, left.value, bottom.value, right.value, top.value)
        if kind == raw.FPDF_PAGEOBJ_PATH:
            paths += 1
            fills, strokes = _drawn(item)
            if paths <= _MOST_PATHS and (fills or strokes):
                edges.extend(_edges(item, matrix))
            if fills and not _is_white(item):
                painted.append(bounds)
            continue
        painted.append(bounds)
        if kind == raw.FPDF_PAGEOBJ_IMAGE:
            raw.FPDFImageObj_GetImagePixelSize(item, width, height)
            x0, y0 = max(0.0, bounds[0]), max(0.0, bounds[1])
            x1, y1 = min(plane.width, bounds[2]), min(plane.height, bounds[3])
            if x1 > x0 and y1 > y0:
                pictures.append(Picture(x0=x0, y0=y0, x1=x1, y1=y1, pixels=(width.value, height.value)))
    return Drawing(
        pictures=tuple(pictures),
        paths=paths,
        edges=tuple(edges) if paths <= _MOST_PATHS else (),
        painted=tuple(painted),
    )


def _objects(holder: Any, matrix: Matrix, depth: int = 0) -> Iterator[tuple[Any, Matrix]]:
    """Page objects with the matrix that maps their places onto the page; instead of forms, what they hold."""
    import pypdfium2.raw as raw

    count, get = (
        (raw.FPDFFormObj_CountObjects, raw.FPDFFormObj_GetObject)
        if depth
        else (raw.FPDFPage_CountObjects, raw.FPDFPage_GetObject)
    )
    for index in range(min(_MOST_OBJECTS, count(holder))):
        item = get(holder, index)
        if raw.FPDFPageObj_GetType(item) == raw.FPDF_PAGEOBJ_FORM and depth < _MOST_DEPTH:
            yield from _objects(item, _within(matrix, item), depth + 1)
        else:
            yield item, matrix


def _within(outer: Matrix, item: Any) -> Matrix:
    """The matrix of what an object's own matrix maps into the plane of `outer`."""
    import pypdfium2.raw as raw

    own = raw.FS_MATRIX()
    if not raw.FPDFPageObj_GetMatrix(item, own):
        return outer
    a, b, c, d, e, f = outer
    return (
        a * own.a + c * own.b, b * own.a + d * own.b,
        a * own.c + c * own.d, b * own.c + d * own.d,
        a * own.e + c * own.f + e, b * own.e + d * own.f + f,
    )  # fmt: skip


def _bounds(
    matrix: Matrix, left: float, bottom: float, right: float, top: float
) -> tuple[float, float, float, float]:
    a, b, c, d, e, f = matrix
    corners = [(a * x + c * y + e, b * x + d * y + f) for x in (left, right) for y in (bottom, top)]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def _drawn(path: Any) -> tuple[bool, bool]:
    """Whether a path is filled, and whether its outline is drawn."""
    import pypdfium2.raw as raw

    fill, stroke = ctypes.c_int(), ctypes.c_int()
    if not raw.FPDFPath_GetDrawMode(path, fill, stroke):
        return True, True
    return fill.value != raw.FPDF_FILLMODE_NONE, bool(stroke.value)


def _is_white(path: Any) -> bool:
    """Whether the path is filled with white; a pattern is not."""
    import pypdfium2.raw as raw

    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if not raw.FPDFPageObj_GetFillColor(path, red, green, blue, alpha):
        return False
    return min(red.value, green.value, blue.value) >= _WHITE or alpha.value == 0


def _edges(path: Any, matrix: Matrix) -> Iterator[Edge]:
    """The straight sides of a path that run across or down the page."""
    import pypdfium2.raw as raw

    segments = raw.FPDFPath_CountSegments(path)
    if not 2 <= segments <= _MOST_SEGMENTS:
        return
    a, b, c, d, e, f = _within(matrix, path)
    x, y = ctypes.c_float(), ctypes.c_float()
    first = last = (0.0, 0.0)
    for index in range(segments):
        segment = raw.FPDFPath_GetPathSegment(path, index)
        if not raw.FPDFPathSegment_GetPoint(segment, x, y):
            continue
        point = (a * x.value + c * y.value + e, b * x.value + d * y.value + f)
        kind = raw.FPDFPathSegment_GetType(segment)
        if kind == raw.FPDF_SEGMENT_MOVETO:
            first = point
        elif kind == raw.FPDF_SEGMENT_LINETO:
            yield from _edge(last, point)
        last = point
        if raw.FPDFPathSegment_GetClose(segment):
            yield from _edge(last, first)
            last = first


def _edge(start: tuple[float, float], end: tuple[float, float]) -> Iterator[Edge]:
    (x0, x1), (y0, y1) = sorted((start[0], end[0])), sorted((start[1], end[1]))
    if y1 - y0 <= _LEAN and x1 - x0 >= _SHORTEST:
        middle = (y0 + y1) / 2
        yield Edge(x0, middle, x1, middle, upright=False)
    elif x1 - x0 <= _LEAN and y1 - y0 >= _SHORTEST:
        middle = (x0 + x1) / 2
        yield Edge(middle, y0, middle, y1, upright=True)
