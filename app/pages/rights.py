"""The service for the pages: each event sees it as the key of the browser behind it allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from app.errors import KeyNeededError
from app.http.authentication import access_by, given_key
from app.rights import Access, for_access

if TYPE_CHECKING:
    from app.service import Service

_Target = TypeVar("_Target")


def for_browser(service: Service) -> Service:
    """`service` for the handlers of Gradio's events. Raises `KeyNeededError` when a key has ended."""
    return cast("Service", _BrowserService(service))


def for_admins(target: _Target, service: Service) -> _Target:
    """`target` for those browsers alone that may do everything; `service` is the one for browsers.

    Any use of it raises `ForbiddenError` or `KeyNeededError` for others.
    """
    return cast("_Target", _ForAdmins(target, service))


def browser_access(service: Service) -> Access:
    """What the browser behind the event that is handled may do. Raises `KeyNeededError`."""
    from gradio.context import LocalContext

    # Gradio keeps the request of each event while its handler runs.
    request = LocalContext.request.get(None)
    secret = given_key(request.request.scope) if request is not None and request.request else ""
    access = access_by(service, secret)
    if access is None:
        raise KeyNeededError("the browser carries no key")
    return access


class _BrowserService:
    def __init__(self, service: Service) -> None:
        self._service = service
        self.settings = service.settings

    def __getattr__(self, name: str) -> Any:
        return getattr(for_access(self._service, browser_access(self._service)), name)


class _ForAdmins:
    def __init__(self, target: Any, service: Service) -> None:
        self._target = target
        self._service = service

    def __getattr__(self, name: str) -> Any:
        _ = self._service.keys  # raises for whoever is no admin of everything
        return getattr(self._target, name)
