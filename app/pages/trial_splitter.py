"""Trying a splitter on a document before using it. Imported by `mount` only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from app.failures import KNOWN
from app.pages.language import language_of
from app.pages.library_html import notice_html
from app.pages.texts import text
from app.pages.trial_html import trial_html
from app.settings import SplitterSettings, largest

if TYPE_CHECKING:
    from app.service import Service

_SPLITTERS = ("chinese", "recursive")


class SplitterTrial:
    """Builds the form and the chunks inside the current `gr.Blocks`."""

    def __init__(self, service: Service, label: gr.I18n) -> None:
        self._service = service
        present = service.settings.splitter
        with gr.Row():
            self.knowledge_base = gr.Dropdown(
                label=label("library_select"), elem_id="zw-split-library", min_width=180
            )
            self.document = gr.Dropdown(
                label=label("column_name"), elem_id="zw-split-document", scale=2, min_width=220
            )
        with gr.Row():
            self.splitter = gr.Dropdown(
                [(label(f"splitter_{name}"), name) for name in _SPLITTERS],
                value=present.name,
                label=label("splitter"),
                filterable=False,
                elem_id="zw-splitter",
                min_width=180,
            )
            self.size = gr.Slider(
                50,
                largest(SplitterSettings, "chunk_size"),
                present.chunk_size,
                step=10,
                label=label("chunk_size"),
                elem_id="zw-chunk-size",
            )
            self.overlap = gr.Slider(
                0,
                largest(SplitterSettings, "overlap"),
                present.overlap,
                step=10,
                label=label("overlap"),
                elem_id="zw-overlap",
            )
            self.split = gr.Button(
                label("split_run"), variant="primary", scale=0, min_width=110, elem_id="zw-split"
            )
        self.result = gr.HTML(elem_id="zw-split-result", apply_default_css=False)

    def connect(self) -> None:
        """Attach the handlers."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        self.knowledge_base.change(self._choose, [self.knowledge_base], [self.document], **quiet)
        chosen = [self.knowledge_base, self.document, self.splitter, self.size, self.overlap]
        self.split.click(
            self._split, chosen, [self.result], api_visibility="private", show_progress_on=[self.result]
        )

    def _choose(self, knowledge_base: str | None) -> Any:
        documents = self._service.documents(knowledge_base) if knowledge_base else []
        choices = [(info.name, info.id) for info in documents]
        return gr.update(choices=choices, value=choices[0][1] if choices else None)

    def _split(
        self,
        knowledge_base: str | None,
        document_id: str | None,
        splitter: str,
        size: int,
        overlap: int,
        request: gr.Request,
    ) -> str:
        language = language_of(request.headers, self._service.settings.language)
        if not knowledge_base or not document_id:
            return notice_html(text("split_choose", language), language)
        wished = SplitterSettings.model_validate(
            {"name": splitter, "chunk_size": int(size), "overlap": min(int(overlap), int(size) // 2)}
        )
        try:
            present = self._service.document(knowledge_base, document_id).chunks
            trial = self._service.splitting.split(knowledge_base, document_id, wished)
        except KNOWN as error:
            return notice_html(error, language)
        return trial_html(trial, present, language)
