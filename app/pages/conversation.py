"""A conversation of one browser session, and asking the next question in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.answering.types import Answer, Final, Token, Turn
from app.failures import KNOWN, Failure
from app.messages import Language

if TYPE_CHECKING:
    from app.service import Service

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Exchange:
    """A question and how far its answer has come."""

    question: str
    text: str = ""
    """What has been streamed so far."""
    answer: Answer | None = None
    """The whole answer, once it is there."""
    error: str = ""
    running: bool = True
    stopped: bool = False
    pictured: frozenset[str] = frozenset()
    """Ids of cited documents whose pages can be shown as pictures."""

    def stop(self) -> None:
        """Keep what has come so far and take nothing more."""
        if self.running:
            self.running = False
            self.stopped = True


@dataclass(slots=True)
class Conversation:
    """The exchanges of one browser session, oldest first."""

    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def current(self) -> Exchange | None:
        """The newest exchange."""
        return self.exchanges[-1] if self.exchanges else None

    @property
    def running(self) -> bool:
        """Whether an answer is being streamed."""
        return self.current is not None and self.current.running

    def turns(self) -> list[Turn]:
        """What a next question may lean on: the exchanges that ended with an answer."""
        return [Turn(e.question, e.answer.answer) for e in self.exchanges if e.answer is not None]


def ask(
    conversation: Conversation,
    service: Service,
    question: str,
    knowledge_bases: Sequence[str],
    *,
    model: str | None,
    language: Language,
) -> Iterator[Exchange]:
    """Add an exchange and yield it each time that something of it has come.

    Errors become the exchange's own. After `stop`, nothing more is yielded.
    """
    history = conversation.turns()
    exchange = Exchange(question)
    conversation.exchanges.append(exchange)
    yield exchange
    try:
        events = service.ask_stream(question, knowledge_bases, history=history, model=model)
        for event in events:
            if not exchange.running:
                return
            if isinstance(event, Token):
                exchange.text += event.text
            elif isinstance(event, Final):
                exchange.answer = event.answer
                exchange.pictured = pictured_documents(service, event.answer)
            yield exchange
    except Exception as error:
        if not isinstance(error, KNOWN):
            logger.exception("question failed")
        exchange.error = Failure.of(error, language).message
    finally:
        exchange.running = False
    yield exchange


def pictured_documents(service: Service, answer: Answer) -> frozenset[str]:
    """Ids of the cited documents whose pages can be shown as pictures."""
    found = set()
    for citation in answer.citations:
        if citation.page is not None:
            try:
                document = service.document(citation.knowledge_base, citation.document_id)
            except KNOWN:  # deleted since
                continue
            if document.format in ("pdf", "image"):
                found.add(document.id)
    return frozenset(found)
