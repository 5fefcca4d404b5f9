"""Pages of a PDF drawn for recognition, and the pictures on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from loaders.pdf_drawing import Picture
from loaders.pdf_text import PDFIUM_LOCK, PageContent

if TYPE_CHECKING:
    import numpy as np

_DPI = 200
_MOST_PIXELS = 20_000_000

_Rectangle = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels."""


class PageRenderer:
    """Draws pages of an open document at 200 dpi, or less where they would have too many pixels."""

    def __init__(self, document: Any, *, most_pixels: int) -> None:
        self._document = document
        self._most_pixels = min(_MOST_PIXELS, most_pixels)

    def page(self, number: int, content: PageContent) -> np.ndarray:
        """A page in RGB, of shape (height, width, 3), uint8."""
        width, height = self._size(content)
        return self._draw(number, content, (0, 0, width, height))

    def pictures(self, number: int, content: PageContent, pictures: Sequence[Picture]) -> list[np.ndarray]:
        """Some pictures of a page as they look there, each like `page`."""
        places = [self._place(picture, content) for picture in pictures]
        # The rectangle around all of them: for each alone pdfium would go through the page anew.
        left, top = (min(place[side] for place in places) for side in (0, 1))
        right, bottom = (max(place[side] for place in places) for side in (2, 3))
        image = self._draw(number, content, (left, top, max(right, left + 1), max(bottom, top + 1)))
        return [image[y0 - top : y1 - top, x0 - left : x1 - left] for x0, y0, x1, y1 in places]

    def _scale(self, content: PageContent) -> float:
        """Pixels to a point."""
        return min(_DPI / 72, math.sqrt(self._most_pixels / (content.width * content.height)))

    def _size(self, content: PageContent) -> tuple[int, int]:
        """Width and height of the page in pixels, as pdfium rounds them."""
        scale = self._scale(content)
        return math.ceil(content.width * scale), math.ceil(content.height * scale)

    def _place(self, picture: Picture, content: PageContent) -> _Rectangle:
        width, height = self._size(content)
        x0, x1 = (int(x / content.width * width) for x in (picture.x0, picture.x1))
        y0, y1 = (int(y / content.height * height) for y in (picture.y0, picture.y1))
        return x0, y0, x1, y1

    def _draw(self, number: int, content: PageContent, part: _Rectangle) -> np.ndarray:
        scale = self._scale(content)
        (width, height), (left, top, right, bottom) = self._size(content), part
        # pdfium's order; it rounds each up to a whole pixel.
        cut = tuple(max(0.0, side - 0.5) / scale for side in (left, height - bottom, width - right, top))
        with PDFIUM_LOCK:
            page = self._document[number - 1]
            try:
                bitmap = page.render(scale=scale, crop=cut, rev_byteorder=True, prefer_bgrx=False)
                try:
                    image: np.ndarray = bitmap.to_numpy()[:, :, :3].copy()
                finally:
                    bitmap.close()
            finally:
                page.close()
        return image
