"""Text recognised in pictures, put into reading order with its places on the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from loaders.base import RecognisedLine, TextRecogniser
from loaders.cells import join_cell_lines
from loaders.cleaning import clean_line
from loaders.document import Block, Box, Line, Problem
from loaders.errors import LoaderError, RecognitionFailedError
from loaders.layout import TextLine
from loaders.paragraphs import PageFrame, build_blocks
from loaders.picture_tables import picture_tables

LOW_CONFIDENCE = 0.7
"""A page whose mean confidence is below this is marked."""
_NOISE = 0.3
_SMALLEST_SKEW = math.radians(0.3)
_LARGEST_SKEW = math.radians(20)
_LONG = 3.0
_HEADING_RATIO = 1.35


@dataclass(frozen=True, slots=True)
class OcrResult:
    """The blocks of a picture, boxes as fractions of it, and the mean confidence of its text."""

    blocks: tuple[Block, ...]
    confidence: float | None

    def problems(self, page: int | None) -> tuple[Problem, ...]:
        """The problem of a page that was hard to read, if it was."""
        if self.confidence is None or self.confidence >= LOW_CONFIDENCE:
            return ()
        return (
            Problem(
                "low_confidence",
                f"The text was recognised with a confidence of {self.confidence:.2f} only.",
                page,
                {"confidence": round(self.confidence, 2)},
            ),
        )


def read_picture(image: np.ndarray, ocr: TextRecogniser, *, page: int) -> OcrResult:
    """Recognise the text of an RGB picture of shape (height, width, 3), uint8.

    Pages that lie on their side or upside down are laid out upright, as the outlines of their lines
    say; boxes refer to the picture as it was given. Raises `RecognitionFailedError`.
    """
    lines = _recognise(image, ocr)
    if not lines:
        return OcrResult((), None)
    height, width = image.shape[:2]
    turns = _quarter_turns(lines)
    upright = [
        _Upright(line.text, line.confidence, _turned(line.polygon, turns, width, height)) for line in lines
    ]
    grey = np.rot90(_grey(image), turns)
    return OcrResult(tuple(_layout(upright, grey, turns, page)), _mean(lines))


def _grey(image: np.ndarray) -> np.ndarray:
    """The mean of red, green and blue, rounded down, of shape (height, width), uint8."""
    total = image[:, :, 0].astype(np.uint16)
    total += image[:, :, 1]
    total += image[:, :, 2]
    total //= 3
    return total.astype(np.uint8)


@dataclass(frozen=True, slots=True)
class _Upright:
    """A recognised line on the page turned upright."""

    text: str
    confidence: float
    polygon: tuple[tuple[float, float], ...]


def _quarter_turns(lines: Sequence[RecognisedLine]) -> int:
    """By how many quarter turns against the clock most of the text comes upright."""
    weights = [0, 0, 0, 0]
    for line in lines:
        (x0, y0), (x1, y1) = line.polygon[0], line.polygon[1]
        weights[round(math.atan2(y1 - y0, x1 - x0) / (math.pi / 2)) % 4] += len(line.text)
    return weights.index(max(weights))


def _turned(
    polygon: tuple[tuple[float, float], ...], turns: int, width: int, height: int
) -> tuple[tuple[float, float], ...]:
    """The outline on a picture of this size after it was turned `turns` quarters against the clock."""
    return tuple(
        ((x, y), (y, width - x), (width - x, height - y), (height - y, x))[turns] for x, y in polygon
    )


def _recognise(image: np.ndarray, ocr: TextRecogniser) -> list[RecognisedLine]:
    """The lines that are more than noise. A failure of the engine says nothing about the file."""
    try:
        lines = ocr.recognise(image)
    except (LoaderError, MemoryError):
        raise
    except Exception as error:
        raise RecognitionFailedError(f"The OCR engine failed: {error}"[:300]) from error
    return [line for line in lines if line.confidence >= _NOISE and line.text.strip()]


def _mean(lines: Sequence[RecognisedLine]) -> float:
    length = sum(len(line.text) for line in lines)
    return sum(line.confidence * len(line.text) for line in lines) / length if length else 0.0


def _layout(lines: Sequence[_Upright], grey: np.ndarray, turns: int, page: int) -> list[Block]:
    """Blocks of the lines of an upright picture (height, width), which was turned by `turns` quarters."""
    skew = _skew(lines)
    height, width = grey.shape
    cosine, sine = math.cos(skew), math.sin(skew)
    centre_x, centre_y = width / 2, height / 2

    def straighten(x: float, y: float) -> tuple[float, float]:
        dx, dy = x - centre_x, y - centre_y
        return centre_x + dx * cosine + dy * sine, centre_y - dx * sine + dy * cosine

    def place(x: float, y: float) -> tuple[float, float]:
        """From the straightened picture's fractions to those of the picture as it was given."""
        dx, dy = x * width - centre_x, y * height - centre_y
        x = (centre_x + dx * cosine - dy * sine) / width
        y = (centre_y + dx * sine + dy * cosine) / height
        return ((x, y), (1 - y, x), (1 - x, 1 - y), (y, 1 - x))[turns]

    found = [_text_line(line, straighten) for line in lines]
    sizes = sorted(line.size for line in found for _ in line.text)
    body = sizes[len(sizes) // 2]

    def heading(text: str, size: float, bold: bool) -> int:  # noqa: ARG001
        large = size > _HEADING_RATIO * body and len(found) > 3
        return 1 if large and 2 < len(text) <= 40 and text[-1] not in "，。；：、,;:" else 0

    frame = PageFrame(number=page, width=width, height=height)
    tables, outside = picture_tables(_straight(grey, skew), [line for line in found if line.text])
    rows = [*join_cell_lines(outside), *(table.stand_in(frame) for table in tables)]
    blocks = build_blocks(rows, frame, heading=heading)
    if turns == 0 and skew == 0:
        return blocks
    return [move_block(block, page, place) for block in blocks]


def _straight(grey: np.ndarray, skew: float) -> np.ndarray:
    """The picture turned about its centre so that lines that slope by `skew` are level."""
    if not skew:
        return grey
    turned = Image.fromarray(np.ascontiguousarray(grey)).rotate(
        math.degrees(skew), Image.Resampling.BILINEAR, fillcolor=255
    )
    pixels: np.ndarray = np.asarray(turned)
    return pixels


def _skew(lines: Sequence[_Upright]) -> float:
    """The angle in radians by which the lines slope, 0 when it is small or cannot be told.

    The median over the lines, longer ones counting for more: the outline of a short one says little.
    """
    angles: list[tuple[float, float]] = []
    for line in lines:
        across, down = math.dist(*line.polygon[:2]), math.dist(*line.polygon[1:3])
        if max(across, down) < _LONG * min(across, down) or len(line.text) < 2:
            continue
        (x0, y0), (x1, y1), (x2, y2) = line.polygon[:3]
        angle = math.atan2(y1 - y0, x1 - x0) if across > down else math.atan2(x1 - x2, y2 - y1)
        angles.append((angle, max(across, down)))
    angles.sort()
    half = sum(length for _, length in angles) / 2
    for angle, length in angles:
        half -= length
        if half <= 0:
            return angle if _SMALLEST_SKEW < abs(angle) < _LARGEST_SKEW else 0.0
    return 0.0


def _text_line(line: _Upright, straighten: Callable[[float, float], tuple[float, float]]) -> TextLine:
    corners = [straighten(x, y) for x, y in line.polygon]
    x0, x1 = min(x for x, _ in corners), max(x for x, _ in corners)
    y0, y1 = min(y for _, y in corners), max(y for _, y in corners)
    text = clean_line(line.text)
    vertical = y1 - y0 > 1.5 * (x1 - x0) and len(text) > 1
    return TextLine(
        text=text,
        x0=x0,
        y0=y0,
        x1=x1,
        y1=y1,
        size=max(1.0, x1 - x0 if vertical else y1 - y0),
        vertical=vertical,
        confidence=line.confidence,
    )


def move_block(block: Block, page: int, place: Callable[[float, float], tuple[float, float]]) -> Block:
    """The block with its boxes mapped through `place`, which maps fractions to fractions."""
    lines = []
    for line in block.lines:
        box = line.box
        corners = [place(x, y) for x in (box.x0, box.x1) for y in (box.y0, box.y1)]
        xs = [min(1.0, max(0.0, x)) for x, _ in corners]
        ys = [min(1.0, max(0.0, y)) for _, y in corners]
        lines.append(Line(line.start, line.end, Box(page, min(xs), min(ys), max(xs), max(ys))))
    return replace(block, lines=tuple(lines))
