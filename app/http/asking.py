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


def access_of(scope: Scope) -> Access:
    """Who asks. Raises `KeyNeededError` when nobody has found that out."""
    access = scope.get(_ACCESS)
    if not isinstance(access, Access):
        raise KeyNeededError("the request carries no key")
    return access


def set_access(scope: Scope, access: Access) -> None:
    """Note who asks."""
    scope[_ACCESS] = access


def request_id_of(scope: Scope) -> str:
    """The request's id; empty where it has none."""
    return str(scope.get(_REQUEST_ID, ""))


def set_request_id(scope: Scope, request_id: str) -> None:
    """Note the request's id."""
    scope[_REQUEST_ID] = request_id


def wished_language(headers: Headers, setting: Language | Literal["auto"]) -> Language:
    """The first of Chinese and English that the client accepts; without a wish, the setting's."""
    for part in headers.get("accept-language", "").lower().split(","):
        tag = part.strip()[:2]
        if tag == "zh":
            return "zh"
        if tag == "en":
            return "en"
    return "zh" if setting == "auto" else setting
