"""Conversations of the pages in the catalogue: kept as they go, opened again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from app.answering.types import Answer, AnswerSentence, Citation
from app.failures import KNOWN
from app.pages.conversation import Conversation, Exchange
from knowledge_base.errors import SessionNotFoundError
from knowledge_base.sessions import Message, MessageState, SessionInfo, SessionStore
from loaders.document import Box

if TYPE_CHECKING:
    from app.service import Service

logger = logging.getLogger(__name__)

INTERRUPTED = "interrupted"
"""Reason of an exchange whose answer was never kept: the service ended meanwhile."""


class Keeper:
    """Writes the conversations of browsers down. An `owner` of None leaves nothing behind.

    What cannot be written is told to the log only: an answer is worth more than its record.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._writing = threading.Lock()

    @property
    def _store(self) -> SessionStore:
        return self._service.sessions  # asked for anew, as the rights of each browser differ

    def begin(self, conversation: Conversation, owner: str, *, title: str = "", **chosen: Any) -> None:
        """Give the conversation its place in the catalogue, or keep there what is chosen by now."""
        if conversation.id:
            try:
                self._store.update(owner, conversation.id, **chosen)
                return
            except SessionNotFoundError:  # deleted in another window
                for exchange in conversation.exchanges:
                    exchange.kept = 0
        conversation.last = ""
        conversation.id = self._store.create(owner, title=title, **chosen).id

    def question(
        self,
        conversation: Conversation,
        exchange: Exchange,
        owner: str | None,
        *,
        knowledge_bases: Sequence[str],
        settings: dict[str, Any],
    ) -> None:
        """Keep a question before it is answered."""
        if owner is None:
            return
        try:
            with self._writing:
                self.begin(
                    conversation,
                    owner,
                    title=exchange.question,
                    knowledge_bases=knowledge_bases,
                    settings=settings,
                )
                if len(conversation.exchanges) == 1 and not self._store.session(owner, conversation.id).title:
                    self._store.update(owner, conversation.id, title=exchange.question)
                (kept,) = self._store.append(owner, conversation.id, [Message("user", exchange.question)])
                exchange.kept, conversation.last = 1, kept.id
        except KNOWN as error:
            logger.warning("a question is not kept: %s", error.code)

    def answer(self, conversation: Conversation, exchange: Exchange, owner: str | None) -> None:
        """Keep how an exchange ended. Only the first call does anything.

        Where another window has gone on meanwhile, the answer would stand below that window's question:
        then it is not kept.
        """
        if owner is None:
            return
        try:
            with self._writing:
                if exchange.kept != 1 or exchange not in conversation.exchanges:
                    return
                if _last(self._store.messages(owner, conversation.id)) != conversation.last:
                    return
                (kept,) = self._store.append(owner, conversation.id, [_message(exchange)])
                exchange.message_id, exchange.kept, conversation.last = kept.id, 2, kept.id
        except KNOWN as error:
            logger.warning("an answer is not kept: %s", error.code)

    def cut(self, conversation: Conversation, number: int, owner: str | None) -> None:
        """Forget the exchange of that number and all after it, also in the catalogue."""
        for exchange in conversation.exchanges[number:]:
            exchange.stop()
        with self._writing:
            kept = sum(exchange.kept for exchange in conversation.exchanges[:number])
            del conversation.exchanges[number:]
            if owner is not None and conversation.id:
                try:
                    self._store.truncate(owner, conversation.id, kept)
                    conversation.last = _last(self._store.messages(owner, conversation.id))
                except KNOWN as error:
                    logger.warning("a conversation is not cut: %s", error.code)

    def catch_up(self, conversation: Conversation, owner: str | None) -> bool:
        """Take in what another window has said or cut in the conversation.

        True where a person has to look at it before going on; not where it is but the answer to this
        window's own question, which a reload has left to the window before.
        """
        if owner is None or not conversation.id:
            return False
        try:
            messages = self._store.messages(owner, conversation.id)
        except KNOWN:  # deleted in another window: what is asked next begins it anew
            return False
        if _last(messages) == conversation.last:
            return False
        roles = [message.role for message in messages[-2:]]
        if _last(messages[:-1]) == conversation.last and roles == ["user", "assistant"]:
            number = max(n for n, exchange in enumerate(conversation.exchanges) if exchange.kept)
            conversation.exchanges[number] = exchanges_of(messages[-2:])[0]
            conversation.last = _last(messages)
            return False
        self._fill(conversation, messages)
        return True

    def rate(
        self,
        conversation: Conversation,
        exchange: Exchange,
        owner: str | None,
        rating: int,
        reason: str,
    ) -> None:
        """Note what the user thinks of an answer. Raises `SessionNotFoundError`."""
        if owner is None or not exchange.message_id:
            return
        self._store.rate(owner, conversation.id, exchange.message_id, rating, reason=reason)
        exchange.rating, exchange.reason = rating, reason

    def open(self, conversation: Conversation, session_id: str, owner: str | None) -> SessionInfo | None:
        """Put a kept conversation in the place of this one; None where the owner has no such."""
        if owner is None:
            return None
        try:
            info = self._store.session(owner, session_id)
            messages = self._store.messages(owner, session_id)
        except SessionNotFoundError:
            return None
        except KNOWN as error:
            logger.warning("a conversation is not opened: %s", error.code)
            return None
        conversation.id = info.id
        self._fill(conversation, messages)
        return info

    def _fill(self, conversation: Conversation, messages: Sequence[Message]) -> None:
        conversation.exchanges[:] = exchanges_of(messages)
        conversation.last, conversation.editing = _last(messages), None


def exchanges_of(messages: Sequence[Message]) -> list[Exchange]:
    """Questions with their answers."""
    found: list[Exchange] = []
    for message in messages:
        if message.role == "user":
            found.append(Exchange(message.text, error=INTERRUPTED, running=False, kept=1))
        elif found:
            exchange = found[-1]
            exchange.text, exchange.error = message.text, ""
            exchange.kept, exchange.message_id = exchange.kept + 1, message.id
            exchange.rating, exchange.reason = message.rating, message.reason
            if message.state == "failed":
                exchange.error = message.text
            elif message.state == "stopped":
                exchange.stopped = True
            else:
                exchange.answer = _answer(message)
    return found


def _last(messages: Sequence[Message]) -> str:
    return messages[-1].id if messages else ""


def _message(exchange: Exchange) -> Message:
    answer = exchange.answer
    if exchange.error or answer is None:
        state: MessageState = "failed" if exchange.error else "stopped"
        return Message("assistant", exchange.error or exchange.text, state)
    return Message(
        "assistant",
        answer.answer,
        question=answer.question,
        citations=[asdict(citation) for citation in answer.citations],
        sentences=[asdict(sentence) for sentence in answer.sentences],
        refused=answer.refused,
        model=answer.model,
        timings=answer.timings,
    )


def _answer(message: Message) -> Answer:
    citations = tuple(
        Citation(**{**citation, "boxes": tuple(Box(**box) for box in citation.get("boxes", ()))})
        for citation in message.citations
    )
    sentences = tuple(
        AnswerSentence(**{**sentence, "citations": tuple(sentence["citations"])})
        for sentence in message.sentences
    )
    return Answer(
        message.text,
        message.refused,
        message.model,
        citations,
        message.timings,
        message.question,
        sentences,
    )
