"""The quantities in a text, however they are written: 5, 五, 1,000, 5万, 百分之五, 二〇二四, twelve."""

from __future__ import annotations

import re
from fractions import Fraction

_DIGITS = {c: i for i, c in enumerate("〇一二三四五六七八九")} | {"零": 0, "两": 2, "幺": 1}
_TENS = {"十": 10, "百": 100, "千": 1000}
_MYRIADS = {"万": 10**4, "亿": 10**8}
_ARABIC = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
_SCALE = re.compile(r"\s?([千百]?[万亿])")
_TEENS = "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
_ENGLISH = {word: value for value, word in enumerate(_TEENS.split(), start=2)} | {"twenty": 20, "thirty": 30}
_ENGLISH_WORD = re.compile(rf"\b(?:{'|'.join(_ENGLISH)})\b")
_CHINESE = re.compile(r"[〇零一二三四五六七八九十百千万亿两]+(?:点[〇零一二三四五六七八九]+)?")
_UNIT = (
    "天日月年岁周季时分秒元块角次倍名人位个份条项页章节款层楼室号台套件种类级档公米克吨升度瓦伏安字成折"
    "小工自季星%％"
)
_WORDS_WITH_NUMBERS = re.compile(
    r"百分之|一(?:般|些|样|致|直|定|律|旦|起|切|并|经|方面|同|次性|下|道|边|个(?!月|半))|统一|唯一|第一时间|万一|进一步|[十万]分|千万(?!元)|百[姓货]|二者|两者|三者|四周"
)

_PER_CENT = re.compile("百分之")
_COUNTED = re.compile(rf"[\d〇零一二三四五六七八九十百千万亿两.,]+(?=[{_UNIT}])")


def without_quantities(text: str) -> str:
    """The text with a blank in the place of every number that a unit follows."""
    return _COUNTED.sub(" ", text)


def quantities(text: str, *, strict: bool = False) -> set[Fraction]:
    """The values of the quantities in `text`.

    With `strict`, Chinese numerals count only where a unit follows or 百分之 stands before, so that
    the number in a word such as 统一 is none; without, every reading that may be meant counts.
    """
    found: set[Fraction] = set()
    for match in _ARABIC.finditer(text):
        value = Fraction(match[0].replace(",", ""))
        scale = _SCALE.match(text, match.end())
        if scale:
            found.add(value * _factor(scale[1]))
        if not scale or not strict:
            found.add(value)
    found |= {Fraction(_ENGLISH[word]) for word in _ENGLISH_WORD.findall(text)}
    words = _WORDS_WITH_NUMBERS if strict else _PER_CENT
    ignored = [match.span() for match in words.finditer(text)]
    for match in _CHINESE.finditer(text):
        if any(start <= match.start() < end for start, end in ignored):
            continue
        before = text[max(0, match.start() - 3) : match.start()]
        if before[-1:].isdigit():
            continue  # the 万 of 5万
        meant = text[match.end() : match.end() + 1] in _UNIT and match.end() < len(text)
        if strict and not meant and before != "百分之":
            continue
        number = chinese_number(match[0])
        if number is not None:
            found.add(number)
    return found


def chinese_number(text: str) -> Fraction | None:
    """The value of a Chinese numeral such as 一千二百, 二〇二四 or 三点五; None when it is none."""
    whole, _, decimals = text.partition("点")
    if not set(whole) & (_TENS.keys() | _MYRIADS.keys()):
        if not whole or any(c not in _DIGITS for c in whole):
            return None
        value = Fraction(int("".join(str(_DIGITS[c]) for c in whole)))
    else:
        value = _counted(whole)
    if decimals:
        value += Fraction(int("".join(str(_DIGITS[c]) for c in decimals)), 10 ** len(decimals))
    return value


def _counted(whole: str) -> Fraction:
    total = section = digit = 0
    last = 1
    for c in whole:
        if c in _DIGITS:
            digit = _DIGITS[c]
            last = 1 if c in "零〇" else last
        elif c in _TENS:
            section += (digit or 1) * _TENS[c]
            digit, last = 0, _TENS[c]
        else:
            factor = _MYRIADS[c]
            if section + digit == 0:  # the 亿 of 万亿
                total = (total or 1) * factor
            elif total < factor:
                total = (total + section + digit) * factor
            else:
                total += (section + digit) * factor
            section, digit, last = 0, 0, factor
    # 一千二 is 1200, 一万五 is 15000.
    return Fraction(total + section + digit * (last // 10 if last > 10 else 1))


def _factor(scale: str) -> int:
    factor = 1
    for c in scale:
        factor *= _TENS.get(c) or _MYRIADS[c]
    return factor
