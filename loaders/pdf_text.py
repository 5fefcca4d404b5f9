"""What stands on a PDF page, through pdfium: its text in lines, its ruled tables, its pictures.

pdfium is not safe to be used from two threads: callers hold `PDFIUM_LOCK`.
"""

from __future__ import annotations

import ctypes
import math
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from loaders.cleaning import clean_line, unify
from loaders.layout import TextLine
from loaders.pdf_drawing import Drawing, Picture, Plane, read_drawing
from loaders.ruled_tables import Grid, RuledTable, cell_text, find_grids, ruled_table

PDFIUM_LOCK = threading.RLock()

_BOLD = re.compile(r"bold|heavy|black|semibold|demi|simhei|heiti|黑体", re.IGNORECASE)
_BAD = re.compile("[\ufffd\ue000-\uf8ff\x00-\x08\x0e-\x1f\U000f0000-\U0010ffff]")
_WHITE = 250
# In points: smaller text is not there to be read.
_SMALLEST_TEXT = 1.0
DRAWN_TEXT_PATHS = 60
"""A page with so many shapes may have its text drawn as outlines."""

Glyph = tuple[int, str, float, float, float, float]
"""A character: its number in pdfium's text, itself, and its sides x0, y0, x1, y1. A space has those of
the character before it, as does a line feed, which ends a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContent:
    """What stands on a page, in points from the top left corner."""

    width: float
    height: float
    lines: tuple[TextLine, ...]
    """All text of the page that can be seen."""
    tables: tuple[RuledTable, ...] = ()
    outside: tuple[TextLine, ...]
    """The text that is in none of the tables."""
    pictures: tuple[Picture, ...]
    characters: int
    """Characters of the text layer, white space left out."""
    bad_characters: int
    """Those among them that mean nothing: no Unicode value, private use, control codes."""
    paths: int
    """Number of drawn lines and shapes."""

    def covered(self) -> float:
        """The share of the page under its largest picture."""
        return max((_area(picture) for picture in self.pictures), default=0.0) / (self.width * self.height)


def _area(picture: Picture) -> float:
    return max(0.0, picture.x1 - picture.x0) * max(0.0, picture.y1 - picture.y0)


def read_content(page: Any) -> PageContent:
    """Read a pdfium page. Raises whatever pdfium raises on a broken one."""
    plane = Plane(page)
    drawing = read_drawing(page, plane)
    textpage = page.get_textpage()
    try:
        glyphs = list(_glyphs(textpage, plane))
        reader = _LineReader(textpage, drawing)
        lines = reader.lines(glyphs)
        characters, bad = reader.characters, reader.bad
        tables, outside = _tables(reader, glyphs, find_grids(drawing.edges)) if lines else ((), None)
        return PageContent(
            width=plane.width,
            height=plane.height,
            lines=tuple(lines),
            tables=tables,
            outside=tuple(lines if outside is None else reader.lines(outside)),
            pictures=drawing.pictures,
            characters=characters,
            bad_characters=bad,
            paths=drawing.paths,
        )
    finally:
        textpage.close()


def _glyphs(textpage: Any, plane: Plane) -> Iterator[Glyph]:
    """The characters of a page in the order of its text layer."""
    import pypdfium2.raw as raw

    box = raw.FS_RECTF()
    get_unicode, get_box = raw.FPDFText_GetUnicode, raw.FPDFText_GetLooseCharBox
    a, b, c, d, e, f = plane.matrix
    upright = abs(b) + abs(c) < 1e-6 and a > 0 > d
    x0 = y0 = x1 = y1 = 0.0
    high = 0
    for index in range(textpage.count_chars()):
        code = get_unicode(textpage, index)
        if 0xD800 <= code < 0xDC00:
            high = code
            continue
        if 0xDC00 <= code < 0xE000 and high:
            code = 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00)
            high = 0
        # pdfium marks a hyphen at the end of a line with a code of its own.
        character = "-" if code in (2, 0xFFFE) else chr(code) if code else "\ufffd"
        if character.isspace():
            yield index, "\n" if code in (10, 13) else " ", x0, y0, x1, y1
            continue
        get_box(textpage, index, box)
        if upright:
            x0, y0, x1, y1 = a * box.left + e, d * box.top + f, a * box.right + e, d * box.bottom + f
        else:
            x0, y0, x1, y1 = plane.rectangle(box.left, box.bottom, box.right, box.top)
        yield index, character, x0, y0, x1, y1


class _LineReader:
    """Makes lines of the characters of one page, and counts them."""

    def __init__(self, textpage: Any, drawing: Drawing) -> None:
        self._textpage = textpage
        self._drawing = drawing
        self.characters = 0
        """Visible characters of all lines made so far."""
        self.bad = 0
        """Those among them that mean nothing."""

    def lines(self, glyphs: Iterable[Glyph]) -> list[TextLine]:
        """The runs of characters that stand in one place each; text that cannot be seen is left out."""
        found: list[TextLine] = []
        run: list[str] = []
        begin = end = 0
        x0 = y0 = x1 = y1 = 0.0
        for index, character, left, upper, right, lower in glyphs:
            if character == "\n":
                if run:
                    self._end(found, run, (begin, end), (x0, y0, x1, y1))
                continue
            if character == " ":
                if run:
                    run.append(" ")
                continue
            if run:
                height = max(y1 - y0, 1.0)
                apart = left - x1 > 0.8 * height or left < x0 - height
                if apart or lower < y0 + 0.2 * height or upper > y1 - 0.2 * height:
                    self._end(found, run, (begin, end), (x0, y0, x1, y1))
            if not run:
                begin = index
                x0, y0, x1, y1 = left, upper, right, lower
            else:
                x0, y0 = min(x0, left), min(y0, upper)
                x1, y1 = max(x1, right), max(y1, lower)
            run.append(character)
            end = index
        if run:
            self._end(found, run, (begin, end), (x0, y0, x1, y1))
        return found

    def _end(
        self,
        found: list[TextLine],
        run: list[str],
        ends: tuple[int, int],
        box: tuple[float, float, float, float],
    ) -> None:
        """Make a line of a run between two characters, unless it is blank, a watermark, or hidden."""
        import pypdfium2.raw as raw

        text = unify(clean_line("".join(run)))
        run.clear()
        if not text:
            return
        textpage, (begin, _) = self._textpage, ends
        x0, y0, x1, y1 = box
        angle = raw.FPDFText_GetCharAngle(textpage, begin)
        if angle >= 0 and abs(math.sin(2 * angle)) > 0.3:
            return
        if self._hidden(begin, box):
            return
        visible = sum(1 for character in text if not character.isspace())
        self.characters += visible
        unmapped = visible if raw.FPDFText_HasUnicodeMapError(textpage, begin) == 1 else 0
        self.bad += max(unmapped, len(_BAD.findall(text)))
        upright = abs(math.sin(angle)) < 0.3 if angle >= 0 else True
        if upright:
            size = max(1.0, min(y1 - y0, x1 - x0 if len(text) == 1 else math.inf))
        else:
            size = max(1.0, raw.FPDFText_GetFontSize(textpage, begin))
        # A line that only begins in bold is the first of a paragraph with a word set off.
        bold = all(
            raw.FPDFText_GetFontWeight(textpage, end) >= 600 or _BOLD.search(_font_name(textpage, end))
            for end in ends
        )
        found.append(TextLine(text=text, x0=x0, y0=y0, x1=x1, y1=y1, size=size, bold=bold))

    def _hidden(self, begin: int, box: tuple[float, float, float, float]) -> bool:
        """Whether nobody who looks at the page sees the run: too small, not painted, or white on white.

        Text that is not painted over a picture or over letters drawn as shapes is what a recogniser
        left there, and stands for what is seen.
        """
        import pypdfium2.raw as raw

        x0, y0, x1, y1 = box
        if max(x1 - x0, y1 - y0) < _SMALLEST_TEXT:
            return True
        textpage, drawing = self._textpage, self._drawing
        mode = raw.FPDFTextObj_GetTextRenderMode(raw.FPDFText_GetTextObject(textpage, begin))
        if mode == raw.FPDF_TEXTRENDERMODE_INVISIBLE:
            return not drawing.pictures and drawing.paths < DRAWN_TEXT_PATHS
        red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
        if not raw.FPDFText_GetFillColor(textpage, begin, red, green, blue, alpha):
            return False
        if min(red.value, green.value, blue.value) < _WHITE:
            return False
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        return not any(left <= x <= right and top <= y <= low for left, top, right, low in drawing.painted)


def _tables(
    reader: _LineReader, glyphs: Sequence[Glyph], grids: Sequence[Grid]
) -> tuple[tuple[RuledTable, ...], list[Glyph] | None]:
    """The tables among some grids, and the characters outside them (None: all of them)."""
    outside = list(glyphs)
    tables: list[RuledTable] = []
    for grid in grids:
        inside: list[list[Glyph]] = [[] for _ in grid.cells]
        rest: list[Glyph] = []
        for glyph in outside:
            _, _, x0, y0, x1, y1 = glyph
            number = grid.cell_at((x0 + x1) / 2, (y0 + y1) / 2)
            (rest if number is None else inside[number]).append(glyph)
        table = ruled_table(grid, [cell_text(reader.lines(found)) for found in inside])
        if table is not None:
            tables.append(table)
            outside = rest
    return tuple(tables), outside if tables else None


def _font_name(textpage: Any, index: int) -> str:
    import pypdfium2.raw as raw

    buffer = ctypes.create_string_buffer(128)
    flags = ctypes.c_int()
    raw.FPDFText_GetFontInfo(textpage, index, buffer, len(buffer), flags)
    return buffer.value.decode("utf-8", errors="ignore")
