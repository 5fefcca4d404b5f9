"""Whether a PDF page's text layer is good enough, and which of its pictures are worth reading."""

from __future__ import annotations

from loaders.pdf_text import PageContent, Picture

_GARBLED_SHARE = 0.15
_COVERING = 0.75
_POOR_CHARACTERS = 50
_DRAWN_TEXT_PATHS = 60
_SMALLEST_SHARE = 0.025
_SMALLEST_SIDE = 30.0
_SMALLEST_PIXELS = (60, 24)


def garbled(content: PageContent) -> bool:
    """Whether too many characters of the text layer mean nothing."""
    return content.bad_characters >= 2 and content.bad_characters > _GARBLED_SHARE * content.characters


def wants_ocr(content: PageContent) -> bool:
    """Whether the whole page has to be recognised, because its text layer is missing or no good."""
    if garbled(content):
        return True
    if content.characters == 0:
        share = sum((p.x1 - p.x0) * (p.y1 - p.y0) for p in content.pictures) / (
            content.width * content.height
        )
        # Text may also be drawn as outlines.
        return share >= 0.01 or content.paths >= _DRAWN_TEXT_PATHS
    return content.covered() >= _COVERING and content.characters < _POOR_CHARACTERS


def pictures_to_read(content: PageContent) -> list[Picture]:
    """The pictures on a page of good text that are large enough to hold text of their own."""
    page = content.width * content.height
    found = []
    for picture in content.pictures:
        width, height = picture.x1 - picture.x0, picture.y1 - picture.y0
        share = width * height / page
        if share < _SMALLEST_SHARE or min(width, height) < _SMALLEST_SIDE:
            continue
        if max(picture.pixels) < _SMALLEST_PIXELS[0] or min(picture.pixels) < _SMALLEST_PIXELS[1]:
            continue
        over = sum(
            picture.x0 <= (line.x0 + line.x1) / 2 <= picture.x1 and picture.y0 <= line.middle <= picture.y1
            for line in content.lines
        )
        # Text of the layer on top of a picture: a background, or a scan with its text behind it.
        if (share > 0.9 and over) or over > 2:
            continue
        found.append(picture)
    return found
