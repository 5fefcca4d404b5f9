"""Text in the pictures of slides."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from io import BytesIO

from loaders.base import LoadOptions
from loaders.document import Block, Problem
from loaders.image import open_image, to_rgb
from loaders.ocr_pages import OcrResult, move_block, read_picture
from loaders.paragraphs import PageFrame

_SMALLEST = 24  # pixels; icons hold no text


class SlidePictures:
    """Reads the pictures of one file; one that is repeated, such as a logo, is recognised once."""

    def __init__(self, options: LoadOptions) -> None:
        self._options = options
        self._known: dict[bytes, OcrResult] = {}

    def read(
        self, data: bytes, frame: PageFrame, rectangle: tuple[float, float, float, float]
    ) -> tuple[tuple[Block, ...], tuple[Problem, ...]] | None:
        """The text of a picture that stands in `rectangle`, in units of `frame`, and its problems.

        None without an OCR engine. Raises `LimitExceededError` for a picture that is too large
        and `DamagedFileError` for one that cannot be decoded.
        """
        if self._options.ocr is None:
            return None
        key = hashlib.sha256(data).digest()
        if key not in self._known:
            with open_image(BytesIO(data)) as image:
                self._options.check_pixels(*image.size)
                small = min(image.size) < _SMALLEST
                empty = OcrResult((), None)
                result = empty if small else read_picture(to_rgb(image), self._options.ocr, page=frame.number)
            self._known[key] = result
        found = self._known[key]
        x0, y0, x1, y1 = rectangle

        def place(x: float, y: float) -> tuple[float, float]:
            return (x0 + x * (x1 - x0)) / frame.width, (y0 + y * (y1 - y0)) / frame.height

        blocks = []
        for block in found.blocks:
            moved = move_block(block, frame.number, place)
            # Large print in a picture is no heading of the slide.
            blocks.append(replace(moved, kind="paragraph", level=0) if moved.kind == "heading" else moved)
        return tuple(blocks), found.problems(frame.number)
