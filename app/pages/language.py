"""The language that a browser wants: its own choice on the page, the setting, its preference."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from app.messages import LANGUAGES, Language

LANGUAGE_COOKIE = "zhiwen_language"
"""Written by the page's script, so that the server and the page's fixed labels always agree."""


def language_of(headers: Mapping[str, str], setting: str = "auto") -> Language:
    """The language for a request's headers; Chinese when nothing says otherwise."""
    wishes = [_cookie(headers.get("cookie", "")), setting]
    wishes += [part.strip()[:2] for part in headers.get("accept-language", "").lower().split(",")]
    return next((language for wish in wishes for language in LANGUAGES if wish == language), "zh")


def _cookie(header: str) -> str:
    try:
        morsel = SimpleCookie(header).get(LANGUAGE_COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
