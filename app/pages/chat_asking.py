"""Asking in the chat: streaming, stopping, editing, asking again, rating. Imported by `mount` only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.answering.answerer import QUOTE_MODEL
from app.failures import KNOWN
from app.messages import Language
from app.pages.browser_id import owner_of
from app.pages.chat_choices import ChatChoices
from app.pages.chat_html import REASONS, current_html, editing_html, history_html
from app.pages.conversation import ChatMode, Conversation, Exchange, ask
from app.pages.keeping import Keeper
from app.pages.language import language_of
from app.pages.library_html import notice_html
from app.pages.reader import citation_html
from app.pages.side_html import opened_html
from app.pages.suggestions import suggestions
from app.pages.texts import text
from app.pages.tuning import Tuning

if TYPE_CHECKING:
    from app.service import Service

Updates = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Asking:
    """What a question is asked with."""

    knowledge_bases: list[str]
    model: str
    mode: ChatMode
    tuning: Tuning
    language: Language
    owner: str | None


class ChatAsking:
    """The handlers of questions.

    Their outputs: history, current exchange, question, send, stop, which conversation is open, and the
    line on what is being edited.
    """

    def __init__(self, service: Service, keeper: Keeper, choices: ChatChoices) -> None:
        self._service = service
        self._keeper = keeper
        self._choices = choices

    def ask(
        self,
        question: str,
        chosen: list[str] | None,
        model: str,
        mode: str,
        tuning: Tuning,
        conversation: Conversation,
        request: gr.Request,
    ) -> Iterator[Updates]:
        """Answer a question as a stream of updates."""
        if conversation.running or not (question or "").strip():
            yield nothing()
            return
        if self._keeper.catch_up(conversation, owner_of(request.headers)):
            yield self._caught_up(conversation, self._language(request))
            return
        # Nothing is chosen also as long as the page has offered nothing: then all is meant.
        names = chosen or self._choices.first_choice()
        asking = _Asking(
            names,
            model,
            self._choices.mode_of(mode),
            tuning,
            self._language(request),
            owner_of(request.headers),
        )
        names, reason = self._asked_of(conversation, asking)
        if reason:
            conversation.exchanges.append(Exchange(question, error=reason, running=False))
            # What was to be changed still is, and stands there until then.
            line = editing_html(asking.language) if conversation.editing is not None else ""
            yield *self._log(conversation, asking.language), *nothing()[2:6], line
            return
        if conversation.editing is not None:
            self._keeper.cut(conversation, conversation.editing, asking.owner)
            conversation.editing = None
        yield from self._stream(conversation, question, names, asking)

    def _asked_of(self, conversation: Conversation, asking: _Asking) -> tuple[list[str], str]:
        """The knowledge bases to ask, or the reason why nothing can be asked."""
        if asking.mode == "chat":
            reason = "" if asking.model != QUOTE_MODEL else text("chat_needs_model", asking.language)
            return [], reason
        if asking.mode == "files":
            name = self._service.conversation_files.name(conversation.id) if conversation.id else None
            return ([name], "") if name else ([], text("files_first", asking.language))
        return asking.knowledge_bases, "" if asking.knowledge_bases else text("none_hint", asking.language)

    def _stream(
        self, conversation: Conversation, question: str, names: list[str], asking: _Asking
    ) -> Iterator[Updates]:
        language = asking.language
        exchanges = ask(
            conversation,
            self._service,
            question,
            names,
            model=asking.model,
            language=language,
            mode="chat" if asking.mode == "chat" else "documents",
            tuning=asking.tuning,
        )
        exchange = next(exchanges)
        self._keeper.question(
            conversation,
            exchange,
            asking.owner,
            knowledge_bases=asking.knowledge_bases,
            settings={"model": asking.model, "mode": asking.mode},
        )
        busy = (gr.update(visible=False), gr.update(visible=True))
        # From its first moment on, a refresh opens this conversation again.
        opened = opened_html(conversation.id)
        yield *self._log(conversation, language), "", *busy, opened, ""
        try:
            for _ in exchanges:
                if exchange.running:
                    current = current_html(conversation, language)
                    yield gr.skip(), current, gr.skip(), *busy, gr.skip(), gr.skip()
        finally:
            exchange.stop()
            self._keeper.answer(conversation, exchange, asking.owner)
        if exchange.answer is not None and not exchange.answer.refused:
            said = {e.question for e in conversation.exchanges}
            exchange.suggestions = suggestions(self._service, exchange.answer, language, asked=said)
        # Gradio sends the last update once more, so it has to fit what the page shows by then: after
        # a stop, perhaps the next question.
        yield self._idle(conversation, language) if conversation.current is exchange else nothing()

    def act(
        self,
        chosen: list[str] | None,
        model: str,
        mode: str,
        tuning: Tuning,
        conversation: Conversation,
        event: gr.EventData,
        request: gr.Request,
    ) -> Iterator[Updates]:
        """Do what a button in the conversation says."""
        action, language = event._data or {}, self._language(request)
        exchange = conversation.exchange(str(action.get("exchange", "")))
        name = action.get("action")
        question = ""
        if name == "rate" and exchange is not None:
            yield self._rate(conversation, exchange, action, request)
            return
        if name == "edit" and exchange is not None and not conversation.running:
            conversation.editing = conversation.exchanges.index(exchange)
            yield *nothing()[:2], exchange.question, *nothing()[3:6], editing_html(language)
            return
        if name == "keep":
            conversation.editing = None
            yield *nothing()[:2], "", *nothing()[3:6], ""
            return
        if name == "ask":
            question = str(action.get("question", ""))
            conversation.editing = None
        elif name == "regenerate" and conversation.current and not conversation.running:
            # Its own place is taken, once it is sure that the question can be asked.
            question = conversation.current.question
            conversation.editing = len(conversation.exchanges) - 1
        yield from self.ask(question, chosen, model, mode, tuning, conversation, request)

    def _rate(
        self, conversation: Conversation, exchange: Exchange, action: dict[str, Any], request: gr.Request
    ) -> Updates:
        rating = {"1": 1, "-1": -1}.get(str(action.get("value")), 0)
        reason = str(action.get("reason", ""))
        try:
            self._keeper.rate(
                conversation,
                exchange,
                owner_of(request.headers),
                rating,
                reason if rating < 0 and reason in REASONS else "",
            )
        except KNOWN:  # deleted in another window
            return nothing()
        return *self._log(conversation, self._language(request)), *nothing()[2:]

    def read(self, conversation: Conversation, event: gr.EventData, request: gr.Request) -> Any:
        """Open the document of a citation beside the chat."""
        data = event._data or {}
        exchange = conversation.exchange(str(data.get("exchange", "")))
        index = str(data.get("index", ""))
        citations = exchange.answer.citations if exchange is not None and exchange.answer else ()
        citation = next((c for c in citations if str(c.index) == index), None)
        if citation is None:
            return gr.skip()
        address = {"exchange": str(data["exchange"]), "index": index}
        turn = str(data.get("turn", ""))
        return citation_html(self._service, citation, self._language(request), address=address, turn=turn)

    def stop(self, conversation: Conversation, request: gr.Request) -> Updates:
        """End the answer that is being written; what has come of it stays."""
        if conversation.current is not None:
            conversation.current.stop()
            self._keeper.answer(conversation, conversation.current, owner_of(request.headers))
        return self._idle(conversation, self._language(request))

    def _caught_up(self, conversation: Conversation, language: Language) -> Updates:
        """What another window has done is shown before anything is asked; the question stays in its box."""
        history, current = self._log(conversation, language)
        notice = notice_html(text("conversation_changed", language), language)
        return history, current + notice, *nothing()[2:6], ""

    def _log(self, conversation: Conversation, language: Language) -> tuple[str, str]:
        return history_html(conversation, language), current_html(conversation, language)

    def _idle(self, conversation: Conversation, language: Language) -> Updates:
        current = current_html(conversation, language) or gr.skip()
        buttons = gr.update(visible=True), gr.update(visible=False)
        return gr.skip(), current, gr.skip(), *buttons, gr.skip(), gr.skip()

    def _language(self, request: gr.Request) -> Language:
        return language_of(request.headers, self._service.settings.language)


def nothing() -> Updates:
    """For the outputs: as they are."""
    return tuple(gr.skip() for _ in range(7))
