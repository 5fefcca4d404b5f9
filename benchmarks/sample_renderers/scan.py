"""The scanned notice: a PDF of pictures only, drawn with the fonts of Debian's fonts-noto-cjk."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from benchmarks.sample_renderers.parts import COMPANY, Part, read_parts

SERIF = "/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc"
SERIF_BOLD = "/usr/share/fonts/opentype/noto/NotoSerifCJK-Bold.ttc"
SIMPLIFIED = 2
"""Place of the simplified Chinese face in the Noto CJK collections."""

WIDTH, HEIGHT, MARGIN = 1240, 1754, 150  # A4 at 150 dpi
LINE, ROW = 52, 60
COLUMN_EDGES = (MARGIN, 260, 550, 710, 930, WIDTH - MARGIN)
PAPER, INK = (250, 249, 245), (25, 25, 30)
SEAL_RED = (200, 30, 40, 170)
SEAL_SIZE = 300
SKEWS = (0.7, -0.5)
"""Degrees by which each page lies askew on the glass."""


def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(SERIF_BOLD if bold else SERIF, size, index=SIMPLIFIED)


def _wrap(text: str, font: ImageFont.FreeTypeFont, room: int) -> list[str]:
    lines = [""]
    for character in text:
        # A closing mark hangs over the margin, for it must not start a line.
        if font.getlength(lines[-1] + character) > room and character not in "，。、；：）":
            lines.append("")
        lines[-1] += character
    return lines


def _draw_table(pen: ImageDraw.ImageDraw, part: Part, y: int) -> int:
    font = _font(25)
    bottom = y + ROW * len(part.rows)
    for number, row in enumerate(part.rows):
        top = y + ROW * number
        pen.line((MARGIN, top, COLUMN_EDGES[-1], top), fill=INK, width=2)
        for x, text in zip(COLUMN_EDGES, row, strict=False):
            pen.text((x + 12, top + 10), text, font=font, fill=INK)
    pen.line((MARGIN, bottom, COLUMN_EDGES[-1], bottom), fill=INK, width=2)
    for x in COLUMN_EDGES:
        pen.line((x, y, x, bottom), fill=INK, width=2)
    return bottom + 40


def _draw_seal(page: Image.Image, x: int, y: int) -> None:
    seal = Image.new("RGBA", (SEAL_SIZE, SEAL_SIZE))
    middle = SEAL_SIZE / 2
    pen = ImageDraw.Draw(seal)
    pen.ellipse((6, 6, SEAL_SIZE - 6, SEAL_SIZE - 6), outline=SEAL_RED, width=7)
    turns = [(radius, k * math.pi / 5) for k, radius in enumerate([46, 18] * 5)]
    pen.polygon([(middle + r * math.sin(a), middle - r * math.cos(a)) for r, a in turns], fill=SEAL_RED)
    pen.text((middle, 232), "行政部", font=_font(25), fill=SEAL_RED, anchor="mm")
    for number, character in enumerate(COMPANY):
        glyph = Image.new("RGBA", seal.size)
        ImageDraw.Draw(glyph).text(
            (middle, 38), character, font=_font(34, bold=True), fill=SEAL_RED, anchor="mm"
        )
        angle = 115 - 230 * number / (len(COMPANY) - 1)
        seal.alpha_composite(glyph.rotate(angle, Image.Resampling.BICUBIC))
    page.paste(seal, (x, y), seal)


def _draw_page(parts: Sequence[Part], *, sealed: bool) -> Image.Image:
    """Set the parts on a blank page; the sender and date of a sealed page stand under its seal."""
    page = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    pen = ImageDraw.Draw(page)
    font = _font(29)
    y = MARGIN
    for number, part in enumerate(parts):
        if part.kind == "heading":
            pen.text((WIDTH / 2, y), part.text, font=_font(40, bold=True), fill=INK, anchor="ma")
            y += 100
        elif part.kind == "table":
            y = _draw_table(pen, part, y)
        elif sealed and number >= len(parts) - 2:
            if number == len(parts) - 2:
                _draw_seal(page, WIDTH - MARGIN - 340, y - 60)
            pen.text((WIDTH - MARGIN - 60, y), part.text, font=font, fill=INK, anchor="ra")
            y += LINE + 10
        else:
            indent = "" if part.text.endswith("：") and len(part.text) < 8 else "　　"
            for line in _wrap(indent + part.text, font, WIDTH - 2 * MARGIN):
                pen.text((MARGIN, y), line, font=font, fill=INK)
                y += LINE
            y += 10
    return page


def make_scan(source: Path) -> bytes:
    """Draw a notice as slightly skewed, noisy pictures at 150 dpi, the first page sealed."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    pages: list[list[Part]] = [[]]
    for part in read_parts(source):
        if part.kind == "page_end":
            pages.append([])
        else:
            pages[-1].append(part)

    generator = np.random.default_rng(20260803)
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1)
    for number, (parts, skew) in enumerate(zip(pages, SKEWS, strict=True)):
        page = _draw_page(parts, sealed=number == 0)
        page = page.rotate(skew, Image.Resampling.BICUBIC, fillcolor=PAPER)
        page = page.filter(ImageFilter.GaussianBlur(0.6))
        grain = generator.normal(0, 4, (HEIGHT, WIDTH, 1))
        picture = Image.fromarray((np.asarray(page) + grain).clip(0, 255).astype(np.uint8))
        jpeg = io.BytesIO()
        picture.save(jpeg, "JPEG", quality=60)
        canvas.drawImage(ImageReader(jpeg), 0, 0, *A4)
        canvas.showPage()
    canvas.save()
    return out.getvalue()
