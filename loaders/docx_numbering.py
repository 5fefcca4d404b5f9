"""The numbers that Word puts before list items and headings."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from loaders.docx_text import W

_DIGITS = "〇一二三四五六七八九"
_PLACE = re.compile(r"%([1-9])")
_CHINESE = frozenset({"chineseCounting", "chineseCountingThousand", "taiwaneseCounting", "japaneseCounting"})
_ROMAN = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"))
_ROMAN_LOW = ((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))


class Numbering:
    """Counts through the numbered paragraphs of one document, in reading order."""

    def __init__(self, document: Any) -> None:
        self._abstract: dict[str, dict[int, tuple[str, str, int]]] = {}
        self._instances: dict[str, str] = {}
        self._counters: dict[str, dict[int, int]] = defaultdict(dict)
        part = next(
            (r.target_part for r in document.part.rels.values() if r.reltype.endswith("/numbering")),
            None,
        )
        if part is not None:
            self._read(part.element)

    def _read(self, root: Any) -> None:
        for abstract in root.iterchildren(f"{W}abstractNum"):
            levels: dict[int, tuple[str, str, int]] = {}
            for level in abstract.iterchildren(f"{W}lvl"):
                depth = level.get(f"{W}ilvl", "0")
                kind, text, start = (_value(level, name) for name in ("numFmt", "lvlText", "start"))
                if depth.isdigit():
                    levels[int(depth)] = (kind or "decimal", text, int(start) if start.isdigit() else 1)
            self._abstract[abstract.get(f"{W}abstractNumId", "")] = levels
        for instance in root.iterchildren(f"{W}num"):
            self._instances[instance.get(f"{W}numId", "")] = _value(instance, "abstractNumId")

    def label(self, paragraph: Any, inherited: tuple[str, str] | None) -> str:
        """The number before a paragraph, such as "2.1" or "第三条"; "-" for a bullet, "" for none."""
        own = paragraph.find(f"{W}pPr/{W}numPr")
        number, depth = inherited or ("0", "0")
        if own is not None:
            number = _value(own, "numId") or number
            depth = _value(own, "ilvl") or depth
        abstract = self._instances.get(number, "")
        levels = self._abstract.get(abstract)
        if number == "0" or not levels or not depth.isdigit() or int(depth) not in levels:
            return ""
        level = int(depth)
        counters = self._counters[abstract]
        counters[level] = counters.get(level, levels[level][2] - 1) + 1
        for deeper in [other for other in counters if other > level]:
            del counters[deeper]
        kind, text, _ = levels[level]
        if kind == "bullet":
            return "-"
        if kind == "none":
            return ""

        def fill(match: re.Match[str]) -> str:
            place = int(match.group(1)) - 1
            own_kind, _, start = levels.get(place, ("decimal", "", 1))
            return numeral(counters.get(place, start), own_kind)

        return _PLACE.sub(fill, text)


def _value(element: Any, name: str) -> str:
    child = element.find(f"{W}{name}")
    return str(child.get(f"{W}val", "")) if child is not None else ""


def numeral(value: int, kind: str) -> str:
    """A number in one of Word's number formats; decimal where the format is another."""
    if kind in _CHINESE:
        return chinese(value)
    if kind in ("ideographDigital", "japaneseDigitalTenThousand"):
        return "".join(_DIGITS[int(digit)] for digit in str(value))
    if kind in ("lowerLetter", "upperLetter") and value > 0:
        letter = chr(ord("a") + (value - 1) % 26) * ((value - 1) // 26 % 8 + 1)
        return letter.upper() if kind == "upperLetter" else letter
    if kind in ("lowerRoman", "upperRoman") and 0 < value < 4000:
        text = ""
        for size, mark in _ROMAN + _ROMAN_LOW:
            text += mark * (value // size)
            value %= size
        return text.lower() if kind == "lowerRoman" else text
    if kind == "decimalEnclosedCircle" and 0 < value <= 20:
        return chr(0x2460 + value - 1)
    return str(value)


def chinese(value: int) -> str:
    """A number from 0 to 9999 in Chinese, as it is counted: 12 is 十二, 305 is 三百零五."""
    if not 0 < value < 10_000:
        return _DIGITS[0] if value == 0 else str(value)
    text = ""
    for unit, mark in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, value = divmod(value, unit)
        if digit:
            text += _DIGITS[digit] + mark
        elif text and value and not text.endswith("零"):
            text += "零"
    return text[1:] if text.startswith("一十") else text
