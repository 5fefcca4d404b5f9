"""Models: what is loaded, load, unload, choose, try; what a folder on the disk is.

Imported by `mount` only.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.answering.answerer import QUOTE_MODEL
from app.answering.types import Token
from app.failures import KNOWN
from app.machine import process_memory
from app.messages import Language
from app.pages.language import language_of
from app.pages.library_html import notice_html
from app.pages.models_html import facts_html, folder_html, models_html, reply_html
from app.pages.scripts import ACTIONS
from app.pages.texts import text

if TYPE_CHECKING:
    from app.pages.chat_choices import ChatChoices
    from app.pages.system import SystemFacts
    from app.service import Service

_PROMPT_CHARACTERS = 2000
_DIGEST = re.compile(r"[0-9a-f]{16,}")

Updates = tuple[Any, ...]


class ModelsTab:
    """Builds the tab inside the current `gr.Blocks`."""

    def __init__(self, service: Service, system: SystemFacts, label: gr.I18n) -> None:
        self._service = service
        self._system = system
        names = list(service.settings.answering.models)
        self.notice = gr.HTML(elem_id="zw-models-notice", apply_default_css=False)
        self.models = gr.HTML(
            '<p class="zw-empty" data-text="loading"></p>',
            js_on_load=ACTIONS,
            elem_id="zw-models",
            apply_default_css=False,
        )
        with gr.Accordion(label("model_try"), open=False, visible=bool(names), elem_id="zw-model-try"):
            with gr.Row():
                self.tried = gr.Dropdown(
                    names, value=names[0] if names else None, label=label("column_model"), min_width=160
                )
                self.prompt = gr.Textbox(
                    label=label("model_prompt"),
                    max_length=_PROMPT_CHARACTERS,
                    scale=4,
                    min_width=220,
                    elem_id="zw-model-prompt",
                )
                self.run = gr.Button(label("send"), variant="primary", scale=0, min_width=90)
            self.reply = gr.HTML(elem_id="zw-model-reply", apply_default_css=False)
        self.others = gr.HTML(elem_id="zw-other-models", apply_default_css=False)
        with gr.Accordion(label("folder_check"), open=False, elem_id="zw-folder"):
            with gr.Row():
                self.folder = gr.Textbox(
                    label=label("folder_path"),
                    placeholder=label("folder_hint"),
                    max_lines=1,
                    scale=5,
                    min_width=220,
                    elem_id="zw-folder-path",
                )
                self.check = gr.Button(label("folder_run"), scale=0, min_width=110, elem_id="zw-folder-check")
            self.found = gr.HTML(elem_id="zw-folder-found", apply_default_css=False)

    def connect(self, item: gr.Tab, choices: ChatChoices) -> None:
        """Attach the handlers; `item` is the tab itself, `choices` are the chat's."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        item.select(self._show, None, [self.models, self.others], **quiet)
        self.models.act(self._act, None, [self.notice, self.models, choices.model], **quiet)
        for trigger in (self.run.click, self.prompt.submit):
            trigger(self._try, [self.tried, self.prompt], [self.reply], **quiet)
        for trigger in (self.check.click, self.folder.submit):
            trigger(self._check, [self.folder], [self.found], **quiet)

    def _show(self, request: gr.Request) -> Updates:
        language = self._language(request)
        return self._listed(language), self._others(language)

    def _listed(self, language: Language) -> str:
        return models_html(self._service.models.list(), process_memory(), language)

    def _others(self, language: Language) -> str:
        """The embedder, OCR and the reranker."""
        settings = self._service.settings
        try:
            embedder = self._service.embedder()
            name = _DIGEST.sub(lambda digest: f"{digest[0][:8]}…", embedder.fingerprint)
            loaded = text("embedder_is", language, name=name, dimension=embedder.dimension)
        except KNOWN as error:
            return notice_html(error, language)
        ocr = text("ocr_on" if settings.ocr.enabled else "ocr_off", language)
        if settings.ocr.recognition_model:
            ocr += f" · {settings.ocr.recognition_model}"
        reranker = settings.retrieval.reranker
        facts = [
            (text("embedder", language), f"{settings.embedder.name} · {loaded}"),
            (text("ocr", language), ocr),
            (text("reranker", language), str(reranker) if reranker else text("reranker_none", language)),
        ]
        return facts_html(text("other_models", language), facts)

    def _act(self, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        language = self._language(request)
        action, name = str(event._data.get("action")), str(event._data.get("id", ""))
        if action == "choose":
            done = notice_html(text("model_chosen", language, name=self._name(name, language)), language)
            yield done, gr.skip(), gr.update(value=name)
            return
        work = {"load": self._service.models.load, "unload": self._service.models.unload}.get(action)
        if work is None:
            return
        yield notice_html(text(f"model_{action}ing", language, name=name), language), gr.skip(), gr.skip()
        try:
            work(name)
        except KNOWN as error:
            yield notice_html(error, language), self._listed(language), gr.skip()
            return
        done = notice_html(text(f"model_{action}_done", language, name=name), language)
        yield done, self._listed(language), gr.skip()

    @staticmethod
    def _name(name: str, language: Language) -> str:
        return text("model_quote", language) if name == QUOTE_MODEL else name

    def _try(self, model: str | None, prompt: str, request: gr.Request) -> Iterator[str]:
        """Stream what a model answers without any document."""
        language = self._language(request)
        if not model or not prompt.strip():
            return
        said, start = "", time.monotonic()
        yield reply_html(said, 0, language, running=True)
        try:
            for event in self._service.ask_stream(prompt, [], model=model, mode="chat"):
                if isinstance(event, Token):
                    said += event.text
                    yield reply_html(said, 0, language, running=True)
        except KNOWN as error:
            yield notice_html(error, language)
            return
        yield reply_html(said, time.monotonic() - start, language, running=False)

    def _check(self, folder: str, request: gr.Request) -> Any:
        language = self._language(request)
        if not folder.strip():
            return gr.skip()
        try:
            return folder_html(self._system.folder(Path(folder.strip()), language))
        except KNOWN as error:
            return notice_html(error, language)

    def _language(self, request: gr.Request) -> Language:
        return language_of(request.headers, self._service.settings.language)
