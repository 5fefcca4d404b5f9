"""The chat: choosing knowledge bases, asking, streaming, stopping. Imported by `mount` only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.answering.answerer import QUOTE_MODEL
from app.messages import Language
from app.pages.chat_html import current_html, history_html, welcome_html
from app.pages.conversation import Conversation, Exchange, ask
from app.pages.language import language_of
from app.pages.scripts import ACTIONS
from app.pages.texts import text

if TYPE_CHECKING:
    from app.service import Service

SAMPLES = "示例"
"""The knowledge base that the first start makes of the sample documents."""
_MOST_CHATS = 32
"""Answers streamed at a time; further questions wait in line."""

Updates = tuple[Any, ...]


class ChatTab:
    """Builds the components of the chat inside the current `gr.Blocks`, and handles their events."""

    def __init__(self, service: Service, label: gr.I18n) -> None:
        self._service = service
        self.conversation = gr.State(Conversation())
        with gr.Row(elem_classes="zw-choices"):
            self.knowledge_bases = gr.Dropdown(
                label=label("knowledge_bases"), multiselect=True, elem_id="zw-chat-libraries", scale=4
            )
            self._models = [QUOTE_MODEL, *service.settings.answering.models]
            self.model = gr.Dropdown(
                choices=self._models,
                value=service.settings.answering.model,
                label=label("model"),
                visible=len(self._models) > 1,
                elem_id="zw-model",
                scale=2,
            )
        with gr.Column(elem_id="zw-log"):
            self.history = gr.HTML(js_on_load=ACTIONS, elem_id="zw-history", apply_default_css=False)
            self.current = gr.HTML(js_on_load=ACTIONS, elem_id="zw-current", apply_default_css=False)
        with gr.Row(elem_classes="zw-composer"):
            self.question = gr.Textbox(
                label=label("ask_label"),
                show_label=False,
                placeholder=label("ask_placeholder"),
                lines=1,
                max_lines=6,
                max_length=service.settings.limits.question_characters,
                container=False,
                autofocus=True,
                elem_id="zw-question",
                scale=8,
            )
            self.send = gr.Button(label("send"), variant="primary", elem_id="zw-send", scale=1, min_width=80)
            self.stop = gr.Button(
                label("stop"), variant="stop", visible=False, elem_id="zw-stop", scale=1, min_width=80
            )
            self.clear = gr.Button(label("new_chat"), elem_id="zw-new", scale=1, min_width=80)

    def connect(self) -> None:
        """Attach the handlers."""
        chosen = [self.knowledge_bases, self.model, self.conversation]
        outputs = [self.history, self.current, self.question, self.send, self.stop]
        stream: dict[str, Any] = {
            "show_progress": "hidden",
            "concurrency_limit": _MOST_CHATS,
            "concurrency_id": "chat",
            "trigger_mode": "multiple",
            "api_visibility": "private",
        }
        quick: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": True}
        for trigger in (self.send.click, self.question.submit):
            trigger(self._ask, [self.question, *chosen], outputs, **stream)
        for component in (self.current, self.history):
            component.act(self._act, chosen, outputs, **stream)
        self.stop.click(self._stop, [self.conversation], outputs, **quick)
        self.clear.click(self._clear, [self.knowledge_bases, self.conversation], outputs, **quick)
        self.knowledge_bases.change(
            self._show_welcome, [self.knowledge_bases, self.conversation], [self.current], **quick
        )

    def load(self, request: gr.Request) -> Updates:
        """The first state of a page: what to choose from, and what to do next."""
        names = [info.name for info in self._service.knowledge_bases()]
        chosen = [name for name in names if name != SAMPLES] or names
        language = self._language(request)
        models = [(text("model_quote", language) if m == QUOTE_MODEL else m, m) for m in self._models]
        libraries = gr.update(choices=names, value=chosen)
        return libraries, self._welcome(chosen, language), gr.update(choices=models)

    def refresh(
        self,
        chosen: list[str] | None,
        fresh: list[str],
        conversation: Conversation,
        request: gr.Request,
    ) -> Updates:
        """What the chat offers after the other tab; what was made or filled there is chosen too.

        The samples give way to a person's own documents.
        """
        chosen = chosen or []
        names = [info.name for info in self._service.knowledge_bases()]
        wished = {*chosen, *fresh} - ({SAMPLES} if set(fresh) - {SAMPLES} else set())
        kept = [name for name in names if name in wished]
        if set(kept) == set(chosen):
            # The page selects its first tab by itself, perhaps before `load` has chosen anything.
            return gr.update(choices=names), gr.skip(), []
        welcome = gr.skip() if conversation.exchanges else self._welcome(kept, self._language(request))
        return gr.update(choices=names, value=kept), welcome, []

    def _ask(
        self,
        question: str,
        chosen: list[str],
        model: str,
        conversation: Conversation,
        request: gr.Request,
    ) -> Iterator[Updates]:
        if conversation.running or not (question or "").strip():
            yield _nothing()
            return
        language = self._language(request)
        if not chosen:
            reason = text("choose_first", language)
            conversation.exchanges.append(Exchange(question, error=reason, running=False))
            current = current_html(conversation, language)
            yield history_html(conversation, language), current, gr.skip(), gr.skip(), gr.skip()
            return
        exchanges = ask(conversation, self._service, question, chosen, model=model, language=language)
        exchange = next(exchanges)
        earlier = history_html(conversation, language)
        busy = (gr.update(visible=False), gr.update(visible=True))
        yield earlier, current_html(conversation, language), "", *busy
        for _ in exchanges:
            yield gr.skip(), current_html(conversation, language), gr.skip(), *busy
        # Gradio sends the last update once more, so it has to fit what the page shows by then: after
        # a stop, perhaps the next question.
        yield self._idle(conversation, language) if conversation.current is exchange else _nothing()

    def _act(
        self,
        chosen: list[str],
        model: str,
        conversation: Conversation,
        event: gr.EventData,
        request: gr.Request,
    ) -> Iterator[Updates]:
        action = event._data or {}
        question = ""
        if action.get("action") == "ask":
            question = str(action.get("question", ""))
        elif action.get("action") == "regenerate" and conversation.current and not conversation.running:
            question = conversation.exchanges.pop().question
        yield from self._ask(question, chosen, model, conversation, request)

    def _stop(self, conversation: Conversation, request: gr.Request) -> Updates:
        if conversation.current is not None:
            conversation.current.stop()
        return self._idle(conversation, self._language(request))

    def _clear(self, chosen: list[str], conversation: Conversation, request: gr.Request) -> Updates:
        if conversation.current is not None:
            conversation.current.stop()
        conversation.exchanges.clear()
        welcome = self._welcome(chosen, self._language(request))
        return "", welcome, "", gr.update(visible=True), gr.update(visible=False)

    def _idle(self, conversation: Conversation, language: Language) -> Updates:
        current = current_html(conversation, language) or gr.skip()
        return gr.skip(), current, gr.skip(), gr.update(visible=True), gr.update(visible=False)

    def _show_welcome(self, chosen: list[str], conversation: Conversation, request: gr.Request) -> Any:
        if conversation.exchanges:
            return gr.skip()
        return self._welcome(chosen, self._language(request))

    def _welcome(self, chosen: list[str] | None, language: Language) -> str:
        infos = self._service.knowledge_bases()
        documents = sum(info.documents for info in infos if info.name in (chosen or ()))
        samples = any(info.name == SAMPLES and info.documents and SAMPLES in (chosen or ()) for info in infos)
        return welcome_html(
            language,
            libraries=len(infos),
            documents=documents if chosen else 1,
            samples=samples,
        )

    def _language(self, request: gr.Request) -> Language:
        return language_of(request.headers, self._service.settings.language)


def _nothing() -> Updates:
    return tuple(gr.skip() for _ in range(5))
