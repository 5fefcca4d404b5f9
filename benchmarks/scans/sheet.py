"""A sheet of paper that text is set on, and what was set on it."""

from __future__ import annotations

from PIL import Image, ImageDraw

from benchmarks.scans.faces import Face

PAGE = (595.0, 842.0)
"""A4 in points."""
MARGIN = 62.0
PAPER, INK = (252, 251, 248), (22, 22, 26)
_HANGING = "，。、；：！？）》」』”’％%,.;:!?)"
_UPRIGHT_CORNER = "，。、"
_TURNED = "（）《》「」『』—…：()~-"


class Sheet:
    """Draws in points from the top left corner; `texts` holds what was drawn, in reading order."""

    def __init__(self, face: Face, *, size: float, dpi: int) -> None:
        self.size = size
        self.texts: list[str] = []
        self._face = face
        self._scale = dpi / 72
        width, height = (round(side * self._scale) for side in PAGE)
        self.image = Image.new("RGB", (width, height), PAPER)
        self._pen = ImageDraw.Draw(self.image)

    def write(self, x: float, y: float, text: str, *, size: float | None = None) -> float:
        """Draw one line whose top is `y`, and return its width."""
        font = self._face.font(round((size or self.size) * self._scale))
        self._pen.text((x * self._scale, y * self._scale), text, font=font, fill=INK)
        self.texts.append(text)
        return font.getlength(text) / self._scale

    def width(self, text: str, size: float | None = None) -> float:
        """The width of a line."""
        return self._face.font(round((size or self.size) * self._scale)).getlength(text) / self._scale

    def wrap(self, text: str, room: float, *, indent: bool = True) -> list[str]:
        """The lines of a paragraph; a closing mark hangs over the edge, and words are not cut."""
        lines = ["　　" if indent else ""]
        for word in _words(text):
            if self.width(lines[-1] + word) > room and word not in _HANGING and lines[-1].strip():
                lines.append("")
                word = word.lstrip(" ")
            lines[-1] += word
        return [line for line in lines if line.strip()]

    def paragraph(self, x: float, y: float, room: float, text: str) -> float:
        """Draw a paragraph and return the height below it."""
        for line in self.wrap(text, room):
            indent = self.size * (len(line) - len(line.lstrip("　")))
            self.write(x + indent, y, line.strip())
            y += 1.65 * self.size
        return y + 0.3 * self.size

    def column(self, x: float, y: float, text: str) -> None:
        """Draw one column of vertical text from the top."""
        font = self._face.font(round(self.size * self._scale))
        side = round(self.size * self._scale)
        for character in text:
            cell = Image.new("L", (side, round(1.3 * side)))
            ImageDraw.Draw(cell).text((0, 0), character, font=font, fill=255)
            if character in _TURNED:
                cell = cell.rotate(-90, expand=True)
            corner = 0.55 * side if character in _UPRIGHT_CORNER else 0.0
            place = (round(x * self._scale + corner), round(y * self._scale - corner))
            self.image.paste(INK, place, cell)
            y += 1.08 * self.size
        self.texts.append(text)

    def rule(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Draw a straight line."""
        ends = tuple(value * self._scale for value in (x0, y0, x1, y1))
        self._pen.line(ends, fill=INK, width=max(1, round(0.6 * self._scale)))


def _words(text: str) -> list[str]:
    """Characters, and runs of Latin letters and digits as one."""
    words: list[str] = []
    for character in text:
        joins = character.isascii() and not character.isspace()
        if joins and words and words[-1][-1].isascii() and not words[-1][-1].isspace():
            words[-1] += character
        else:
            words.append(character)
    # A run longer than half a line is cut anywhere, as addresses are.
    return [piece for word in words for piece in ([word] if len(word) <= 24 else list(word))]
