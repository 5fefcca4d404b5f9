"""A client of the HTTP interface: `Client("http://127.0.0.1:7860").ask("年假有几天？", ["制度"])`.

It answers with the types that the service itself writes its JSON with, and raises one error class
for each kind of failure (`app.client.errors`). One client may be used by several threads at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import httpx

from app import schemas
from app.client.events import StreamEvent, read_events
from app.client.jobs import Jobs
from app.client.knowledge_bases import KnowledgeBases
from app.client.requests import Requests, given
from app.client.sessions import Sessions
from app.replies import Health, Readiness, SearchResponse

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AskOptions(TypedDict, total=False):
    """How to answer; what is left out is as the service's settings say."""

    history: Sequence[dict[str, str]]
    """Earlier turns, `{"question", "answer"}` or `{"role", "content"}`, oldest first."""
    session_id: str | None
    top_k: int | None
    threshold: float | None
    model: str | None
    mode: Literal["documents", "chat", "files"]


class Client:
    """Speaks to one service. Every method raises `ClientError`s and nothing else of the network's."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:7860",
        *,
        key: str | None = None,
        language: Literal["zh", "en"] | None = None,
        timeout: float = 120.0,
    ) -> None:
        """`key` is needed once the service has keys; `timeout` is in seconds without any byte."""
        self._requests = Requests(url, key=key, language=language, timeout=timeout)
        self.knowledge_bases = KnowledgeBases(self._requests)
        self.jobs = Jobs(self._requests)
        self.sessions = Sessions(self._requests)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._requests.close()

    def health(self) -> Health:
        """Whether the service lives."""
        return Health.model_validate_json(self._requests.request("GET", "/healthz").content)

    def readiness(self) -> Readiness:
        """What is there of what it needs to work; no error where something is missing."""
        return Readiness.model_validate_json(
            self._requests.request("GET", "/readyz", accepted=(503,)).content
        )

    def search(
        self,
        query: str,
        knowledge_bases: Sequence[str],
        *,
        top_k: int | None = None,
        threshold: float | None = None,
        document_ids: Sequence[str] | None = None,
        neighbours: bool | None = None,
    ) -> list[schemas.Hit]:
        """The best passages, best first."""
        body = given(
            query=query,
            knowledge_bases=list(knowledge_bases),
            top_k=top_k,
            threshold=threshold,
            document_ids=document_ids,
            neighbours=neighbours,
        )
        reply = self._requests.request("POST", "/api/search", json=body)
        return SearchResponse.model_validate_json(reply.content).hits

    def ask(
        self, question: str, knowledge_bases: Sequence[str] = (), **options: Unpack[AskOptions]
    ) -> schemas.Answer:
        """The whole answer at once."""
        body = _question(question, knowledge_bases, options)
        return schemas.Answer.model_validate_json(
            self._requests.request("POST", "/api/ask", json=body).content
        )

    def ask_stream(
        self, question: str, knowledge_bases: Sequence[str] = (), **options: Unpack[AskOptions]
    ) -> Iterator[StreamEvent]:
        """The answer's events as they come, `Final` last.

        Closing the iterator early ends the answer. Raises the error that a stream breaks off with.
        """
        body = _question(question, knowledge_bases, options)
        with self._requests.lines("POST", "/api/ask", json={**body, "stream": True}) as lines:
            yield from read_events(lines)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Any request, for what has no method of its own; `options` are those of `httpx.Client.request`."""
        return self._requests.request(method, path, **options)


def _question(question: str, knowledge_bases: Sequence[str], options: AskOptions) -> dict[str, Any]:
    return given(question=question, knowledge_bases=list(knowledge_bases), **options)
