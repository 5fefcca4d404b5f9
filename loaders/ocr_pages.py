"""Text recognised in pictures, put into reading order with its places on the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

from loaders.base import RecognisedLine, TextRecogniser
from loaders.cleaning import clean_line
from loaders.document import Block, Box, Line, Problem
from loaders.errors import LoaderError, RecognitionFailedError
from loaders.layout import TextLine
from loaders.paragraphs import PageFrame, build_blocks

if TYPE_CHECKING:
    import numpy as np

LOW_CONFIDENCE = 0.7
"""A page whose mean confidence is below this is marked."""
_NOISE = 0.3
_DOUBTFUL = 0.75
_SMALLEST_SKEW = math.radians(0.3)
_LARGEST_SKEW = math.radians(20)
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

    A picture that is hard to read is tried turned as well, since scans lie on their side or
    upside down; boxes refer to the picture as it was given. Raises `RecognitionFailedError`.
    """
    lines = _recognise(image, ocr)
    best, turns = lines, 0
    if lines and _mean(lines) < _DOUBTFUL:
        import numpy as np

        for quarter in (1, 3, 2):
            turned = _recognise(np.ascontiguousarray(np.rot90(image, quarter)), ocr)
            if _weight(turned) > 1.2 * _weight(best):
                best, turns = turned, quarter
            if _mean(best) > 0.9:
                break
    if not best:
        return OcrResult((), None)
    height, width = image.shape[:2]
    if turns % 2:
        height, width = width, height
    return OcrResult(tuple(_layout(best, width, height, turns, page)), _mean(best))


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


def _weight(lines: Sequence[RecognisedLine]) -> float:
    return sum(line.confidence**2 * len(line.text) for line in lines)


def _layout(lines: Sequence[RecognisedLine], width: int, height: int, turns: int, page: int) -> list[Block]:
    """Blocks of the lines of a picture of this size, which was turned by `turns` quarters."""
    skew = _skew(lines)
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
    blocks = build_blocks([line for line in found if line.text], frame, heading=heading)
    if turns == 0 and skew == 0:
        return blocks
    return [move_block(block, page, place) for block in blocks]


def _skew(lines: Sequence[RecognisedLine]) -> float:
    """The angle in radians by which the lines slope, 0 when it is small or cannot be told."""
    angles = []
    for line in lines:
        (x0, y0), (x1, y1) = line.polygon[0], line.polygon[1]
        if len(line.text) >= 4 and x1 - x0 > 3 * math.dist(line.polygon[1], line.polygon[2]):
            angles.append(math.atan2(y1 - y0, x1 - x0))
    if len(angles) < 3:
        return 0.0
    angle = median(angles)
    return angle if _SMALLEST_SKEW < abs(angle) < _LARGEST_SKEW else 0.0


def _text_line(line: RecognisedLine, straighten: Callable[[float, float], tuple[float, float]]) -> TextLine:
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
