"""Trying a query: which chunks are found, and why. Imported by `mount` only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from app.failures import KNOWN
from app.messages import Language
from app.pages.language import language_of
from app.pages.library_html import notice_html
from app.pages.reader import document_html
from app.pages.scripts import ACTIONS
from app.pages.texts import text
from app.pages.trial_html import hits_html
from app.pages.tuning import Tuning, tuning_html
from app.settings import RetrievalSettings, largest
from vectorstore.base import AS_CALIBRATED

if TYPE_CHECKING:
    from app.service import Service

_MOST_WEIGHT = 3.0

Updates = tuple[Any, ...]


class SearchTrial:
    """Builds the form and the hits inside the current `gr.Blocks`."""

    def __init__(self, service: Service, label: gr.I18n) -> None:
        self._service = service
        retrieval = service.settings.retrieval
        with gr.Row():
            self.query = gr.Textbox(
                label=label("search_query"),
                placeholder=label("search_hint"),
                max_lines=2,
                scale=6,
                min_width=220,
                elem_id="zw-query",
            )
            self.search = gr.Button(
                label("search_run"), variant="primary", scale=1, min_width=90, elem_id="zw-search"
            )
        with gr.Row():
            self.top_k = gr.Slider(
                1,
                largest(RetrievalSettings, "top_k"),
                retrieval.top_k,
                step=1,
                label=label("search_top_k"),
                elem_id="zw-top-k",
            )
            self.threshold = gr.Slider(
                0, 1, retrieval.threshold or 0, step=0.01, label=label("search_limit"), elem_id="zw-threshold"
            )
            self.dense = gr.Slider(
                0, _MOST_WEIGHT, 1, step=0.1, label=label("search_dense"), elem_id="zw-dense"
            )
            self.keyword = gr.Slider(
                0, _MOST_WEIGHT, 1, step=0.1, label=label("search_keyword"), elem_id="zw-keyword"
            )
        with gr.Row():
            self.apply = gr.Button(label("search_apply"), elem_id="zw-apply", scale=0, min_width=200)
            self.notice = gr.HTML(elem_id="zw-trial-notice", apply_default_css=False)
        self.hits = gr.HTML(js_on_load=ACTIONS, elem_id="zw-hits", apply_default_css=False)

    @property
    def _choices(self) -> list[Any]:
        return [self.top_k, self.threshold, self.dense, self.keyword]

    def connect(
        self, knowledge_bases: gr.Dropdown, reader: gr.HTML, tuning: gr.State, tuned: gr.HTML
    ) -> None:
        """Attach the handlers; `tuning` and `tuned` are the chat's."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        triggers = [self.search.click, self.query.submit, *(choice.release for choice in self._choices)]
        for trigger in triggers:
            trigger(self._search, [knowledge_bases, self.query, *self._choices], [self.hits], **quiet)
        self.apply.click(self._apply, self._choices, [tuning, tuned, self.notice], **quiet)
        for component in (self.hits, reader):
            component.read(self._read, None, [reader], **quiet)

    @property
    def opened(self) -> list[Any]:
        """The components that `open` fills."""
        return [self.threshold, self.notice]

    def open(self, language: Language) -> Updates:
        """The threshold that the embedder is calibrated for, or the settings'; or why there is none."""
        try:
            return round(self._service.threshold(), 2), ""
        except KNOWN as error:
            return gr.skip(), notice_html(error, language)

    def _search(
        self,
        names: list[str] | None,
        query: str,
        top_k: int,
        threshold: float,
        dense: float,
        keyword: float,
        request: gr.Request,
    ) -> Any:
        language = language_of(request.headers, self._service.settings.language)
        if not query.strip():
            return gr.skip()
        if not names:
            return notice_html(text("choose_first", language), language)
        weights = (dense, keyword) if dense + keyword > 0 else (1.0, 1.0)
        try:
            hits = self._service.search(query, names, top_k=int(top_k), threshold=0.0, weights=weights)
        except KNOWN as error:
            return notice_html(error, language)
        return hits_html(hits, query, threshold, language, weighted=weights != AS_CALIBRATED)

    def _apply(
        self, top_k: int, threshold: float, dense: float, keyword: float, request: gr.Request
    ) -> Updates:
        language = language_of(request.headers, self._service.settings.language)
        if dense + keyword <= 0:
            dense = keyword = 1.0
        tuning = Tuning(int(top_k), threshold, dense, keyword)
        return tuning, tuning_html(tuning, language), notice_html(text("tuning_applied", language), language)

    def _read(self, event: gr.EventData, request: gr.Request) -> Any:
        data = event._data or {}
        language = language_of(request.headers, self._service.settings.language)
        chunk = str(data.get("chunk", ""))
        try:
            return document_html(
                self._service,
                str(data.get("base", "")),
                str(data.get("document", "")),
                language,
                chunk_id=int(chunk) if chunk.isdecimal() else None,
                turn=str(data.get("turn", "")),
            )
        except KNOWN as error:
            return notice_html(error, language)
