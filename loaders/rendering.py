"""Pictures of pages, for showing where a citation stands."""

from __future__ import annotations

import io
from pathlib import Path

from loaders.errors import DamagedFileError, PageNotFoundError, UnsupportedFormatError
from loaders.image import open_image, to_rgb

RENDERED_FORMATS = frozenset({"pdf", "image"})
_MOST_PIXELS = 20_000_000


def render_page(path: Path, format: str, page: int, *, width: int = 1000) -> bytes:
    """A PNG of a page (from 1), `width` pixels wide, less where it would have too many pixels.

    Raises `UnsupportedFormatError` for formats without pages to look at, `PageNotFoundError`,
    and `DamagedFileError`.
    """
    if format == "pdf":
        return _render_pdf(path, page, width)
    if format == "image":
        return _render_image(path, page, width)
    raise UnsupportedFormatError(f"Pages of {format} files cannot be shown.", format=format)


def _render_pdf(path: Path, number: int, width: int) -> bytes:
    import pypdfium2 as pdfium

    from loaders.pdf_text import PDFIUM_LOCK

    try:
        with PDFIUM_LOCK:
            document = pdfium.PdfDocument(path)
            try:
                if not 1 <= number <= len(document):
                    raise PageNotFoundError(f"There is no page {number}.", page=number, pages=len(document))
                page = document[number - 1]
                across, down = page.get_size()
                scale = min(width / max(1.0, across), (_MOST_PIXELS / max(1.0, across * down)) ** 0.5)
                bitmap = page.render(scale=scale)
                image = bitmap.to_pil().copy()
                bitmap.close()
                page.close()
            finally:
                document.close()
    except pdfium.PdfiumError as error:
        raise DamagedFileError(
            f"Page {number} cannot be shown: {error}", format="pdf", page=number
        ) from error
    return _png(image)


def _render_image(path: Path, number: int, width: int) -> bytes:
    from PIL import Image

    with open_image(path) as image:
        pages = int(getattr(image, "n_frames", 1)) if image.format == "TIFF" else 1
        if not 1 <= number <= pages:
            raise PageNotFoundError(f"There is no page {number}.", page=number, pages=pages)
        try:
            image.seek(number - 1)
            upright = Image.fromarray(to_rgb(image))
        except (OSError, EOFError, ValueError, SyntaxError) as error:
            raise DamagedFileError(
                f"Page {number} cannot be shown: {error}", format="image", page=number
            ) from error
    across, down = upright.size
    scale = min(width / across, (_MOST_PIXELS / (across * down)) ** 0.5)
    return _png(upright.resize((max(1, round(across * scale)), max(1, round(down * scale)))))


def _png(image: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")  # type: ignore[attr-defined]
    return buffer.getvalue()
