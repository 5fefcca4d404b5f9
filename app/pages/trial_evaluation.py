"""Evaluating a question set with several settings, and applying the best. Imported by `mount` only."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.evaluation.configurations import AS_IT_IS, matrix_of, settings_splitter
from app.evaluation.question_sets import QuestionSet, read_question_set, sample_set
from app.failures import KNOWN
from app.messages import Language
from app.pages.amounts import moment_text
from app.pages.chat_choices import SAMPLES
from app.pages.evaluation_html import question_set_html, report_html, run_html, status_html
from app.pages.language import language_of
from app.pages.library_html import notice_html
from app.pages.scripts import ACTIONS, TRANSFERS
from app.pages.texts import text
from app.pages.tuning import Tuning, tuning_html

if TYPE_CHECKING:
    from app.evaluation.background import Evaluations
    from app.service import Service

_POLL_SECONDS = 0.7
_LISTED_RUNS = 30

Updates = tuple[Any, ...]


class EvaluationTrial:
    """Builds the form, the figures and the report inside the current `gr.Blocks`."""

    def __init__(self, service: Service, evaluations: Evaluations, label: gr.I18n) -> None:
        self._service = service
        self._evaluations = evaluations
        self.questions = gr.State(None)
        self.following = gr.State(value=False)
        """Whether the end of an evaluation is still to be shown."""
        with gr.Row():
            self.upload = gr.UploadButton(
                label("set_choose"), elem_id="zw-set-upload", scale=0, min_width=160, size="md"
            )
            self.samples = gr.Button(
                label("set_samples"), elem_id="zw-set-samples", scale=0, min_width=160, size="md"
            )
        self.chosen = gr.HTML(elem_id="zw-set", apply_default_css=False)
        gr.HTML('<p class="zw-faint" data-text="matrix_hint"></p>', apply_default_css=False)
        with gr.Row():
            self.thresholds = self._field("thresholds", label)
            self.top_ks = self._field("top_ks", label)
            self.weights = self._field("weights", label, info=label("weights_info"))
            self.splitters = self._field("splitters", label)
            self.hold_out = gr.Slider(
                0, 0.9, 0, step=0.1, label=label("hold_out"), elem_id="zw-hold-out", min_width=160
            )
        self.start = gr.Button(label("evaluation_start"), variant="primary", elem_id="zw-evaluate", size="md")
        self.notice = gr.HTML(elem_id="zw-evaluation-notice", apply_default_css=False)
        self.status = gr.HTML(js_on_load=ACTIONS, elem_id="zw-evaluation-status", apply_default_css=False)
        self.runs = gr.Dropdown(label=label("evaluation_runs"), elem_id="zw-runs", visible=False)
        self.rows = gr.HTML(js_on_load=ACTIONS, elem_id="zw-evaluation", apply_default_css=False)
        self.report = gr.HTML(js_on_load=TRANSFERS, elem_id="zw-evaluation-report", apply_default_css=False)
        self.timer = gr.Timer(_POLL_SECONDS, active=False)

    @staticmethod
    def _field(name: str, label: gr.I18n, *, info: Any = None) -> gr.Textbox:
        return gr.Textbox(
            label=label(name),
            placeholder=label(f"{name}_hint"),
            info=info,
            max_lines=1,
            min_width=160,
            elem_id=f"zw-{name}",
        )

    def connect(self, knowledge_bases: gr.Dropdown, tuning: gr.State, tuned: gr.HTML) -> None:
        """Attach the handlers; `tuning` and `tuned` are the chat's."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        chosen = [self.questions, self.chosen, self.notice]
        self.upload.upload(self._read, [self.upload], chosen, **quiet)
        self.samples.click(self._read_samples, None, [*chosen, knowledge_bases], **quiet)
        varied = [self.thresholds, self.top_ks, self.weights, self.splitters, self.hold_out]
        followed = [self.notice, self.status, self.timer, self.following]
        self.start.click(self._start, [self.questions, knowledge_bases, *varied], followed, **quiet)
        self.status.act(self._cancel, None, [self.status], **quiet)
        self.timer.tick(
            self._poll, [self.following], [self.status, self.timer, self.following, self.runs], **quiet
        )
        self.runs.change(self._show, [self.runs], [self.rows, self.report], **quiet)
        self.rows.act(self._apply, [self.runs], [tuning, tuned, self.notice], **quiet)

    @property
    def opened(self) -> list[Any]:
        """The components that `open` fills."""
        return [self.chosen, self.status, self.timer, self.following, self.runs]

    def open(self, questions: QuestionSet | None, language: Language) -> Updates:
        """What there is already: runs of earlier, and one that is still going on."""
        try:
            status = self._evaluations.status()
            runs = self._listed()
        except KNOWN as error:  # another key's to see
            return notice_html(error, language), "", gr.Timer(active=False), False, gr.skip()
        chosen = question_set_html(questions, language)
        return chosen, status_html(status, language), gr.Timer(active=status.running), status.running, runs

    def _listed(self, chosen: str = "") -> Any:
        runs = self._evaluations.runs()[:_LISTED_RUNS]
        choices = [(f"{moment_text(run.date)} · {run.question_set}", run.id) for run in runs]
        return gr.update(choices=choices, visible=bool(choices), value=chosen or None)

    def _read(self, path: str | None, request: gr.Request) -> Updates:
        language = self._language(request)
        if not path:
            return gr.skip(), gr.skip(), gr.skip()
        try:
            questions = read_question_set(Path(path))
        except KNOWN as error:
            return None, question_set_html(None, language), notice_html(error, language)
        finally:
            shutil.rmtree(Path(path).parent, ignore_errors=True)  # a folder of this file alone
        return questions, question_set_html(questions, language), ""

    def _read_samples(self, request: gr.Request) -> Updates:
        """The questions that come with the samples, asked of these."""
        language, questions = self._language(request), sample_set()
        names = [info.name for info in self._service.knowledge_bases()]
        chosen = [SAMPLES] if SAMPLES in names else []
        notice = "" if chosen else notice_html(text("set_no_samples", language, name=SAMPLES), language)
        return questions, question_set_html(questions, language), notice, gr.update(value=chosen)

    def _start(
        self,
        questions: QuestionSet | None,
        knowledge_bases: list[str] | None,
        thresholds: str,
        top_ks: str,
        weights: str,
        splitters: str,
        hold_out: float,
        request: gr.Request,
    ) -> Updates:
        language = self._language(request)
        if questions is None:
            return notice_html(text("set_first", language), language), gr.skip(), gr.skip(), gr.skip()
        try:
            matrix = matrix_of(
                self._service.settings,
                thresholds=_numbers(thresholds, float),
                top_ks=_numbers(top_ks, int),
                weights=_parts(weights),
                splitters=_parts(splitters),
            )
            for name in knowledge_bases or ():
                self._service.knowledge_base(name)
            self._evaluations.start(
                questions, matrix=matrix, knowledge_bases=knowledge_bases or (), hold_out=hold_out
            )
        except KNOWN as error:
            return notice_html(error, language), gr.skip(), gr.skip(), gr.skip()
        except ValueError:
            return notice_html(text("matrix_wrong", language), language), gr.skip(), gr.skip(), gr.skip()
        return "", status_html(self._evaluations.status(), language), gr.Timer(active=True), True

    def _cancel(self, event: gr.EventData, request: gr.Request) -> str:
        language = self._language(request)
        if event._data.get("action") == "cancel":
            self._evaluations.cancel()
        return status_html(self._evaluations.status(), language)

    def _poll(self, following: bool, request: gr.Request) -> Updates:
        status = self._evaluations.status()
        shown = status_html(status, self._language(request))
        if status.running or not following:
            return shown, gr.Timer(active=status.running), status.running, gr.skip()
        return shown, gr.Timer(active=False), False, self._listed(status.run)

    def _show(self, run_id: str | None, request: gr.Request) -> Updates:
        language = self._language(request)
        if not run_id:
            return "", ""
        try:
            run = self._evaluations.run(run_id)
        except KNOWN as error:
            return notice_html(error, language), ""
        return run_html(run, language), report_html(run, language)

    def _apply(self, run_id: str | None, event: gr.EventData, request: gr.Request) -> Updates:
        language = self._language(request)
        row = str(event._data.get("row", ""))
        try:
            rows = self._evaluations.run(run_id or "").rows
        except KNOWN as error:
            return gr.skip(), gr.skip(), notice_html(error, language)
        if not row.isdecimal() or int(row) >= len(rows):
            return gr.skip(), gr.skip(), gr.skip()
        found = rows[int(row)].configuration
        tuning = Tuning(found.top_k, found.threshold, found.dense, found.keyword)
        notice = text("tuning_applied", language)
        if found.splitter not in (AS_IT_IS, settings_splitter(self._service.settings)):
            notice += text("tuning_splitter", language, splitter=found.splitter)
        return tuning, tuning_html(tuning, language), notice_html(notice, language)

    def _language(self, request: gr.Request) -> Language:
        return language_of(request.headers, self._service.settings.language)


def _parts(wished: str) -> list[str]:
    return [part for part in re.split(r"[\s,，;；、]+", wished or "") if part]


def _numbers(wished: str, kind: type[Any]) -> list[Any]:
    """Raises `ValueError` for what is no number."""
    return [kind(part) for part in _parts(wished)]
