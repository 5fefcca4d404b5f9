"""Whether a PDF page's text layer is good enough, and which of its pictures are worth reading."""

from __future__ import annotations

import re

from loaders.pdf_drawing import Picture
from loaders.pdf_text import DRAWN_TEXT_PATHS, PageContent

_CHINESE = re.compile("[\u4e00-\u9fff]")
_ACCENTED = re.compile("[\u00a1-\u00ff]")
_SIGN = re.compile(r"[^\w\s，。、；：！？“”‘’（）《》—…·.,;:!?'\"()/%-]")
_LEAST_CHINESE = 20
_COMMON_SHARE = 0.6
_ACCENTED_SHARE = 0.4
_SIGN_SHARE = 0.3
_GARBLED_SHARE = 0.15
_COVERING = 0.75
_POOR_CHARACTERS = 50
_SMALLEST_SHARE = 0.025
_SMALLEST_SIDE = 30.0
_SMALLEST_PIXELS = (60, 24)


def garbled(content: PageContent) -> bool:
    """Whether the text layer means nothing, or too many of its characters."""
    if content.bad_characters >= 2 and content.bad_characters > _GARBLED_SHARE * content.characters:
        return True
    return _implausible("".join(line.text for line in content.lines), scanned=content.covered() >= _COVERING)


def _implausible(text: str, *, scanned: bool) -> bool:
    """Whether valid characters make no text: from a wrong ToUnicode map, a wrong encoding, or behind
    a scan by a recogniser of another language."""
    if len(text) < _LEAST_CHINESE:
        return False
    if len(_ACCENTED.findall(text)) > _ACCENTED_SHARE * len(text):
        return True  # Chinese bytes taken for Latin letters
    chinese = _CHINESE.findall(text)
    if len(chinese) >= _LEAST_CHINESE and sum(map(_is_common, chinese)) < _COMMON_SHARE * len(chinese):
        return True
    return scanned and len(_SIGN.findall(text)) > _SIGN_SHARE * len(text)


def _is_common(character: str) -> bool:
    """Whether the first level of GB 2312 or of Big5 holds the character, as nearly all of any text.

    Of all Chinese characters of Unicode they hold a third, so that those of a wrong map stand out.
    """
    for encoding, last in (("gb2312", b"\xd7\xf9"), ("big5", b"\xc6\x7e")):
        try:
            if character.encode(encoding) <= last:
                return True
        except UnicodeEncodeError:
            continue
    return False


def wants_ocr(content: PageContent) -> bool:
    """Whether the whole page has to be recognised, because its text layer is missing or no good."""
    if garbled(content):
        return True
    if content.characters == 0:
        share = sum((p.x1 - p.x0) * (p.y1 - p.y0) for p in content.pictures) / (
            content.width * content.height
        )
        # Text may also be drawn as outlines.
        return share >= 0.01 or content.paths >= DRAWN_TEXT_PATHS
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
