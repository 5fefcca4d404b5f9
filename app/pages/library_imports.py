"""Taking in an exported knowledge base: a job with progress, to be cancelled. Imported by `mount` only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from app.failures import KNOWN
from app.messages import Language
from app.pages.job_actions import act_on_job
from app.pages.jobs_html import UNFINISHED, job_html
from app.pages.language import language_of
from app.pages.library_html import failed_html, import_html, notice_html
from app.pages.scripts import ACTIONS, IMPORT
from app.pages.texts import text

if TYPE_CHECKING:
    from app.service import Service

_POLL_SECONDS = 0.5

Updates = tuple[Any, ...]


class LibraryImports:
    """Builds the form and the progress inside the current `gr.Blocks`; the tab connects it."""

    def __init__(self, service: Service, label: gr.I18n) -> None:
        self._service = service
        self.job = gr.State("")
        """Id of the job whose progress is shown."""
        with gr.Accordion(label("library_import"), open=False, elem_id="zw-import-library"):
            self.form = gr.HTML(js_on_load=IMPORT, elem_id="zw-import", apply_default_css=False)
            self.progress = gr.HTML(js_on_load=ACTIONS, elem_id="zw-import-progress", apply_default_css=False)
        self.timer = gr.Timer(_POLL_SECONDS, active=False)

    def connect(self, notice: gr.HTML, selected: gr.Dropdown, fresh: gr.State) -> None:
        """Attach the handlers; what was taken in is `selected` then, and among the `fresh`."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        shown = [notice, self.job, self.progress, self.timer]
        self.form.act(self._sent, None, shown, **quiet)
        self.progress.act(self._act, [self.job], shown, **quiet)
        self.timer.tick(self._poll, [self.job, fresh], [*shown, selected, fresh], **quiet)

    def form_html(self, language: Language) -> str:
        """What the form shows."""
        return import_html(language)

    def _sent(self, event: gr.EventData, request: gr.Request) -> Updates:
        """After the page's script has sent the package, with what came of it."""
        language = self._language(request)
        if message := event._data.get("error"):
            return failed_html(str(message)), gr.skip(), gr.skip(), gr.skip()
        return self._shown(str(event._data.get("job", "")), language)

    def _act(self, job_id: str, event: gr.EventData, request: gr.Request) -> Updates:
        language = self._language(request)
        notice = act_on_job(self._service, event._data, language)
        return notice, *self._shown(job_id, language)[1:]

    def _poll(self, job_id: str, fresh: list[str], request: gr.Request) -> Updates:
        language = self._language(request)
        shown = self._shown(job_id, language)
        try:
            job = self._service.job(job_id)
        except KNOWN:
            return *shown, gr.skip(), gr.skip()
        if job.state != "done":
            return *shown, gr.skip(), gr.skip()
        name = job.documents[0].name
        names = [info.name for info in self._service.knowledge_bases()]
        chosen = gr.update(choices=names, value=name)
        done = notice_html(text("imported", language, name=name), language)
        return done, "", "", gr.Timer(active=False), chosen, [*fresh, name]

    def _shown(self, job_id: str, language: Language) -> Updates:
        """Notice, job, progress and timer of an import as it is now."""
        try:
            job = self._service.job(job_id)
        except KNOWN as error:
            return notice_html(error, language), "", "", gr.Timer(active=False)
        # What has just ended is told by the next look, which also opens what was taken in.
        watched = job.state in (*UNFINISHED, "done")
        return gr.skip(), job_id, job_html(job, language), gr.Timer(active=watched)

    def _language(self, request: gr.Request) -> Language:
        return language_of(request.headers, self._service.settings.language)
