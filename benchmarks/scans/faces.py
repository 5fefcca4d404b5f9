"""Fonts to set scans in, of which Debian has packages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont


@dataclass(frozen=True, slots=True)
class Face:
    """A face in a font file, and the package that brings the file."""

    name: str
    path: str
    index: int
    package: str

    def font(self, pixels: int) -> ImageFont.FreeTypeFont:
        """The face at a size in pixels."""
        return _font(self.path, self.index, pixels)

    def covers(self, text: str) -> bool:
        """Whether the face draws every character of the text."""
        return all(_draws(self.path, self.index, character) for character in set(text) if character != " ")


FACES = (
    Face("Noto Serif", "/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc", 2, "fonts-noto-cjk"),
    Face("Noto Sans", "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 2, "fonts-noto-cjk"),
    Face("Zen Hei", "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc", 0, "fonts-wqy-zenhei"),
    Face("Micro Hei", "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc", 0, "fonts-wqy-microhei"),
    Face("UMing", "/usr/share/fonts/truetype/arphic/uming.ttc", 0, "fonts-arphic-uming"),
    Face("UKai", "/usr/share/fonts/truetype/arphic/ukai.ttc", 0, "fonts-arphic-ukai"),
)


def missing_packages() -> list[str]:
    """The packages to install so that every face is there."""
    return sorted({face.package for face in FACES if not Path(face.path).is_file()})


@lru_cache(maxsize=64)
def _font(path: str, index: int, pixels: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, pixels, index=index)


@lru_cache(maxsize=20_000)
def _draws(path: str, index: int, character: str) -> bool:
    font = _font(path, index, 20)
    return bytes(font.getmask(character)) != bytes(font.getmask("\U000fffff"))
