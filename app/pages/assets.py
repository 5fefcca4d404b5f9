"""The scripts and styles that Gradio's page is made of, kept as they were first sent."""

from __future__ import annotations

import re
from functools import partial
from itertools import islice

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ASSET = re.compile(r"/assets/[\w.-]+\.(?:js|css)")
_ENCODINGS = ("br", "gzip", "identity")
_FOR_EVER = "public, max-age=31536000, immutable"
_MOST_LINKS = 100
"""Pages need some sixty; who asks for all nine hundred that there are burdens nobody else with them."""


class KeptAssets:
    """Answers for scripts and styles, and which of them pages need.

    A page takes some sixty, which Gradio reads from the disk and compresses for each visitor. Their
    names hold a digest of their content, so an answer can be kept here, and by the browser for ever;
    and a page can name what pages before it turned out to need, which the browser then fetches at
    once instead of finding one in another.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[Message, Message]] = {}

    def links(self) -> str:
        """What a page's head says of the scripts and styles that pages need."""
        return "".join(
            f'<link rel="modulepreload" crossorigin href=".{path}">'
            if path.endswith(".js")
            else f'<link rel="preload" as="style" crossorigin href=".{path}">'
            for path in islice(dict.fromkeys(path for path, _ in self._kept), _MOST_LINKS)
        )

    def around(self, app: ASGIApp) -> ASGIApp:
        """An application that answers as `app` does, from what is kept where it is."""
        return partial(self._answer, app)

    async def _answer(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", "")) if scope["type"] == "http" else ""
        if not _ASSET.fullmatch(path) or scope["method"] != "GET":
            await app(scope, receive, send)
            return
        accepted = Headers(scope=scope).get("accept-encoding", "")
        encoding = next((name for name in _ENCODINGS if name in accepted), "identity")
        start, body = self._kept.get((path, encoding)) or await _whole(app, scope, receive, encoding)
        if start["status"] == 200:
            self._kept[path, encoding] = start, body
        # Those who pass it on add headers of their own.
        await send({**start, "headers": list(start["headers"])})
        await send(body)


async def _whole(app: ASGIApp, scope: Scope, receive: Receive, encoding: str) -> tuple[Message, Message]:
    """The answer to a request that asks for no part of the file, nor whether it is news."""
    messages: list[Message] = []

    async def collect(message: Message) -> None:
        messages.append(message)

    await app({**scope, "headers": [(b"accept-encoding", encoding.encode())]}, receive, collect)
    start, *parts = messages
    body = b"".join(part.get("body", b"") for part in parts)
    headers = MutableHeaders(raw=list(start["headers"]))
    headers["content-length"] = str(len(body))
    if start["status"] == 200:
        headers["cache-control"] = _FOR_EVER
        del headers["x-zhiwen-run"]  # a browser keeps the file for longer than a run lasts
    return {**start, "headers": headers.raw}, {"type": "http.response.body", "body": body}
