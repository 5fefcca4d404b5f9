"""What is known of a request outside the routes: who asks, under which id, in which language."""

from __future__ import annotations

from typing import Literal

from starlette.datastructures import Headers
from starlette.types import Scope

from app.errors import KeyNeededError
from app.messages import Language
from app.rights import Access

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods that requests may have; others are told in no figure."""

_ACCESS = "zhiwen.access"
_REQUEST_ID = "zhiwen.request_id"
_STARTED = "zhiwen.started"


def access_of(scope: Scope) -> Access:
    """Who asks. Raises `KeyNeededError` when nobody has found that out."""
    access = scope_access(scope)
    if access is None:
        raise KeyNeededError("the request carries no key")
    return access


def scope_access(scope: Scope) -> Access | None:
    """Who asks; None when nobody has found that out."""
    access = scope.get(_ACCESS)
    return access if isinstance(access, Access) else None


def set_access(scope: Scope, access: Access) -> None:
    """Note who asks."""
    scope[_ACCESS] = access


def request_id_of(scope: Scope) -> str:
    """The request's id; empty where it has none."""
    return str(scope.get(_REQUEST_ID, ""))


def set_request_id(scope: Scope, request_id: str) -> None:
    """Note the request's id."""
    scope[_REQUEST_ID] = request_id


def set_started(scope: Scope, at: float) -> None:
    """Note when the request came, by `time.perf_counter`."""
    scope[_STARTED] = at


def started_of(scope: Scope) -> float | None:
    """When the request came; None where nobody has noted it."""
    at = scope.get(_STARTED)
    return at if isinstance(at, float) else None


def wished_language(headers: Headers, setting: Language | Literal["auto"]) -> Language:
    """The first of Chinese and English that the client accepts; without a wish, the setting's."""
    for part in headers.get("accept-language", "").lower().split(","):
        tag = part.strip()[:2]
        if tag == "zh":
            return "zh"
        if tag == "en":
            return "en"
    return "zh" if setting == "auto" else setting
