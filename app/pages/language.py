"""The language that a browser wants: its own choice on the page, the setting, its preference."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from app.messages import Language

LANGUAGE_COOKIE = "zhiwen_language"
"""Written by the page's script, so that the server and the page's fixed labels always agree."""

DEFAULT: Language = "zh"


def language_of(request: Any, setting: str = "auto") -> Language:
    """The language for a request of Gradio or Starlette; Chinese when nothing says otherwise."""
    headers: Mapping[str, str] = getattr(request, "headers", None) or {}
    chosen = _cookie(headers.get("cookie", ""))
    if chosen in ("zh", "en"):
        return "zh" if chosen == "zh" else "en"
    if setting in ("zh", "en"):
        return "zh" if setting == "zh" else "en"
    for part in headers.get("accept-language", "").lower().split(","):
        tag = part.strip()[:2]
        if tag in ("zh", "en"):
            return "zh" if tag == "zh" else "en"
    return DEFAULT


def _cookie(header: str) -> str:
    try:
        morsel = SimpleCookie(header).get(LANGUAGE_COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
