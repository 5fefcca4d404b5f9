"""What tells browsers apart: an unguessable cookie, from which the owner of conversations follows."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

BROWSER_COOKIE = "zhiwen_browser"
_ID = re.compile(r"[\w-]{43}", re.ASCII)
_YEAR_SECONDS = 31_536_000


def owner_of(headers: Mapping[str, str]) -> str | None:
    """Owner of the conversations of the browser that sent `headers`; None without the cookie.

    It is a digest, so that who reads the catalogue cannot take a browser's place.
    """
    browser = _cookie(headers.get("cookie", ""))
    return f"browser:{hashlib.sha256(browser.encode()).hexdigest()}" if browser else None


def new_cookie(headers: Mapping[str, str]) -> str | None:
    """The header's value that gives a browser its id; None where it has one. Scripts cannot read it."""
    if _cookie(headers.get("cookie", "")):
        return None
    browser = secrets.token_urlsafe(32)
    return f"{BROWSER_COOKIE}={browser}; Path=/; Max-Age={_YEAR_SECONDS}; HttpOnly; SameSite=Strict"


def _cookie(header: str) -> str:
    try:
        morsel = SimpleCookie(header).get(BROWSER_COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel and _ID.fullmatch(morsel.value) else ""
