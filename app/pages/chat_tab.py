"""The chat: its components, its conversations and what they are about. Imported by `mount` only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from app.messages import Language
from app.pages.browser_id import owner_of
from app.pages.chat_asking import ChatAsking, nothing
from app.pages.chat_choices import SAMPLES, ChatChoices
from app.pages.chat_files import ChatFiles
from app.pages.chat_html import current_html, history_html
from app.pages.chat_side import ChatSide
from app.pages.conversation import ChatMode, Conversation
from app.pages.keeping import Keeper
from app.pages.language import language_of
from app.pages.scripts import ACTIONS
from app.pages.side_html import opened_html
from app.pages.tuning import tuning_html, tuning_of

if TYPE_CHECKING:
    from app.service import Service

_MOST_CHATS = 32
"""Answers streamed at a time; further questions wait in line."""

Updates = tuple[Any, ...]


class ChatTab:
    """Builds the components of the chat inside the current `gr.Blocks`, and handles their events."""

    def __init__(self, service: Service, label: gr.I18n) -> None:
        self._service = service
        self._keeper = Keeper(service)
        self.conversation = gr.State(Conversation())
        # The conversation that a refresh opens again: the page's script keeps it, and gives it to `load`.
        self.opened = gr.HTML(elem_id="zw-opened", apply_default_css=False)
        self.kept_tuning = gr.Textbox(visible=False)
        with gr.Row(elem_classes="zw-chat"):
            self.side = ChatSide(service, label)
            with gr.Column(elem_id="zw-main", scale=1, min_width=280):
                self.choices = ChatChoices(service, label)
                self.files = ChatFiles(service, label)
                with gr.Column(elem_id="zw-log"):
                    self.history = gr.HTML(js_on_load=ACTIONS, elem_id="zw-history", apply_default_css=False)
                    self.current = gr.HTML(js_on_load=ACTIONS, elem_id="zw-current", apply_default_css=False)
                self.editing = gr.HTML(js_on_load=ACTIONS, elem_id="zw-editing", apply_default_css=False)
                self._build_composer(label)
                self.asking = ChatAsking(service, self._keeper, self.choices)
            self.reader = gr.HTML(
                js_on_load=ACTIONS,
                elem_id="zw-reader",
                apply_default_css=False,
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
        choices, asking = self.choices, self.asking
        choices.connect()
        chosen = [choices.knowledge_bases, choices.model, choices.mode, choices.tuning, self.conversation]
        outputs = [
            self.history, self.current, self.question, self.send, self.stop, self.opened, self.editing,
        ]  # fmt: skip
        stream: dict[str, Any] = {
            "show_progress": "hidden",
            "concurrency_limit": _MOST_CHATS,
            "concurrency_id": "chat",
            "trigger_mode": "multiple",
            "api_visibility": "private",
        }
        quick: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": True}
        asked = [
            trigger(asking.ask, [self.question, *chosen], outputs, **stream)
            for trigger in (self.send.click, self.question.submit)
        ]
        self.editing.act(asking.act, chosen, outputs, **stream)
        for component in (self.current, self.history):
            asked.append(component.act(asking.act, chosen, outputs, **stream))
            component.read(asking.read, [self.conversation], [self.reader], **quick)
        self.reader.read(asking.read, [self.conversation], [self.reader], **quick)
        for event in asked:
            event.then(self.side.find, [self.side.query, self.conversation], [self.side.sessions], **quick)
        # As soon as it has an id, before it has an answer.
        self.opened.change(
            self.side.find, [self.side.query, self.conversation], [self.side.sessions], **quick
        )
        self.stop.click(asking.stop, [self.conversation], outputs, **quick)
        self.side.query.change(
            self.side.find, [self.side.query, self.conversation], [self.side.sessions], **quick
        )
        welcome = [choices.knowledge_bases, choices.mode, self.conversation]
        switched = [*outputs, self.side.sessions, self.reader, *self._file_outputs]
        self.side.clear.click(self._clear, [*welcome, self.side.query], switched, **quick)
        chosen_again = [choices.knowledge_bases, choices.model, choices.mode]
        self.side.sessions.act(
            self._act_on_session, [*welcome, self.side.query], [*switched, *chosen_again], **quick
        )
        choices.knowledge_bases.change(self._show_welcome, welcome, [self.current], **quick)
        choices.mode.change(
            self._change_mode, welcome, [choices.knowledge_bases, self.current, *self._file_outputs], **quick
        )
        self.files.upload.upload(
            self._upload,
            [self.files.upload, self.conversation],
            [*self._file_outputs, self.side.sessions, self.opened],
            **quick,
        )
        self.files.connect(self.conversation)

    @property
    def _file_outputs(self) -> list[Any]:
        return [self.files.row, self.files.state, self.files.timer, self.files.rejected]

    @property
    def loaded(self) -> list[Any]:
        """The components that `load` fills."""
        choices = self.choices
        chosen = [choices.knowledge_bases, choices.model, choices.mode, choices.tuning, choices.tuned]
        return [*chosen, self.history, self.current, self.side.sessions, self.opened, *self._file_outputs]

    def load(
        self, opened: str, tuning: str, mode: str, conversation: Conversation, request: gr.Request
    ) -> Updates:
        """The first state of a page: the conversation that was open, or what to do next."""
        choices, language = self.choices, self._language(request)
        names = choices.names()
        # Who was quick has asked already; that is not to be taken away again.
        info = None
        if not conversation.exchanges:
            info = self._keeper.open(conversation, opened or "", owner_of(request.headers))
        conversation.loaded = True
        chosen = choices.first_choice()
        if info is not None and info.knowledge_bases:
            chosen = [name for name in names if name in info.knowledge_bases]
        shown_mode = choices.mode_of(info.settings.get("mode", "") if info else mode)
        model = choices.model_of(info.settings.get("model", "") if info else "")
        kept = tuning_of(tuning or "")
        running = conversation.running
        shown = current_html(conversation, language) or choices.welcome(chosen, shown_mode, language)
        return (
            gr.update(choices=names, value=chosen, visible=shown_mode == "documents"),
            gr.update(choices=choices.models(language), value=model),
            shown_mode,
            kept,
            tuning_html(kept, language),
            gr.skip() if running else history_html(conversation, language),
            gr.skip() if running else shown,
            self.side.listed(conversation.id, "", request),
            opened_html(conversation.id) if conversation.id else gr.skip(),
            *self._files_shown(conversation, shown_mode, [], language),
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
        names = self.choices.names()
        wished = {*chosen, *fresh} - ({SAMPLES} if set(fresh) - {SAMPLES} else set())
        kept = [name for name in names if name in wished]
        if set(kept) == set(chosen):
            # The page selects its first tab by itself, perhaps before `load` has chosen anything.
            return gr.update(choices=names), gr.skip(), []
        welcome = (
            gr.skip() if conversation.exchanges else self.choices.welcome(kept, "", self._language(request))
        )
        return gr.update(choices=names, value=kept), welcome, []

    # -- conversations ----------------------------------------------------------------------------

    def _clear(
        self, chosen: list[str], mode: str, conversation: Conversation, query: str, request: gr.Request
    ) -> Updates:
        if conversation.current is not None:
            self.asking.stop(conversation, request)
        conversation.exchanges.clear()
        conversation.id, conversation.editing = "", None
        return self._switched(chosen, self.choices.mode_of(mode), conversation, query, request)

    def _switched(
        self, chosen: list[str], mode: ChatMode, conversation: Conversation, query: str, request: gr.Request
    ) -> Updates:
        language = self._language(request)
        return (
            history_html(conversation, language),
            current_html(conversation, language) or self.choices.welcome(chosen, mode, language),
            "",
            gr.update(visible=True),
            gr.update(visible=False),
            opened_html(conversation.id),
            "",
            self.side.listed(conversation.id, query, request),
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
                self.asking.stop(conversation, request)
            info = self._keeper.open(conversation, str(action.get("id", "")), owner_of(request.headers))
            if info is not None:
                shown = self.choices.mode_of(info.settings.get("mode", ""))
                names = [name for name in self.choices.names() if name in info.knowledge_bases]
                model = self.choices.model_of(info.settings.get("model", ""))
                restored = gr.update(value=names, visible=shown == "documents"), model, shown
                return (*self._switched(names, shown, conversation, query, request), *restored)
        deleted = self.side.change(action, request)
        if deleted and deleted == conversation.id:
            return (*self._clear(chosen, mode, conversation, query, request), *untouched)
        listed = self.side.listed(conversation.id, query, request)
        rest = (gr.skip() for _ in range(5))
        return (*nothing(), listed, *rest, *untouched)

    # -- modes and files ----------------------------------------------------------------------------

    def _change_mode(
        self, chosen: list[str], mode: str, conversation: Conversation, request: gr.Request
    ) -> Updates:
        if not conversation.loaded:
            return tuple(gr.skip() for _ in range(6))
        language = self._language(request)
        shown = self.choices.mode_of(mode)
        welcome = gr.skip() if conversation.exchanges else self.choices.welcome(chosen, shown, language)
        files = self._files_shown(conversation, shown, [], language)
        return gr.update(visible=shown == "documents"), welcome, *files

    def _upload(self, paths: list[str] | None, conversation: Conversation, request: gr.Request) -> Updates:
        language, owner = self._language(request), owner_of(request.headers)
        if not paths or owner is None:
            return tuple(gr.skip() for _ in range(6))
        self._keeper.begin(conversation, owner)
        rejected = self.files.take_in(conversation.id, paths, language)
        shown = self._files_shown(conversation, "files", rejected, language)
        listed = self.side.listed(conversation.id, "", request)
        return *shown, listed, opened_html(conversation.id)

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

    def _show_welcome(
        self, chosen: list[str], mode: str, conversation: Conversation, request: gr.Request
    ) -> Any:
        if conversation.exchanges or not conversation.loaded:
            return gr.skip()
        return self.choices.welcome(chosen, mode, self._language(request))

    def _language(self, request: gr.Request) -> Language:
        return language_of(request.headers, self._service.settings.language)
