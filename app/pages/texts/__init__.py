"""Texts of the pages in Chinese and English, by key."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from app.messages import Language


@cache
def page_texts(language: Language) -> dict[str, str]:
    """All texts of the pages in one language."""
    path = Path(__file__).parent / f"{language}.json"
    texts: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return texts


def text(key: str, language: Language, **details: Any) -> str:
    """The text for `key`, with `{name}` filled from `details`. Plain text, not HTML."""
    return re.sub(r"\{(\w+)\}", lambda match: str(details[match[1]]), page_texts(language)[key])
