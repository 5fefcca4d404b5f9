"""Removal of characters that carry no text, and joining of lines that a page broke."""

from __future__ import annotations

import re
import unicodedata

# Controls, zero-width characters, byte order marks, soft hyphens and lone surrogates (which
# cannot be stored as UTF-8).
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060\ufeff\ud800-\udfff]"
)
_SPACES = re.compile("[ \t\u00a0\u2000-\u200a\u3000]+")
_HYPHEN = re.compile(r"[A-Za-z]-$")

CJK = (
    "\u2e80-\u2fdf\u3000-\u30ff\u31c0-\u31ef\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\ufe30-\ufe4f"
    "\uff00-\uffef\U00020000-\U0003134f"
)
"""Chinese characters and full-width punctuation, for use inside a regular expression's brackets."""

_CJK_CHAR = re.compile(f"[{CJK}“”‘’—…]")


def clean(text: str) -> str:
    """Drop invisible characters and make line ends `\\n`."""
    return _INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0b", "\n"))


def clean_line(text: str) -> str:
    """Like `clean` for text of one line: runs of white space become one space."""
    if text.isalnum():  # as most cells of tables are: nothing to drop, no space
        return text
    return _SPACES.sub(" ", clean(text).replace("\n", " ")).strip()


def glue(before: str, after: str) -> tuple[int, str]:
    """How two lines of one paragraph join: characters to drop from the end of `before`, and the joint.

    Chinese lines join without a space, a word hyphenated at the line's end is made whole, other
    lines join with one space.
    """
    if not before or not after:
        return 0, ""
    if _HYPHEN.search(before) and after[0].islower():
        return 1, ""
    if _CJK_CHAR.match(before[-1]) or _CJK_CHAR.match(after[0]):
        return 0, ""
    return (0, "") if before[-1] in "-/" and after[0].isalnum() else (0, " ")


# Radicals that PDF producers put for the characters they look like and that NFKC leaves alone.
_RADICALS = str.maketrans(
    "⺠⺟⻄⻅⻆⻉⻋⻑⻓⻔⻘⻚⻛⻜⻝⻢⻤⻥⻦⻩⻬⻮⻰⻨⻪⻧⻣⺝⺮⻁",
    "民母西见角贝车長长门青页风飞食马鬼鱼鸟黄齐齿龙麦黾卤骨月竹虎",
)
_COMPATIBLE = re.compile("[\u2f00-\u2fdf\uf900-\ufaff\ufb00-\ufb06]")


def unify(text: str) -> str:
    """Replace radicals, compatibility ideographs and ligatures by the characters they stand for."""
    if _COMPATIBLE.search(text):
        text = _COMPATIBLE.sub(lambda match: unicodedata.normalize("NFKC", match.group()), text)
    return text.translate(_RADICALS)


def squeeze(title: str) -> str:
    """A title as it is compared: without spaces, in small letters."""
    return "".join(title.split()).casefold()
