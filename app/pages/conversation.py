"""A conversation of one browser session, and asking the next question in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from app.answering.types import Answer, Final, Mode, Token, Turn, Waiting
from app.failures import KNOWN, Failure
from app.messages import Language
from app.pages.tuning import Tuning

if TYPE_CHECKING:
    from app.service import Service

logger = logging.getLogger(__name__)

ChatMode = Literal["documents", "chat", "files"]
"""Over the knowledge bases chosen, without documents, or over the conversation's own files."""


@dataclass(slots=True, eq=False)
class Exchange:
    """A question and how far its answer has come. Asked twice, it is two."""

    question: str
    text: str = ""
    """What has been streamed so far."""
    answer: Answer | None = None
    """The whole answer, once it is there."""
    error: str = ""
    running: bool = True
    stopped: bool = False
    waiting: int = 0
    """Requests that the model answers before this one."""
    suggestions: tuple[str, ...] = ()
    """Questions that the cited documents answer too."""
    kept: int = 0
    """How many messages of it are in the catalogue."""
    message_id: str = ""
    """Of the answer, once it is kept."""
    rating: int = 0
    reason: str = ""

    def stop(self) -> None:
        """Keep what has come so far and take nothing more."""
        if self.running:
            self.running = False
            self.stopped = True


@dataclass(slots=True)
class Conversation:
    """The exchanges of one conversation, oldest first."""

    exchanges: list[Exchange] = field(default_factory=list)
    id: str = ""
    """In the catalogue; empty until something is kept."""
    last: str = ""
    """The newest message there that this window knows of."""
    editing: int | None = None
    """The exchange that the next question takes the place of, with all after it."""
    loaded: bool = False
    """Whether the page has its first state; what its components tell before that is nobody's doing."""

    @property
    def current(self) -> Exchange | None:
        """The newest exchange."""
        return self.exchanges[-1] if self.exchanges else None

    @property
    def running(self) -> bool:
        """Whether an answer is being streamed."""
        return self.current is not None and self.current.running

    def exchange(self, number: str) -> Exchange | None:
        """The exchange of a number that a page sent; None where there is none."""
        if number.isdecimal() and int(number) < len(self.exchanges):
            return self.exchanges[int(number)]
        return None

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
    mode: Mode = "documents",
    tuning: Tuning = Tuning(),  # noqa: B008 - frozen
) -> Iterator[Exchange]:
    """Add an exchange and yield it each time that something of it has come.

    Errors become the exchange's own. After `stop`, nothing more is yielded.
    """
    history = conversation.turns()
    exchange = Exchange(question)
    conversation.exchanges.append(exchange)
    yield exchange
    try:
        events = service.ask_stream(
            question, knowledge_bases, history=history, model=model, mode=mode, **tuning.options()
        )
        for event in events:
            if not exchange.running:
                return
            if isinstance(event, Token):
                exchange.text += event.text
            elif isinstance(event, Waiting):
                exchange.waiting = event.position
            elif isinstance(event, Final):
                exchange.answer = event.answer
            yield exchange
    except Exception as error:
        if not isinstance(error, KNOWN):
            logger.exception("question failed")
        exchange.error = Failure.of(error, language).message
    finally:
        exchange.running = False
    yield exchange
