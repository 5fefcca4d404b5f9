"""Text, pictures and rules of a PDF page, through pdfium.

pdfium is not safe to be used from two threads: callers hold `PDFIUM_LOCK`.
"""

from __future__ import annotations

import ctypes
import math
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from loaders.cleaning import clean_line, unify
from loaders.layout import TextLine

PDFIUM_LOCK = threading.RLock()

_DEVICE = 1_000_000
_MOST_OBJECTS = 20_000
_BOLD = re.compile(r"bold|heavy|black|semibold|demi|simhei|heiti|黑体", re.IGNORECASE)
_BAD = re.compile("[\ufffd\ue000-\uf8ff\x00-\x08\x0e-\x1f\U000f0000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture on a page: its place in points from the top left corner, its size in pixels."""

    x0: float
    y0: float
    x1: float
    y1: float
    pixels: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContent:
    """What stands on a page, in points from the top left corner."""

    width: float
    height: float
    lines: tuple[TextLine, ...]
    pictures: tuple[Picture, ...]
    characters: int
    """Characters of the text layer, white space left out."""
    bad_characters: int
    """Those among them that mean nothing: no Unicode value, private use, control codes."""
    paths: int
    """Number of drawn lines and shapes."""
    rules: int
    """Those among them that may be the lines of a table."""

    def covered(self) -> float:
        """The share of the page under its largest picture."""
        return max((_area(picture) for picture in self.pictures), default=0.0) / (self.width * self.height)


def _area(picture: Picture) -> float:
    return max(0.0, picture.x1 - picture.x0) * max(0.0, picture.y1 - picture.y0)


class _Plane:
    """Maps pdfium's page coordinates, which know no rotation, to points from the top left corner."""

    def __init__(self, page: Any) -> None:
        import pypdfium2.raw as raw

        self.width, self.height = (max(1.0, side) for side in page.get_size())
        corners = []
        for x, y in ((0.0, 0.0), (1000.0, 0.0), (0.0, 1000.0)):
            across, down = ctypes.c_int(), ctypes.c_int()
            raw.FPDF_PageToDevice(page, 0, 0, _DEVICE, _DEVICE, 0, x, y, across, down)
            corners.append((across.value * self.width / _DEVICE, down.value * self.height / _DEVICE))
        (self._x, self._y), (ax, ay), (bx, by) = corners
        self._ax, self._ay = (ax - self._x) / 1000, (ay - self._y) / 1000
        self._bx, self._by = (bx - self._x) / 1000, (by - self._y) / 1000

    def rectangle(
        self, left: float, bottom: float, right: float, top: float
    ) -> tuple[float, float, float, float]:
        x0, x1 = (self._x + self._ax * x + self._bx * y for x, y in ((left, bottom), (right, top)))
        y0, y1 = (self._y + self._ay * x + self._by * y for x, y in ((left, bottom), (right, top)))
        return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def read_content(page: Any) -> PageContent:
    """Read a pdfium page. Raises whatever pdfium raises on a broken one."""
    plane = _Plane(page)
    lines, characters, bad = _read_lines(page, plane)
    pictures, paths, rules = _read_objects(page, plane)
    return PageContent(
        width=plane.width,
        height=plane.height,
        lines=tuple(lines),
        pictures=tuple(pictures),
        characters=characters,
        bad_characters=bad,
        paths=paths,
        rules=rules,
    )


def _read_lines(page: Any, plane: _Plane) -> tuple[list[TextLine], int, int]:
    import pypdfium2.raw as raw

    textpage = page.get_textpage()
    try:
        count = textpage.count_chars()
        lines: list[TextLine] = []
        characters = bad = 0
        box = raw.FS_RECTF()
        run: list[str] = []
        begin = 0
        x0 = y0 = x1 = y1 = 0.0
        get_unicode, get_box = raw.FPDFText_GetUnicode, raw.FPDFText_GetLooseCharBox

        def flush() -> None:
            nonlocal characters, bad
            text = unify(clean_line("".join(run)))
            run.clear()
            if not text:
                return
            size = max(1.0, min(y1 - y0, x1 - x0 if len(text) == 1 else math.inf))
            angle = raw.FPDFText_GetCharAngle(textpage, begin)
            turned = abs(math.sin(2 * angle)) if angle >= 0 else 0.0
            if turned > 0.3:
                return  # a watermark across the page
            visible = sum(1 for c in text if not c.isspace())
            characters += visible
            unmapped = visible if raw.FPDFText_HasUnicodeMapError(textpage, begin) == 1 else 0
            bad += max(unmapped, len(_BAD.findall(text)))
            upright = abs(math.sin(angle)) < 0.3 if angle >= 0 else True
            font = raw.FPDFText_GetFontSize(textpage, begin)
            weight = raw.FPDFText_GetFontWeight(textpage, begin)
            lines.append(
                TextLine(
                    text=text,
                    x0=x0,
                    y0=y0,
                    x1=x1,
                    y1=y1,
                    size=min(size, y1 - y0) if upright else max(1.0, font),
                    bold=weight >= 600 or bool(_BOLD.search(_font_name(textpage, begin))),
                )
            )

        high = 0
        for index in range(count):
            code = get_unicode(textpage, index)
            if 0xD800 <= code < 0xDC00:
                high = code
                continue
            if 0xDC00 <= code < 0xE000 and high:
                code = 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00)
                high = 0
            if code in (10, 13):
                if run:
                    flush()
                continue
            # pdfium marks a hyphen at the end of a line with a code of its own.
            character = "-" if code in (2, 0xFFFE) else chr(code) if code else "\ufffd"
            if character.isspace():
                if run:
                    run.append(" ")
                continue
            get_box(textpage, index, box)
            left, upper, right, lower = plane.rectangle(box.left, box.bottom, box.right, box.top)
            if run:
                height = max(y1 - y0, 1.0)
                apart = left - x1 > 0.8 * height or left < x0 - height
                if apart or lower < y0 + 0.2 * height or upper > y1 - 0.2 * height:
                    flush()
            if not run:
                begin = index
                x0, y0, x1, y1 = left, upper, right, lower
            else:
                x0, y0, x1, y1 = min(x0, left), min(y0, upper), max(x1, right), max(y1, lower)
            run.append(character)
        if run:
            flush()
        return lines, characters, bad
    finally:
        textpage.close()


def _font_name(textpage: Any, index: int) -> str:
    import pypdfium2.raw as raw

    buffer = ctypes.create_string_buffer(128)
    flags = ctypes.c_int()
    raw.FPDFText_GetFontInfo(textpage, index, buffer, len(buffer), flags)
    return buffer.value.decode("utf-8", errors="ignore")


def _objects(holder: Any, depth: int) -> Iterator[Any]:
    """Page objects, those inside forms too."""
    import pypdfium2.raw as raw

    if depth == 0:
        for index in range(min(_MOST_OBJECTS, raw.FPDFPage_CountObjects(holder))):
            yield from _descend(raw.FPDFPage_GetObject(holder, index), depth)
    else:
        for index in range(min(_MOST_OBJECTS, raw.FPDFFormObj_CountObjects(holder))):
            yield from _descend(raw.FPDFFormObj_GetObject(holder, index), depth)


def _descend(item: Any, depth: int) -> Iterator[Any]:
    import pypdfium2.raw as raw

    if raw.FPDFPageObj_GetType(item) == raw.FPDF_PAGEOBJ_FORM and depth < 3:
        # Places inside a form are its own; the form's stands for its pictures.
        for inner in _objects(item, depth + 1):
            yield (inner[0], item if inner[1] is None else inner[1])
    else:
        yield (item, None)


def _read_objects(page: Any, plane: _Plane) -> tuple[list[Picture], int, int]:
    import pypdfium2.raw as raw

    pictures: list[Picture] = []
    paths = flat = tall = cells = 0
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    width, height = ctypes.c_uint(), ctypes.c_uint()
    for number, (item, form) in enumerate(_objects(page, 0)):
        if number > _MOST_OBJECTS:
            break
        kind = raw.FPDFPageObj_GetType(item)
        if kind not in (raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_PATH):
            continue
        if not raw.FPDFPageObj_GetBounds(form or item, left, bottom, right, top):
            continue
        x0, y0, x1, y1 = plane.rectangle(left.value, bottom.value, right.value, top.value)
        if kind == raw.FPDF_PAGEOBJ_IMAGE:
            raw.FPDFImageObj_GetImagePixelSize(item, width, height)
            x0, y0 = max(0.0, x0), max(0.0, y0)
            x1, y1 = min(plane.width, x1), min(plane.height, y1)
            if x1 > x0 and y1 > y0:
                pictures.append(Picture(x0=x0, y0=y0, x1=x1, y1=y1, pixels=(width.value, height.value)))
            continue
        paths += 1
        across, down = x1 - x0, y1 - y0
        if down < 3 and across > 20:
            flat += 1
        elif across < 3 and down > 6:
            tall += 1
        elif across > 15 and down > 8 and across * down < 0.9 * plane.width * plane.height:
            # One path may draw a whole grid.
            cells += 1 + (raw.FPDFPath_CountSegments(item) > 8)
    rules = flat + tall + cells if (flat >= 2 and tall >= 2) or cells >= 4 else 0
    return pictures, paths, rules
