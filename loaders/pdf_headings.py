"""Which lines of a PDF are headings: by bookmarks, by font size, by how they begin."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from loaders.cleaning import CJK, squeeze
from loaders.layout import TextLine
from loaders.text import heading_level

_WORDS = re.compile(rf"[A-Za-z{CJK}]{{2}}")
_LEADER = re.compile(r"[.．…·]{3,}|(\s\.){3,}|\s…\s")
_NOTED = re.compile(r"[0-9][*＊†‡]|\w[*＊†‡](?=[,，、;；]|$)")
"""Behind a name in a line of authors, which is larger than the text, for their addresses below."""
_INNER = re.compile("[，。；、！？]")
_NUMBERED = re.compile(r"(?P<number>[0-9]{1,2}(\.[0-9]{1,2}){0,3})\.?[\s\u3000]+\S")
_ROMAN = re.compile(r"[IVX]{1,5}\.\s?[A-Z][A-Z\s,&-]{3,}$")
_LARGER = 1.12
_SMALLER = 0.85
_LONGEST = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """An entry of the outline: its title, depth from 1, and page from 1."""

    title: str
    level: int
    page: int


class HeadingStyle:
    """The font sizes of a document, learnt from some of its pages."""

    def __init__(self, lines: Iterable[TextLine]) -> None:
        sizes: Counter[float] = Counter()
        bold = total = 0
        for line in lines:
            sizes[_round(line.size)] += len(line.text)
            total += len(line.text)
            bold += len(line.text) if line.bold else 0
        self.body = max(sizes, key=lambda size: (sizes[size], -size)) if sizes else 10.0
        # Only what is rare is a heading; a size that fills pages is another body.
        larger = [s for s in sizes if s > _LARGER * self.body and sizes[s] < 0.3 * total]
        self._levels = _cluster(sorted(larger, reverse=True))
        self._bold_counts = bold < 0.3 * total

    def level(self, text: str, size: float, bold: bool) -> int:
        """The level of a heading, 1 to 6, or 0 for other text."""
        if (
            len(text) > _LONGEST
            or not _WORDS.search(text)
            or _LEADER.search(text)
            or _NOTED.search(text)
            or text[-1] in "，。；、,;"
        ):
            return 0
        rounded = _round(size)
        if rounded > _LARGER * self.body:
            for level, least in enumerate(self._levels, 1):
                if rounded >= least:
                    return level
        start = heading_level(text)
        below = len(self._levels)
        if 0 < start <= 3 and len(text) <= 25 and not _INNER.search(text):
            return min(6, below + start)
        if _ROMAN.match(text):
            return min(6, below + 2)
        if bold and self._bold_counts and rounded > _SMALLER * self.body and not _INNER.search(text):
            number = _NUMBERED.match(text)
            depth = number["number"].count(".") + 1 if number else start or 2
            return min(6, below + depth)
        return 0


def _width(text: str) -> int:
    return sum(2 if c > "\u2e7f" else 1 for c in text)


def _round(size: float) -> float:
    return round(size * 2) / 2


def _cluster(sizes: Sequence[float]) -> list[float]:
    """The smallest size of each of up to four levels; sizes within a point are one level."""
    levels: list[float] = []
    for size in sizes:
        if levels and levels[-1] - size <= 0.75:
            levels[-1] = size
        elif len(levels) < 4:
            levels.append(size)
    return levels


def titles_by_page(bookmarks: Sequence[Bookmark]) -> Mapping[int, Mapping[str, int]]:
    """For each page the titles that begin on it, squeezed, with their levels."""
    found: dict[int, dict[str, int]] = {}
    for mark in bookmarks:
        found.setdefault(mark.page, {})[squeeze(mark.title)] = min(6, mark.level)
    return found


def path_at(bookmarks: Sequence[Bookmark], page: int) -> tuple[str, ...]:
    """The titles above the text of a page, outermost first: of the last bookmark up to it."""
    path: list[tuple[int, str]] = []
    for mark in bookmarks:
        if mark.page > page:
            break
        path = [item for item in path if item[0] < mark.level]
        path.append((mark.level, mark.title))
    return tuple(title for _, title in path)
