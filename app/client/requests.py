"""Requests of the client, and what their failures become."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import quote

import httpx

from app.client.errors import UnreachableError, error_of


class Requests:
    """Sends requests with the key and the language of one client. Safe to be used by several threads."""

    def __init__(
        self, url: str, *, key: str | None, language: Literal["zh", "en"] | None, timeout: float
    ) -> None:
        headers: dict[str, str] = {"Accept-Language": language} if language else {}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        # A service on one's own machine or network is not behind the proxy of the environment.
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, trust_env=False)

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def request(
        self, method: str, path: str, *, accepted: Sequence[int] = (), **options: Any
    ) -> httpx.Response:
        """Any request, for what has no method of its own; `options` are those of `httpx.Client.request`.

        Raises the `ClientError` of a status of 400 or more that is not among those `accepted`.
        """
        try:
            reply = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise UnreachableError(str(error)) from error
        if reply.is_error and reply.status_code not in accepted:
            raise error_of(reply)
        return reply

    @contextmanager
    def lines(self, method: str, path: str, **options: Any) -> Iterator[Iterator[str]]:
        """The lines of a streamed answer as they come; leaving the context hangs up."""
        try:
            with self._http.stream(method, path, **options) as reply:
                if reply.is_error:
                    reply.read()
                    raise error_of(reply)
                yield _lines(reply.iter_text())
        except httpx.HTTPError as error:
            raise UnreachableError(str(error)) from error


def _lines(texts: Iterable[str]) -> Iterator[str]:
    """The lines of a text in pieces. What else Python takes for line ends may stand in the middle of JSON."""
    rest = ""
    for text in texts:
        *lines, rest = (rest + text).split("\n")
        yield from (line.removesuffix("\r") for line in lines)
    if rest:
        yield rest


def given(**fields: Any) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def path_of(*parts: str) -> str:
    """An address under `/api` whose parts may hold any character."""
    return "/".join(["/api", *(quote(part, safe="") for part in parts)])
