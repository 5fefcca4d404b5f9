"""Text and styles of WordprocessingML elements."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from loaders.cleaning import clean

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
V = "{urn:schemas-microsoft-com:vml}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"

_HEADING = re.compile(r"(?:heading|标题|標題|titre|überschrift)\s*(?P<level>[1-9])", re.IGNORECASE)
_TITLE = re.compile(r"title|标题|標題|文档标题", re.IGNORECASE)
_SKIPPED = frozenset(
    {f"{W}del", f"{W}moveFrom", f"{W}rPr", f"{W}pPr", f"{W}txbxContent", f"{MC}Fallback", f"{W}instrText"}
)
_OFF = ("0", "false", "off")
_DEEPEST = 60


def paragraph_text(element: Any) -> str:
    """The text of a paragraph as it reads: insertions in; deletions, hidden text, field codes, boxes out."""
    parts: list[str] = []
    _collect(element, parts, 0)
    return re.sub(r"[ \t\u00a0]+", " ", clean("".join(parts))).strip()


def _collect(element: Any, parts: list[str], depth: int) -> None:
    if depth > _DEEPEST:
        return
    for child in element.iterchildren():
        tag = child.tag
        if tag in (f"{W}t", f"{_M}t"):
            parts.append(child.text or "")
        elif tag == f"{W}tab":
            parts.append(" ")
        elif tag in (f"{W}br", f"{W}cr"):
            parts.append("\n")
        elif tag == f"{W}noBreakHyphen":
            parts.append("-")
        elif tag not in _SKIPPED and isinstance(tag, str) and not _is_hidden(child):
            _collect(child, parts, depth + 1)


def _is_hidden(run: Any) -> bool:
    """Whether a run is formatted as hidden, so that Word neither shows nor prints it."""
    return _is_on(run.find(f"{W}rPr/{W}vanish"))


def is_bold(paragraph: Any) -> bool:
    """Whether all text of a paragraph was made bold by hand."""
    runs = [run for run in paragraph.iter(f"{W}r") if run.find(f"{W}t") is not None]
    return bool(runs) and all(_is_on(run.find(f"{W}rPr/{W}b")) for run in runs)


def is_centred(paragraph: Any) -> bool:
    """Whether a paragraph was put in the middle by hand."""
    place = paragraph.find(f"{W}pPr/{W}jc")
    return place is not None and place.get(f"{W}val") == "center"


def _is_on(switch: Any) -> bool:
    return switch is not None and switch.get(f"{W}val") not in _OFF


def text_boxes(element: Any) -> Iterator[Any]:
    """The contents of the text boxes anchored in a paragraph, each once."""
    for box in element.iter(f"{W}txbxContent"):
        parents = [parent.tag for parent in box.iterancestors()]
        inner = parents[: parents.index(element.tag)] if element.tag in parents else parents
        if f"{MC}Fallback" not in inner and f"{W}txbxContent" not in inner:
            yield box


@dataclass(frozen=True, slots=True)
class Style:
    """What a paragraph's style says: heading level (0 for none), numbering as (id, level)."""

    level: int = 0
    numbering: tuple[str, str] | None = None


class Styles:
    """The styles of one document, with what they inherit."""

    def __init__(self, document: Any) -> None:
        self._elements = {
            style.get(f"{W}styleId"): style
            for style in document.styles.element.iterchildren(f"{W}style")
            if style.get(f"{W}type") in (None, "paragraph")
        }
        self._cache: dict[str, Style] = {}
        body = document.element.body
        used = {found.get(f"{W}val") for found in body.iter(f"{W}pStyle")}
        # A title stands above the headings of the first level.
        self._shift = 1 if any(self._is_title(style) for style in used) else 0
        self.deepest = max((self._named(style).level for style in used if style), default=0)
        """The deepest level that a style gives to a heading of this document, 0 for none."""

    def of(self, paragraph: Any) -> Style:
        """The style of a paragraph, with its own outline level before that of the style."""
        properties = paragraph.find(f"{W}pPr")
        if properties is None:
            return Style()
        named = properties.find(f"{W}pStyle")
        style = self._named(named.get(f"{W}val")) if named is not None else Style()
        outline = properties.find(f"{W}outlineLvl")
        if outline is not None and not style.level:
            return Style(self._outline_level(outline), style.numbering)
        return style

    def _named(self, name: str) -> Style:
        if name not in self._cache:
            self._cache[name] = self._resolve(name)
        return self._cache[name]

    def _resolve(self, name: str) -> Style:
        level = 0
        numbering = None
        if self._is_title(name):
            return Style(1)
        for element in self._chain(name):
            label = element.find(f"{W}name")
            match = _HEADING.fullmatch(label.get(f"{W}val", "")) if label is not None else None
            outline = element.find(f"{W}pPr/{W}outlineLvl")
            if not level and match:
                level = int(match["level"]) + self._shift
            elif not level and outline is not None:
                level = self._outline_level(outline)
            number = element.find(f"{W}pPr/{W}numPr/{W}numId")
            if numbering is None and number is not None:
                depth = element.find(f"{W}pPr/{W}numPr/{W}ilvl")
                numbering = (
                    number.get(f"{W}val", "0"),
                    depth.get(f"{W}val", "0") if depth is not None else "0",
                )
        return Style(level, numbering)

    def _chain(self, name: str) -> Iterator[Any]:
        """A style and those it is based on."""
        seen: set[str] = set()
        while name in self._elements and name not in seen:
            seen.add(name)
            element = self._elements[name]
            yield element
            base = element.find(f"{W}basedOn")
            name = base.get(f"{W}val", "") if base is not None else ""

    def _is_title(self, name: str | None) -> bool:
        element = self._elements.get(name)
        label = element.find(f"{W}name") if element is not None else None
        return label is not None and _TITLE.fullmatch(label.get(f"{W}val", "")) is not None

    def _outline_level(self, outline: Any) -> int:
        value = outline.get(f"{W}val", "9")
        return int(value) + 1 + self._shift if value.isdigit() and int(value) < 9 else 0
