"""The retrieval test: a query, a splitter, a whole question set tried out. Imported by `mount` only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from app.evaluation.question_sets import QuestionSet
from app.pages.language import language_of
from app.pages.scripts import ACTIONS
from app.pages.trial_evaluation import EvaluationTrial
from app.pages.trial_search import SearchTrial
from app.pages.trial_splitter import SplitterTrial

if TYPE_CHECKING:
    from app.evaluation.background import Evaluations
    from app.service import Service


class RetrievalTab:
    """Builds the tab inside the current `gr.Blocks`."""

    def __init__(self, service: Service, evaluations: Evaluations, label: gr.I18n) -> None:
        self._service = service
        self.ready = gr.State(value=False)
        """Whether the tab was shown before."""
        with gr.Row(elem_classes="zw-chat"):
            with gr.Column(scale=1, min_width=280, elem_id="zw-trial"):
                self.knowledge_bases = gr.Dropdown(
                    label=label("knowledge_bases"), multiselect=True, elem_id="zw-trial-libraries"
                )
                with gr.Tabs(elem_id="zw-trial-tabs"):
                    with gr.Tab(label("trial_query"), id="query", elem_id="zw-trial-query"):
                        self.search = SearchTrial(service, label)
                    with gr.Tab(label("trial_splitter"), id="splitter", elem_id="zw-trial-splitter"):
                        self.splitter = SplitterTrial(service, label)
                    with gr.Tab(label("trial_evaluation"), id="evaluation", elem_id="zw-trial-evaluation"):
                        self.evaluation = EvaluationTrial(service, evaluations, label)
            self.reader = gr.HTML(
                js_on_load=ACTIONS,
                elem_id="zw-trial-reader",
                apply_default_css=False,
            )

    def connect(self, item: gr.Tab, tuning: gr.State, tuned: gr.HTML) -> None:
        """Attach the handlers; `item` is the tab itself, `tuning` and `tuned` are the chat's."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        self.search.connect(self.knowledge_bases, self.reader, tuning, tuned)
        self.splitter.connect()
        self.evaluation.connect(self.knowledge_bases, tuning, tuned)
        item.select(
            self._show,
            [self.ready, self.knowledge_bases, self.splitter.knowledge_base, self.evaluation.questions],
            [
                self.ready,
                self.knowledge_bases,
                self.splitter.knowledge_base,
                *self.search.opened,
                *self.evaluation.opened,
            ],
            **quiet,
        )

    def _show(
        self,
        ready: bool,
        chosen: list[str] | None,
        one: str | None,
        questions: QuestionSet | None,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """What there is to choose from now."""
        language = language_of(request.headers, self._service.settings.language)
        names = [info.name for info in self._service.knowledge_bases()]
        kept = [name for name in chosen or () if name in names] or names
        return (
            True,
            gr.update(choices=names, value=kept),
            gr.update(choices=names, value=one if one in names else next(iter(names), None)),
            *((gr.skip(), gr.skip()) if ready else self.search.open(language)),
            *self.evaluation.open(questions, language),
        )
