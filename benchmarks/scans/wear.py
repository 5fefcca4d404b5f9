"""What copying, stamping and scanning do to a page."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.scans.faces import Face

PAPER = (252, 251, 248)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wear:
    """How bad a scan is. `turn` is a quarter turn in degrees, `blur` in points."""

    skew: float = 0.0
    turn: int = 0
    blur: float = 0.0
    noise: float = 0.0
    shade: float = 0.0
    specks: int = 0
    quality: int = 92

    def apply(self, page: Image.Image, dpi: int, random: np.random.Generator) -> Image.Image:
        """The page as it comes from the scanner."""
        if self.skew:
            page = page.rotate(self.skew, Image.Resampling.BICUBIC, fillcolor=PAPER)
        if self.blur:
            page = page.filter(ImageFilter.GaussianBlur(self.blur * dpi / 72))
        pixels = np.asarray(page).astype(np.float32)
        height, width = pixels.shape[:2]
        if self.shade:
            # Darker towards one edge, as beside a book's fold.
            pixels *= 1 - self.shade * np.linspace(0, 1, width)[None, :, None] ** 2
        if self.noise:
            pixels += random.normal(0, self.noise, (height, width, 1))
        for _ in range(self.specks):
            y, x = int(random.integers(height - 3)), int(random.integers(width - 3))
            pixels[y : y + 2, x : x + 2] = random.integers(40, 160)
        scanned = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        jpeg = io.BytesIO()
        scanned.save(jpeg, "JPEG", quality=self.quality)
        jpeg.seek(0)
        return Image.open(jpeg).convert("RGB").rotate(self.turn, expand=True)


def stamp(page: Image.Image, face: Face, dpi: int, place: tuple[float, float]) -> None:
    """Press a round red seal with a star on the page, its centre at a share of width and height."""
    side = round(1.6 * dpi)
    seal = Image.new("RGBA", (side, side))
    pen = ImageDraw.Draw(seal)
    red = (205, 30, 38, 150)
    pen.ellipse((4, 4, side - 4, side - 4), outline=red, width=max(3, side // 45))
    middle = side / 2
    points = [
        (middle + r * side * math.sin(k * math.pi / 5), middle - r * side * math.cos(k * math.pi / 5))
        for k, r in enumerate([0.14, 0.055] * 5)
    ]
    pen.polygon(points, fill=red)
    name = "云杉示例科技有限公司"
    for number, character in enumerate(name):
        glyph = Image.new("RGBA", seal.size)
        font = face.font(round(0.105 * side))
        ImageDraw.Draw(glyph).text((middle, 0.13 * side), character, font=font, fill=red, anchor="mm")
        seal.alpha_composite(glyph.rotate(115 - 230 * number / (len(name) - 1), Image.Resampling.BICUBIC))
    x, y = round(place[0] * page.width - middle), round(place[1] * page.height - middle)
    page.paste(seal, (x, y), seal)
