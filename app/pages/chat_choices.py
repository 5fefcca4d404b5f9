"""What the chat asks: the mode, the knowledge bases, the model, how it searches. Imported by `mount` only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradio as gr

from app.answering.answerer import QUOTE_MODEL
from app.messages import Language
from app.pages.chat_html import mode_welcome_html, welcome_html
from app.pages.conversation import ChatMode
from app.pages.language import language_of
from app.pages.scripts import ACTIONS
from app.pages.texts import text
from app.pages.tuning import Tuning, tuning_html

if TYPE_CHECKING:
    from app.service import Service

SAMPLES = "示例"
"""The knowledge base that the first start makes of the sample documents."""


class ChatChoices:
    """Builds the row above the conversation inside the current `gr.Blocks`."""

    def __init__(self, service: Service, label: gr.I18n) -> None:
        self._service = service
        self._models = [QUOTE_MODEL, *service.settings.answering.models]
        self.tuning = gr.State(Tuning())
        with gr.Row(elem_classes="zw-choices"):
            gr.HTML(
                '<button type="button" class="zw-button quiet" data-side-switch aria-expanded="false"'
                ' data-text="sessions"></button>',
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
                value=service.settings.answering.model,
                label=label("model"),
                visible=len(self._models) > 1,
                elem_id="zw-model",
                scale=2,
                min_width=140,
            )
        self.tuned = gr.HTML(js_on_load=ACTIONS, elem_id="zw-tuned", apply_default_css=False)

    def connect(self) -> None:
        """Attach the handler of the way back to the settings."""
        self.tuned.act(
            self._reset, None, [self.tuning, self.tuned], show_progress="hidden", api_visibility="private"
        )

    def _reset(self, request: gr.Request) -> tuple[Tuning, str]:
        language = language_of(request.headers, self._service.settings.language)
        return Tuning(), tuning_html(Tuning(), language)

    def names(self) -> list[str]:
        """The knowledge bases that there are."""
        return [info.name for info in self._service.knowledge_bases()]

    def first_choice(self) -> list[str]:
        """What is asked when nobody has chosen yet: everything but the samples."""
        names = self.names()
        return [name for name in names if name != SAMPLES] or names

    def models(self, language: Language) -> list[tuple[str, str]]:
        """The models with what they are called."""
        return [(text("model_quote", language) if m == QUOTE_MODEL else m, m) for m in self._models]

    def mode_of(self, mode: str) -> ChatMode:
        """A mode that there is."""
        if mode == "chat" and len(self._models) > 1:
            return "chat"
        return "files" if mode == "files" else "documents"

    def model_of(self, model: str) -> str:
        """A model that there is."""
        return model if model in self._models else self._service.settings.answering.model

    def welcome(self, chosen: list[str] | None, mode: str, language: Language) -> str:
        """What an empty conversation shows."""
        if mode in ("chat", "files"):
            return mode_welcome_html(mode, language)
        infos = self._service.knowledge_bases()
        documents = sum(info.documents for info in infos if info.name in (chosen or ()))
        samples = any(info.name == SAMPLES and info.documents and SAMPLES in (chosen or ()) for info in infos)
        return welcome_html(
            language,
            libraries=len(infos),
            documents=documents if chosen else 1,
            pending=self._service.documents_pending([i.name for i in infos if i.name in (chosen or ())]),
            samples=samples,
        )
