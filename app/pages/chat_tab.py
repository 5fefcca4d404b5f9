"""The chat: choosing what to ask, asking, streaming, stopping, editing. Imported by `mount` only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.answering.answerer import QUOTE_MODEL
from app.failures import KNOWN
from app.messages import Language
from app.pages.browser_id import owner_of
from app.pages.chat_files import ChatFiles
from app.pages.chat_html import REASONS, current_html, history_html, mode_welcome_html, welcome_html
from app.pages.chat_side import ChatSide
from app.pages.conversation import ChatMode, Conversation, Exchange, ask
from app.pages.keeping import Keeper
from app.pages.language import language_of
from app.pages.reader import citation_html
from app.pages.scripts import ACTIONS
from app.pages.suggestions import suggestions
from app.pages.texts import text

if TYPE_CHECKING:
    from app.service import Service

SAMPLES = "示例"
"""The knowledge base that the first start makes of the sample documents."""
_MOST_CHATS = 32
"""Answers streamed at a time; further questions wait in line."""

Updates = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Asking:
    """What a question is asked with."""

    knowledge_bases: list[str]
    model: str
    mode: ChatMode
    language: Language
    owner: str | None


class ChatTab:
    """Builds the components of the chat inside the current `gr.Blocks`, and handles their events."""

    def __init__(self, service: Service, label: gr.I18n) -> None:
        self._service = service
        self._keeper = Keeper(service)
        self._models = [QUOTE_MODEL, *service.settings.answering.models]
        self.conversation = gr.State(Conversation())
        # The conversation that a refresh opens again: the page's script puts it in and keeps it.
        self.opened = gr.Textbox(visible=False)
        with gr.Row(elem_classes="zw-chat"):
            self.side = ChatSide(service, label)
            with gr.Column(elem_id="zw-main", scale=1, min_width=280):
                self._build_choices(label)
                self.files = ChatFiles(service, label)
                with gr.Column(elem_id="zw-log"):
                    self.history = gr.HTML(js_on_load=ACTIONS, elem_id="zw-history", apply_default_css=False)
                    self.current = gr.HTML(js_on_load=ACTIONS, elem_id="zw-current", apply_default_css=False)
                self._build_composer(label)
            self.reader = gr.HTML(js_on_load=ACTIONS, elem_id="zw-reader", apply_default_css=False)

    def _build_choices(self, label: gr.I18n) -> None:
        with gr.Row(elem_classes="zw-choices"):
            gr.HTML(
                '<button type="button" class="zw-button quiet" data-side-switch data-text="sessions">'
                "</button>",
                elem_id="zw-side-switch",
                apply_default_css=False,
            )
            modes = ["documents", *(["chat"] if len(self._models) > 1 else []), "files"]
            self.mode = gr.Dropdown(
                choices=[(label(f"mode_{mode}"), mode) for mode in modes],
                value="documents",
                label=label("mode"),
                elem_id="zw-mode",
                scale=1,
                min_width=150,
                filterable=False,
            )
            self.knowledge_bases = gr.Dropdown(
                label=label("knowledge_bases"),
                multiselect=True,
                elem_id="zw-chat-libraries",
                scale=4,
                min_width=160,
            )
            self.model = gr.Dropdown(
                choices=self._models,
                value=self._service.settings.answering.model,
                label=label("model"),
                visible=len(self._models) > 1,
                elem_id="zw-model",
                scale=2,
                min_width=140,
            )

    def _build_composer(self, label: gr.I18n) -> None:
        with gr.Row(elem_classes="zw-composer"):
            self.question = gr.Textbox(
                label=label("ask_label"),
                show_label=False,
                placeholder=label("ask_placeholder"),
                lines=1,
                max_lines=6,
                max_length=self._service.settings.limits.question_characters,
                container=False,
                autofocus=True,
                elem_id="zw-question",
                scale=8,
            )
            self.send = gr.Button(label("send"), variant="primary", elem_id="zw-send", scale=1, min_width=80)
            self.stop = gr.Button(
                label("stop"), variant="stop", visible=False, elem_id="zw-stop", scale=1, min_width=80
            )

    def connect(self) -> None:
        """Attach the handlers."""
        chosen = [self.knowledge_bases, self.model, self.mode, self.conversation]
        outputs = [self.history, self.current, self.question, self.send, self.stop]
        listing = [self.side.sessions, self.opened]
        stream: dict[str, Any] = {
            "show_progress": "hidden",
            "concurrency_limit": _MOST_CHATS,
            "concurrency_id": "chat",
            "trigger_mode": "multiple",
            "api_visibility": "private",
        }
        quick: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": True}
        asked = [
            trigger(self._ask, [self.question, *chosen], outputs, **stream)
            for trigger in (self.send.click, self.question.submit)
        ]
        for component in (self.current, self.history):
            asked.append(component.act(self._act, chosen, outputs, **stream))
            component.read(self._read, [self.conversation], [self.reader], **quick)
        self.reader.read(self._read, [self.conversation], [self.reader], **quick)
        for event in asked:
            event.then(self._listing, [self.side.query, self.conversation], listing, **quick)
        self.stop.click(self._stop, [self.conversation], outputs, **quick)
        self.side.query.change(
            self.side.find, [self.side.query, self.conversation], [self.side.sessions], **quick
        )
        welcome = [self.knowledge_bases, self.mode, self.conversation]
        switched = [*outputs, *listing, self.reader, *self._file_outputs]
        self.side.clear.click(self._clear, [*welcome, self.side.query], switched, **quick)
        chosen_again = [self.knowledge_bases, self.model, self.mode]
        self.side.sessions.act(
            self._act_on_session, [*welcome, self.side.query], [*switched, *chosen_again], **quick
        )
        self.knowledge_bases.change(self._show_welcome, welcome, [self.current], **quick)
        self.mode.change(
            self._change_mode, welcome, [self.knowledge_bases, self.current, *self._file_outputs], **quick
        )
        self.files.upload.upload(
            self._upload, [self.files.upload, self.conversation], [*self._file_outputs, *listing], **quick
        )
        self.files.timer.tick(
            self._poll,
            [self.conversation, self.files.rejected],
            [self.files.state, self.files.timer],
            **quick,
        )

    @property
    def _file_outputs(self) -> list[Any]:
        return [self.files.row, self.files.state, self.files.timer, self.files.rejected]

    @property
    def loaded(self) -> list[Any]:
        """The components that `load` fills."""
        chosen = [self.knowledge_bases, self.model, self.mode]
        return [*chosen, self.history, self.current, self.side.sessions, self.opened, *self._file_outputs]

    def load(self, opened: str, conversation: Conversation, request: gr.Request) -> Updates:
        """The first state of a page: the conversation that was open, or what to do next."""
        names = [info.name for info in self._service.knowledge_bases()]
        language = self._language(request)
        info = self._keeper.open(conversation, opened or "", owner_of(request.headers))
        chosen = [name for name in names if name != SAMPLES] or names
        if info is not None and info.knowledge_bases:
            chosen = [name for name in names if name in info.knowledge_bases]
        mode = self._mode(info.settings.get("mode", "") if info else "")
        model = self._model(info.settings.get("model", "") if info else "")
        models = [(text("model_quote", language) if m == QUOTE_MODEL else m, m) for m in self._models]
        shown = current_html(conversation, language) or self._welcome(chosen, mode, language)
        return (
            gr.update(choices=names, value=chosen, visible=mode == "documents"),
            gr.update(choices=models, value=model),
            mode,
            history_html(conversation, language),
            shown,
            self.side.listed(conversation.id, "", request),
            conversation.id,
            *self._files_shown(conversation, mode, [], language),
        )

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
        welcome = gr.skip() if conversation.exchanges else self._welcome(kept, "", self._language(request))
        return gr.update(choices=names, value=kept), welcome, []

    # -- asking -----------------------------------------------------------------------------------

    def _ask(
        self,
        question: str,
        chosen: list[str],
        model: str,
        mode: str,
        conversation: Conversation,
        request: gr.Request,
    ) -> Iterator[Updates]:
        if conversation.running or not (question or "").strip():
            yield _nothing()
            return
        asking = _Asking(
            chosen or [], model, self._mode(mode), self._language(request), owner_of(request.headers)
        )
        if conversation.editing is not None:
            self._keeper.cut(conversation, conversation.editing, asking.owner)
            conversation.editing = None
        names, reason = self._asked_of(conversation, asking)
        if reason:
            conversation.exchanges.append(Exchange(question, error=reason, running=False))
            current = current_html(conversation, asking.language)
            yield history_html(conversation, asking.language), current, gr.skip(), gr.skip(), gr.skip()
            return
        yield from self._stream(conversation, question, names, asking)

    def _asked_of(self, conversation: Conversation, asking: _Asking) -> tuple[list[str], str]:
        """The knowledge bases to ask, or the reason why nothing can be asked."""
        if asking.mode == "chat":
            reason = "" if asking.model != QUOTE_MODEL else text("chat_needs_model", asking.language)
            return [], reason
        if asking.mode == "files":
            name = self._service.conversation_files.name(conversation.id) if conversation.id else None
            return ([name], "") if name else ([], text("files_first", asking.language))
        return asking.knowledge_bases, "" if asking.knowledge_bases else text("choose_first", asking.language)

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
        yield history_html(conversation, language), current_html(conversation, language), "", *busy
        try:
            for _ in exchanges:
                if exchange.running:
                    yield gr.skip(), current_html(conversation, language), gr.skip(), *busy
        finally:
            exchange.stop()
            self._keeper.answer(conversation, exchange, asking.owner)
        if exchange.answer is not None and not exchange.answer.refused:
            said = {e.question for e in conversation.exchanges}
            exchange.suggestions = suggestions(self._service, exchange.answer, language, asked=said)
        # Gradio sends the last update once more, so it has to fit what the page shows by then: after
        # a stop, perhaps the next question.
        yield self._idle(conversation, language) if conversation.current is exchange else _nothing()

    def _act(
        self,
        chosen: list[str],
        model: str,
        mode: str,
        conversation: Conversation,
        event: gr.EventData,
        request: gr.Request,
    ) -> Iterator[Updates]:
        action = event._data or {}
        exchange = conversation.exchange(str(action.get("exchange", "")))
        name = action.get("action")
        question = ""
        if name == "rate" and exchange is not None:
            yield self._rate(conversation, exchange, action, request)
            return
        if name == "edit" and exchange is not None and not conversation.running:
            conversation.editing = conversation.exchanges.index(exchange)
            yield gr.skip(), gr.skip(), exchange.question, gr.skip(), gr.skip()
            return
        if name == "ask":
            question = str(action.get("question", ""))
            conversation.editing = None
        elif name == "regenerate" and conversation.current and not conversation.running:
            question = conversation.current.question
            self._keeper.cut(conversation, len(conversation.exchanges) - 1, owner_of(request.headers))
            conversation.editing = None
        yield from self._ask(question, chosen, model, mode, conversation, request)

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
            return _nothing()
        language = self._language(request)
        shown = history_html(conversation, language), current_html(conversation, language)
        return (*shown, gr.skip(), gr.skip(), gr.skip())

    def _read(self, conversation: Conversation, event: gr.EventData, request: gr.Request) -> Any:
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

    def _stop(self, conversation: Conversation, request: gr.Request) -> Updates:
        if conversation.current is not None:
            conversation.current.stop()
            self._keeper.answer(conversation, conversation.current, owner_of(request.headers))
        return self._idle(conversation, self._language(request))

    def _idle(self, conversation: Conversation, language: Language) -> Updates:
        current = current_html(conversation, language) or gr.skip()
        return gr.skip(), current, gr.skip(), gr.update(visible=True), gr.update(visible=False)

    # -- conversations ----------------------------------------------------------------------------

    def _listing(self, query: str, conversation: Conversation, request: gr.Request) -> Updates:
        return self.side.listed(conversation.id, query, request), conversation.id

    def _clear(
        self, chosen: list[str], mode: str, conversation: Conversation, query: str, request: gr.Request
    ) -> Updates:
        if conversation.current is not None:
            self._stop(conversation, request)
        conversation.exchanges.clear()
        conversation.id, conversation.editing = "", None
        return self._switched(chosen, self._mode(mode), conversation, query, request)

    def _switched(
        self, chosen: list[str], mode: ChatMode, conversation: Conversation, query: str, request: gr.Request
    ) -> Updates:
        language = self._language(request)
        return (
            history_html(conversation, language),
            current_html(conversation, language) or self._welcome(chosen, mode, language),
            "",
            gr.update(visible=True),
            gr.update(visible=False),
            self.side.listed(conversation.id, query, request),
            conversation.id,
            "",
            *self._files_shown(conversation, mode, [], language),
        )

    def _act_on_session(
        self,
        chosen: list[str],
        mode: str,
        conversation: Conversation,
        query: str,
        event: gr.EventData,
        request: gr.Request,
    ) -> Updates:
        action = event._data or {}
        untouched = tuple(gr.skip() for _ in range(3))
        if action.get("action") == "open":
            if conversation.current is not None:
                self._stop(conversation, request)
            info = self._keeper.open(conversation, str(action.get("id", "")), owner_of(request.headers))
            if info is not None:
                shown = self._mode(info.settings.get("mode", ""))
                names = [kb.name for kb in self._service.knowledge_bases() if kb.name in info.knowledge_bases]
                model = self._model(info.settings.get("model", ""))
                restored = gr.update(value=names, visible=shown == "documents"), model, shown
                return (*self._switched(names, shown, conversation, query, request), *restored)
        deleted = self.side.change(action, request)
        if deleted and deleted == conversation.id:
            return (*self._clear(chosen, mode, conversation, query, request), *untouched)
        listed = self.side.listed(conversation.id, query, request)
        rest = (gr.skip() for _ in range(6))
        return (*_nothing(), listed, conversation.id, *tuple(rest)[:5], *untouched)

    # -- modes and files ----------------------------------------------------------------------------

    def _change_mode(
        self, chosen: list[str], mode: str, conversation: Conversation, request: gr.Request
    ) -> Updates:
        language = self._language(request)
        shown = self._mode(mode)
        welcome = gr.skip() if conversation.exchanges else self._welcome(chosen, shown, language)
        files = self._files_shown(conversation, shown, [], language)
        return gr.update(visible=shown == "documents"), welcome, *files

    def _upload(self, paths: list[str] | None, conversation: Conversation, request: gr.Request) -> Updates:
        language, owner = self._language(request), owner_of(request.headers)
        if not paths or owner is None:
            return tuple(gr.skip() for _ in range(6))
        self._keeper.begin(conversation, owner)
        rejected = self.files.take_in(conversation.id, paths, language)
        shown = self._files_shown(conversation, "files", rejected, language)
        return (*shown, self.side.listed(conversation.id, "", request), conversation.id)

    def _files_shown(
        self,
        conversation: Conversation,
        mode: ChatMode,
        rejected: list[tuple[str, str]],
        language: Language,
    ) -> Updates:
        if mode != "files":
            return gr.update(visible=False), "", gr.Timer(active=False), []
        shown, busy = self.files.shown(conversation.id, rejected, language)
        return gr.update(visible=True), shown, gr.Timer(active=busy), rejected

    def _poll(
        self, conversation: Conversation, rejected: list[tuple[str, str]], request: gr.Request
    ) -> Updates:
        shown, busy = self.files.shown(conversation.id, rejected, self._language(request))
        return shown, gr.Timer(active=busy)

    def _show_welcome(
        self, chosen: list[str], mode: str, conversation: Conversation, request: gr.Request
    ) -> Any:
        if conversation.exchanges:
            return gr.skip()
        return self._welcome(chosen, mode, self._language(request))

    def _welcome(self, chosen: list[str] | None, mode: str, language: Language) -> str:
        if mode in ("chat", "files"):
            return mode_welcome_html(mode, language)
        infos = self._service.knowledge_bases()
        documents = sum(info.documents for info in infos if info.name in (chosen or ()))
        samples = any(info.name == SAMPLES and info.documents and SAMPLES in (chosen or ()) for info in infos)
        return welcome_html(
            language, libraries=len(infos), documents=documents if chosen else 1, samples=samples
        )

    def _mode(self, mode: str) -> ChatMode:
        if mode == "chat" and len(self._models) > 1:
            return "chat"
        return "files" if mode == "files" else "documents"

    def _model(self, model: str) -> str:
        return model if model in self._models else self._service.settings.answering.model

    def _language(self, request: gr.Request) -> Language:
        return language_of(request.headers, self._service.settings.language)


def _nothing() -> Updates:
    return tuple(gr.skip() for _ in range(5))
