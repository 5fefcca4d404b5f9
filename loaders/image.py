"""Pictures: PNG, JPEG, BMP, TIFF with its pages, WebP."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loaders.base import Loader, LoadOptions
from loaders.document import Page, Problem
from loaders.errors import DamagedFileError, LimitExceededError
from loaders.ocr_pages import read_picture
from loaders.signatures import signature

if TYPE_CHECKING:
    import numpy as np

_KINDS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")


class ImageLoader(Loader):
    """The text that is recognised in a picture; each picture of a TIFF file is a page."""

    format = "image"
    suffixes = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
    media_type = "image/*"

    def recognises(self, head: bytes, path: Path, name: str) -> bool:  # noqa: ARG002
        """Whether the file begins like a picture."""
        return signature(head) in ("png", "jpeg", "bmp", "tiff", "webp")

    def pages(self, path: Path, options: LoadOptions) -> Iterator[Page]:
        """One page, or one for each picture of a TIFF file."""
        with open_image(path) as image:
            total = int(getattr(image, "n_frames", 1)) if image.format == "TIFF" else 1
            options.check_pages(total)
            for number in range(options.first_page, total + 1):
                options.check_cancelled()
                page = self._read(image, number, total, options)
                options.page_done(number, total)
                yield page

    def _read(self, image: Any, number: int, total: int, options: LoadOptions) -> Page:
        if total > 1:
            try:
                image.seek(number - 1)
            except (OSError, EOFError, ValueError, SyntaxError) as error:
                return Page(
                    number, problems=(Problem("damaged_page", f"The page cannot be read: {error}", number),)
                )
        try:
            options.check_pixels(*image.size)
            pixels = to_rgb(image)
        except LimitExceededError as error:
            if total == 1:
                raise
            return Page(number, problems=(Problem.caused("unreadable_picture", error, number),))
        except Exception as error:
            if total == 1:
                raise DamagedFileError(f"The picture cannot be read: {error}", format=self.format) from error
            return Page(
                number, problems=(Problem("damaged_page", f"The page cannot be read: {error}", number),)
            )
        if options.ocr is None:
            return Page(
                number, problems=(Problem("needs_ocr", "The page is a picture; it needs OCR.", number),)
            )
        result = read_picture(pixels, options.ocr, page=number)
        return Page(number, result.blocks, result.problems(number))


@contextmanager
def open_image(source: Any) -> Iterator[Any]:
    """Open a picture without decoding it, however large: callers check its pixels.

    Raises `DamagedFileError`.
    """
    from PIL import Image, UnidentifiedImageError

    # Pillow's own limit is not in our settings, and its error does not say what to change.
    Image.MAX_IMAGE_PIXELS = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(source, formats=_KINDS)
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
            raise DamagedFileError("The picture cannot be opened.", format="image") from error
    try:
        yield image
    finally:
        image.close()


def to_rgb(image: Any) -> np.ndarray:
    """Decode the picture upright, on white where it is transparent: (height, width, 3), uint8."""
    import numpy as np
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I;16") or upright.mode in ("I", "F"):
            values = np.asarray(upright, dtype=np.float32)
            low, high = float(values.min()), float(values.max())
            upright = Image.fromarray(((values - low) * (255 / max(1.0, high - low))).astype(np.uint8))
        if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
            layer = upright.convert("RGBA")
            upright = Image.new("RGBA", layer.size, "white")
            upright.alpha_composite(layer)
        return np.asarray(upright.convert("RGB"))
