"""The service for the pages: each event sees it as the key of the browser behind it allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from app.errors import KeyNeededError
from app.http.authentication import access_by, given_key
from app.rights import for_access

if TYPE_CHECKING:
    from app.service import Service


def for_browser(service: Service) -> Service:
    """`service` for the handlers of Gradio's events. Raises `KeyNeededError` when a key has ended."""
    return cast("Service", _BrowserService(service))


class _BrowserService:
    def __init__(self, service: Service) -> None:
        self._service = service
        self.settings = service.settings

    def __getattr__(self, name: str) -> Any:
        from gradio.context import LocalContext

        # Gradio keeps the request of each event while its handler runs.
        request = LocalContext.request.get(None)
        secret = given_key(request.request.scope) if request is not None and request.request else ""
        access = access_by(self._service, secret)
        if access is None:
            raise KeyNeededError("the browser carries no key")
        return getattr(for_access(self._service, access), name)
