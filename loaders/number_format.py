"""How a spreadsheet shows a value: Excel's number format codes, as far as office files use them.

The codes are those of ECMA-376 part 1, section 18.8.31. Fractions and locale calendars are
shown as plain numbers and Gregorian dates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

_TOKEN = re.compile(
    r'"[^"]*"?|\\.|!.|_.|\*.|\[[^\]]*\]|General|G/通用格式|AM/PM|A/P|上午/下午'
    r"|[Ee][+-]|[yY]+|[mM]+|[dD]+|[hH]+|[sS]+|a{3,4}|.",
    re.DOTALL,
)
_CURRENCY = re.compile(r"\[\$([^\]-]*)")
_CONDITION = re.compile(r"\[(<=|>=|<>|<|>|=)(-?[\d.]+)\]")
_ELAPSED = re.compile(r"\[([hHmMsS])+\]")
_SYSTEM_SHORT_DATE = "mm-dd-yy"
_WEEKDAYS = "一二三四五六日"


@dataclass(frozen=True, slots=True)
class _Section:
    tokens: tuple[str, ...]
    condition: tuple[str, Decimal] | None


def displayed(value: object, number_format: str = "General") -> str:
    """The text that Excel shows for `value`, a cell's value as openpyxl gives it.

    The system's short date, whose code names no order, is shown as 2024/3/5.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, float)):
        # Most cells of large sheets are of this kind.
        return _general(value) if number_format == "General" else _number(value, number_format)
    if isinstance(value, (date, time, timedelta)):
        return _moment(value, number_format)
    return str(value)


def _number(value: int | float, number_format: str) -> str:
    try:
        number = Decimal(repr(value))
    except ArithmeticError:
        return str(value)
    if not number.is_finite() or abs(number.adjusted()) > 300:
        return str(value)
    section, number, signed = _choose(_sections(number_format), number)
    shown = _fill(section.tokens, number)
    if shown is None:
        return _general(value)
    return f"-{shown}" if signed and number < 0 else shown


def _general(value: int | float) -> str:
    if isinstance(value, int) or (abs(value) < 1e15 and value.is_integer()):
        return str(int(value))
    return f"{value:.10g}"


def _choose(sections: tuple[_Section, ...], number: Decimal) -> tuple[_Section, Decimal, bool]:
    """The section for a number, the number as that section sees it, and whether to show a minus."""
    for section in sections:
        if section.condition and _holds(section.condition, number):
            return section, number, True
    if sections[0].condition:
        plain = [section for section in sections if section.condition is None]
        return (plain or list(sections))[0], number, True
    if number < 0 and len(sections) > 1:
        return sections[1], abs(number), False
    if number == 0 and len(sections) > 2:
        return sections[2], number, False
    return sections[0], number, True


def _holds(condition: tuple[str, Decimal], number: Decimal) -> bool:
    sign, bound = condition
    return {
        "<": number < bound,
        "<=": number <= bound,
        ">": number > bound,
        ">=": number >= bound,
        "=": number == bound,
        "<>": number != bound,
    }[sign]


@lru_cache(maxsize=1024)
def _sections(number_format: str) -> tuple[_Section, ...]:
    sections = []
    tokens: list[str] = []
    for code in [*_TOKEN.findall(number_format[:1000]), ";"]:
        if code == ";":
            found = next((match for match in map(_CONDITION.fullmatch, tokens) if match), None)
            condition = (found[1], Decimal(found[2])) if found and _is_number(found[2]) else None
            sections.append(_Section(tuple(tokens), condition))
            tokens = []
        else:
            tokens.append(code)
    return tuple(sections[:3]) if len(sections) > 3 else tuple(sections)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"-?\d+(\.\d*)?", text))


def _literal(code: str) -> str | None:
    """What a code shows whatever the value; None for a placeholder."""
    if code[0] == '"':
        return code.strip('"')
    if code[0] in "\\!":
        return code[1:]
    if code[0] in "_*" and len(code) > 1:
        return ""
    if code[0] == "[":
        found = _CURRENCY.match(code)
        return found[1] if found else ""
    return None


def _fill(tokens: tuple[str, ...], number: Decimal) -> str | None:
    """Put the digits into the placeholders; None where the code is General or not a number's."""
    before: list[tuple[str, str]] = []
    after: list[tuple[str, str]] = []
    part, grouped, exponent, scale = before, False, "", 0
    exponent_digits = 0
    for position, code in enumerate(tokens):
        literal = _literal(code)
        if literal is not None:
            part.append(("text", literal))
        elif code in ("General", "G/通用格式", "@") or code == "/":
            return None
        elif code in "0#?":
            if exponent:
                exponent_digits += 1
            else:
                part.append(("digit", code))
        elif code == "." and part is before:
            part = after
        elif code == ",":
            rest = tokens[position + 1 :]
            if any(kind == "digit" for kind, _ in before + after):
                if any(follower in "0#?" for follower in rest if len(follower) == 1) and part is before:
                    grouped = True
                else:
                    scale -= 3
        elif code == "%":
            scale += 2
            part.append(("text", "%"))
        elif code[0] in "Ee" and len(code) == 2:
            exponent = code
        elif code.isspace() or code in "-+()$¥€£￥:" or not code.isascii():
            part.append(("text", code))
        else:
            return None
    if not any(kind == "digit" for kind, _ in before + after):
        return "".join(text for _, text in before + after)
    number = abs(number).scaleb(scale)
    places = sum(kind == "digit" for kind, _ in after)
    power = 0
    if exponent and number:
        power = number.adjusted()
        number = number.scaleb(-power)
    whole, _, fraction = _rounded(number, places).partition(".")
    tail = _fraction(after, fraction)
    if exponent:
        tail += f"{'E-' if power < 0 else 'E+'}{abs(power):0{max(1, exponent_digits)}d}"
    return _integer(before, whole, grouped=grouped) + ("." if places else "") + tail


def _rounded(number: Decimal, places: int) -> str:
    step = Decimal(1).scaleb(-places)
    digits = number.adjusted() + places + 5
    if digits > 27:  # beyond the default precision of decimal arithmetic; such numbers have no fraction
        return f"{number:f}"
    return f"{number.quantize(step, rounding=ROUND_HALF_UP):f}"


def _integer(parts: list[tuple[str, str]], digits: str, *, grouped: bool) -> str:
    """Fill from the right; the leftmost placeholder takes all digits that are left."""
    left = "" if digits.strip("0") == "" else digits
    slots = sum(kind == "digit" for kind, _ in parts)
    shown: list[str] = []
    placed = 0
    has_digits = slots > 0
    for kind, text in reversed(parts):
        if kind == "text":
            shown.append(text)
            continue
        slots -= 1
        take = len(left) if slots == 0 else min(1, len(left))
        piece = left[len(left) - take :] if take else ("0" if text == "0" else "")
        left = left[: len(left) - take] if take else left
        for digit in reversed(piece):
            shown.append(f"{digit}," if grouped and placed and placed % 3 == 0 else digit)
            placed += 1
    return "".join(reversed(shown)) + (left if not has_digits else "")


def _fraction(parts: list[tuple[str, str]], digits: str) -> str:
    significant = len(digits.rstrip("0"))
    shown, place = [], 0
    for kind, text in parts:
        if kind == "text":
            shown.append(text)
            continue
        digit = digits[place] if place < len(digits) else "0"
        if text == "0" or place < significant:
            shown.append(digit)
        place += 1
    return "".join(shown)


def _moment(value: date | time | timedelta, number_format: str) -> str:
    if isinstance(value, timedelta):
        return _elapsed(value, number_format)
    if number_format == _SYSTEM_SHORT_DATE:
        number_format = "yyyy/m/d"
    if isinstance(value, time):
        moment = datetime.combine(date(1900, 1, 1), value)
    elif isinstance(value, datetime):
        moment = value
    else:
        moment = datetime.combine(value, time())
    tokens = _sections(number_format)[0].tokens
    twelve = any(code in ("AM/PM", "A/P", "上午/下午") for code in tokens)
    shown = [_moment_part(tokens, index, moment, twelve=twelve) for index in range(len(tokens))]
    text = "".join(shown).strip()
    return text if any(character.isdigit() for character in text) else value.isoformat()


def _moment_part(tokens: tuple[str, ...], index: int, moment: datetime, *, twelve: bool) -> str:
    code = tokens[index]
    literal = _literal(code)
    if literal is not None:
        return literal
    letter, width = code[0].lower(), len(code)
    padded = 2 if width > 1 else 1
    if code == "上午/下午":
        return "上午" if moment.hour < 12 else "下午"
    if code in ("AM/PM", "A/P"):
        return ("AM" if moment.hour < 12 else "PM")[: 2 if width > 3 else 1]
    if letter == "y":
        return f"{moment.year:04d}" if width > 2 else f"{moment.year % 100:02d}"
    if letter == "m" and _is_minute(tokens, index):
        return f"{moment.minute:0{padded}d}"
    if letter == "m":
        names = {3: "%b", 4: "%B", 5: "%b"}
        return moment.strftime(names[width]) if width in names else f"{moment.month:0{padded}d}"
    if letter == "d":
        return moment.strftime({3: "%a", 4: "%A"}[width]) if width in (3, 4) else f"{moment.day:0{padded}d}"
    if letter == "a" and width > 2:
        return ("星期" if width > 3 else "") + _WEEKDAYS[moment.weekday()]
    if letter == "h":
        hour = (moment.hour % 12 or 12) if twelve else moment.hour
        return f"{hour:0{padded}d}"
    if letter == "s":
        return f"{moment.second:0{padded}d}"
    return "" if letter in "0#?@" else code


def _is_minute(tokens: tuple[str, ...], index: int) -> bool:
    """`m` counts minutes after hours or before seconds, and months elsewhere."""
    units = re.compile(r"\[?([yYdDhHsS])")
    before = next((m[1] for code in reversed(tokens[:index]) if (m := units.match(code))), "")
    after = next((m[1] for code in tokens[index + 1 :] if (m := units.match(code))), "")
    return before.lower() == "h" or after.lower() == "s"


def _elapsed(value: timedelta, number_format: str) -> str:
    seconds = round(value.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    found = _ELAPSED.search(number_format)
    unit = found[1].lower() if found else "h"
    if unit == "m":
        return f"{sign}{seconds // 60}:{rest:02d}"
    if unit == "s":
        return f"{sign}{seconds}"
    return f"{sign}{hours}:{minutes:02d}" + (f":{rest:02d}" if "s" in number_format.lower() or rest else "")
