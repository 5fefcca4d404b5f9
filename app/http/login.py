"""The login of the browser pages: a key becomes a cookie that no script can read."""

from __future__ import annotations

import html

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from app.errors import TooManyRequestsError
from app.http.asking import scope_access, wished_language
from app.http.authentication import COOKIE, address_of
from app.http.common import whole_service
from app.messages import Language, translate

router = APIRouter(include_in_schema=False)

_KEPT_SECONDS = 30 * 24 * 3600
_LANGUAGE_TAGS = {"zh": "zh-CN", "en": "en"}
_PAGE = """<!doctype html>
<html lang="{tag}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif;
  display: grid; place-items: center; min-height: 100vh; margin: 0 }}
form {{ width: min(22rem, 90vw); display: grid; gap: .75rem }}
h1 {{ font-size: 1.4rem; margin: 0 }}
input, button {{ font: inherit; padding: .55rem .7rem; border-radius: .4rem; border: 1px solid #8888 }}
button {{ background: #0f766e; color: #fff; border: 0; cursor: pointer }}
p {{ margin: 0 }} .wrong {{ color: #dc2626 }}
</style>
</head>
<body>
<form method="post" action="/login">
<h1>{title}</h1>
<p>{hint}</p>
<label for="key">{label}</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
{wrong}
<button>{button}</button>
</form>
</body>
</html>
"""


@router.get("/login")
def login_page(request: Request) -> Response:
    """Ask for the key, unless none is needed or the browser has one."""
    if scope_access(request.scope) is not None:
        return RedirectResponse("/", status_code=303)
    return _page(_language(request))


@router.post("/login")
def login(request: Request, key: str = Form("", max_length=200)) -> Response:
    """Keep the key in the browser, or ask again."""
    key = key.strip()
    try:
        access = request.app.state.key_guesses.access(address_of(request.scope), key)
    except TooManyRequestsError as error:
        return _page(_language(request), wrong="often", status=429, wait=str(error.details["retry_after"]))
    if access is None:
        return _page(_language(request), wrong="wrong", status=401)
    return _kept(RedirectResponse("/", status_code=303), key, request)


@router.post("/first-key")
def make_first_key(request: Request, name: str = Form(max_length=200)) -> Response:
    """Make the first key, an admin's, and keep it in the browser that asks.

    From the same moment on nothing is answered without a key: only the answer to the request that makes
    it can carry its secret back.
    """
    keys = whole_service(request).keys
    if keys.needed():
        raise HTTPException(404)  # from then on nobody needs it
    _, secret = keys.create(name, role="admin")
    return _kept(JSONResponse({"key": secret}, headers={"Cache-Control": "no-store"}), secret, request)


@router.post("/logout")
def logout() -> Response:
    """Forget the browser's key."""
    response = RedirectResponse("/login", status_code=303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def _kept(response: Response, key: str, request: Request) -> Response:
    """The response, with the key for the browser to keep."""
    response.set_cookie(
        COOKIE,
        key,
        max_age=_KEPT_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


def _language(request: Request) -> Language:
    return wished_language(request.headers, whole_service(request).settings.language)


def _page(
    language: Language, *, wrong: str | None = None, status: int = 200, wait: str | None = None
) -> HTMLResponse:
    texts = {
        name: html.escape(translate(f"login.{name}", language))
        for name in ("title", "hint", "label", "button")
    }
    said = html.escape(translate(f"login.{wrong}", language, seconds=wait)) if wrong else ""
    texts["wrong"] = f'<p class="wrong" role="alert">{said}</p>' if said else ""
    headers = {"Retry-After": wait} if wait else None
    return HTMLResponse(
        _PAGE.format(tag=_LANGUAGE_TAGS[language], **texts), status_code=status, headers=headers
    )
