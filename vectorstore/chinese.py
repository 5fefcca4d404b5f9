"""Chinese text as the index matches it: folded to one form, and cut into terms without a dictionary."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

LONGEST_WORD = 64
"""Characters kept of a Latin word or a number; longer runs are data, not words."""

_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_RUN = re.compile(rf"([{_HAN}]+)|[^\W_{_HAN}]+")


_HAN_CHARACTER = re.compile(f"[{_HAN}]")


def is_han(character: str) -> bool:
    """Whether a text begins with a Chinese character."""
    return _HAN_CHARACTER.match(character) is not None


@lru_cache(maxsize=1)
def _to_simplified() -> Any:
    import opencc

    return opencc.OpenCC("t2s")


def fold(text: str) -> str:
    """Give `text` the form in which it is matched: NFKC, lower case, traditional to simplified.

    Lone surrogates, which no encoder takes, become question marks.
    """
    sound = text.encode("utf-8", "replace").decode("utf-8")
    folded: str = _to_simplified().convert(unicodedata.normalize("NFKC", sound).casefold())
    return folded


def terms(folded: str) -> list[str]:
    """Cut folded text into terms, in order and with repeats.

    A run of Chinese characters gives every character and every two neighbours; any other run of
    letters and digits is one term.
    """
    found: list[str] = []
    for match in _RUN.finditer(folded):
        run = match[0]
        if match[1]:
            found.extend(run)
            found.extend(run[i : i + 2] for i in range(len(run) - 1))
        else:
            found.append(run[:LONGEST_WORD])
    return found
