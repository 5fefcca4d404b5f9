"""PDF files written for the tests, and a recogniser that returns what it is told."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, HEIGHT = 595.0, 842.0


@dataclass(frozen=True, slots=True)
class FakeLine:
    text: str
    confidence: float
    polygon: tuple[tuple[float, float], ...]


def fake_line(text: str, x0: float, y0: float, x1: float, y1: float, confidence: float = 0.99) -> FakeLine:
    return FakeLine(text, confidence, ((x0, y0), (x1, y0), (x1, y1), (x0, y1)))


@dataclass(slots=True)
class FakeOcr:
    """Gives the same lines for every picture, or what a function makes of it."""

    lines: Sequence[FakeLine] | Callable[[np.ndarray], Sequence[FakeLine]] = ()
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def recognise(self, image: np.ndarray) -> Sequence[FakeLine]:
        self.shapes.append(image.shape)
        return self.lines(image) if callable(self.lines) else self.lines


def write_pdf(path: Path, *pages: Callable[[Any], None], **options: Any) -> Path:
    """Each function draws one page on reportlab's canvas, with STSong-Light as its font."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfgen.canvas import Canvas

    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    canvas = Canvas(str(path), pagesize=(WIDTH, HEIGHT), invariant=True, **options)
    for draw in pages:
        canvas.setFont("STSong-Light", 12)
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return path


def lines_at(
    x: float, top: float, texts: Sequence[str], *, leading: float = 18, size: float = 12
) -> Callable[[Any], None]:
    def draw(canvas: Any) -> None:
        canvas.setFont("STSong-Light", size)
        for index, text in enumerate(texts):
            canvas.drawString(x, HEIGHT - top - index * leading, text)

    return draw


def together(*draws: Callable[[Any], None]) -> Callable[[Any], None]:
    def draw(canvas: Any) -> None:
        for one in draws:
            one(canvas)

    return draw


def picture(width: int = 400, height: int = 300) -> Any:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(image).rectangle((10, 10, width // 2, height // 2), fill="black")
    return image


def picture_at(x: float, top: float, width: float, height: float) -> Callable[[Any], None]:
    def draw(canvas: Any) -> None:
        from reportlab.lib.utils import ImageReader

        canvas.drawImage(ImageReader(picture()), x, HEIGHT - top - height, width, height)

    return draw


def picture_bytes(kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture().save(buffer, kind, **options)
    return buffer.getvalue()
