"""Texts shown to users, in Chinese and English, by code."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Literal

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")

_CJK = re.compile(r"[\u3400-\u9fff]")


def translate(code: str, language: Language, **details: Any) -> str:
    """The text for `code`, with `{name}` filled from `details`; a missing one reads as "…"."""
    return _fill(_texts(language)[code], details)


def error_text(code: str, language: Language, message: str, **details: Any) -> str:
    """What to tell a user about an error; `message` serves where the code has no text."""
    template = _texts(language).get(f"error.{code}")
    return _fill(template, details) if template else message


def problem_text(code: str, language: Language, message: str, **details: Any) -> str:
    """What to tell a user about the problem `code` of a document.

    `details["cause"]` is the code of the error behind it, `details["member"]` the file inside that it
    is about. `message` serves where the code has no text.
    """
    texts = _texts(language)
    template = texts.get(f"problem.{code}") or texts.get(f"error.{code}")
    if not template:
        return message
    if "cause" in details:
        details["cause"] = error_text(details["cause"], language, message, **details)
    text = _fill(template, details)
    return f"{details['member']}: {text}" if "member" in details else text


def text_language(text: str) -> Language:
    """The language to answer `text` in: Chinese as soon as it holds Chinese characters."""
    return "zh" if _CJK.search(text) else "en"


def _fill(template: str, details: dict[str, Any]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: str(details.get(match[1], "…")), template)


@cache
def _texts(language: Language) -> dict[str, str]:
    path = Path(__file__).parent / f"{language}.json"
    texts: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return texts
