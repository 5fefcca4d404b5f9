"""Knowledge bases: make, describe, delete, upload, look at documents, test the search.

Imported by `mount` only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.failures import KNOWN
from app.messages import Language
from app.pages import library_html
from app.pages.language import language_of
from app.pages.library_html import notice_html
from app.pages.scripts import ACTIONS
from app.pages.texts import text
from app.pages.uploads import take_in
from knowledge_base.types import JobInfo

if TYPE_CHECKING:
    from app.service import Service

_POLL_SECONDS = 0.5
_TEST_HITS = 10
_UNFINISHED = ("queued", "running")

Updates = tuple[Any, ...]


class LibraryTab:
    """Builds the components of the knowledge-base tab inside the current `gr.Blocks`."""

    def __init__(self, service: Service, label: gr.I18n) -> None:
        self._service = service
        self.jobs = gr.State([])
        """Ids of the jobs whose progress is shown."""
        self.rejected = gr.State([])
        """(name, reason) of the files of the last upload that were not taken in."""
        self.fresh = gr.State([])
        """Names of what was made or uploaded to since the chat was last shown."""
        with gr.Row(elem_classes="zw-columns"):
            with gr.Column(scale=1, min_width=260):
                self.selected = gr.Dropdown(label=label("library_select"), elem_id="zw-library")
                with gr.Accordion(label("library_new"), open=False, elem_id="zw-new-library") as self.making:
                    self.name = gr.Textbox(
                        label=label("library_name"),
                        placeholder=label("library_name_hint"),
                        max_lines=1,
                        elem_id="zw-library-name",
                    )
                    self.description = gr.Textbox(
                        label=label("library_description"), lines=2, elem_id="zw-library-description"
                    )
                    self.create = gr.Button(label("library_create"), variant="primary", elem_id="zw-create")
                with gr.Accordion(label("library_edit"), open=False, visible=False) as self.editing:
                    self.new_name = gr.Textbox(label=label("library_name"), max_lines=1)
                    self.new_description = gr.Textbox(label=label("library_description"), lines=2)
                    self.save = gr.Button(label("library_save"), elem_id="zw-save")
            with gr.Column(scale=3, min_width=300):
                self.notice = gr.HTML(elem_id="zw-notice", apply_default_css=False)
                self.header = gr.HTML(js_on_load=ACTIONS, elem_id="zw-header", apply_default_css=False)
                with gr.Column(visible=False) as self.content:
                    self.upload = gr.File(
                        label=label("upload"),
                        file_count="multiple",
                        height=150,
                        elem_id="zw-upload",
                    )
                    self.upload_hint = gr.HTML(elem_id="zw-upload-hint", apply_default_css=False)
                    self.progress = gr.HTML(
                        js_on_load=ACTIONS, elem_id="zw-progress", apply_default_css=False
                    )
                    self.documents = gr.HTML(
                        js_on_load=ACTIONS, elem_id="zw-documents", apply_default_css=False
                    )
                    self.chunks = gr.HTML(js_on_load=ACTIONS, elem_id="zw-chunks", apply_default_css=False)
                    with gr.Accordion(label("search_test"), open=False, elem_id="zw-search-test"):
                        with gr.Row():
                            self.query = gr.Textbox(
                                label=label("search_query"), max_lines=2, scale=6, elem_id="zw-query"
                            )
                            self.search = gr.Button(
                                label("search_run"), scale=1, min_width=80, elem_id="zw-search"
                            )
                        self.hits = gr.HTML(elem_id="zw-hits", apply_default_css=False)
        self.timer = gr.Timer(_POLL_SECONDS, active=False)

    @property
    def shown(self) -> list[Any]:
        """The components that show the selected knowledge base."""
        return [
            self.header,
            self.content,
            self.editing,
            self.new_name,
            self.new_description,
            self.upload_hint,
            self.documents,
        ]

    @property
    def watched(self) -> list[Any]:
        """The components that follow the jobs of the selected knowledge base."""
        return [self.jobs, self.rejected, self.progress, self.timer]

    def connect(self) -> None:
        """Attach the handlers."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        self.selected.change(
            self.select,
            [self.selected],
            [*self.shown, *self.watched, self.chunks, self.hits],
            **quiet,
        )
        create = [self.notice, self.selected, self.name, self.description, self.making, self.fresh]
        for trigger in (self.create.click, self.name.submit):
            trigger(self._create, [self.name, self.description, self.fresh], create, **quiet)
        self.save.click(
            self._save,
            [self.selected, self.new_name, self.new_description],
            [self.notice, self.selected, *self.shown],
            **quiet,
        )
        self.header.act(self._delete, [self.selected], [self.notice, self.selected], **quiet)
        self.upload.upload(
            self._take_in,
            [self.selected, self.upload, self.jobs, self.fresh],
            [self.notice, self.upload, *self.watched, self.fresh],
            **quiet,
        )
        self.timer.tick(
            self._poll,
            [self.selected, self.jobs, self.rejected],
            [self.progress, self.timer, self.header, self.documents],
            **quiet,
        )
        self.progress.act(
            self._job_action,
            [self.jobs, self.rejected],
            [self.notice, self.progress, self.timer],
            **quiet,
        )
        for component in (self.documents, self.chunks):
            component.act(
                self._document_action,
                [self.selected],
                [self.notice, self.chunks, self.header, self.documents],
                **quiet,
            )
        for trigger in (self.search.click, self.query.submit):
            trigger(self._search, [self.selected, self.query], [self.hits], **quiet)

    def load(self) -> Any:
        """The first state: the knowledge base made last."""
        infos = self._service.knowledge_bases()
        newest = max(infos, key=lambda info: info.created_at, default=None)
        return gr.update(
            choices=[info.name for info in infos], value=newest.name if newest else None
        ), gr.update(open=not infos)

    def select(self, name: str | None, request: gr.Request) -> Updates:
        """Show a knowledge base, with its unfinished jobs."""
        jobs = [
            job.id for job in self._service.jobs() if job.knowledge_base == name and job.state in _UNFINISHED
        ]
        language = self._language(request)
        progress = self._progress(jobs, [], language)
        return (*self._show(name, language), jobs, [], progress, gr.Timer(active=bool(jobs)), "", "")

    def _show(self, name: str | None, language: Language) -> Updates:
        info = next((info for info in self._service.knowledge_bases() if info.name == name), None)
        found = info is not None
        documents = self._service.documents(info.name) if info else []
        return (
            library_html.header_html(info, language),
            gr.update(visible=found),
            gr.update(visible=found),
            info.name if info else "",
            info.description if info else "",
            f'<p class="zw-faint">{text("upload_hint", language)}</p>',
            library_html.documents_html(info.name, documents, language) if info else "",
        )

    def _create(self, name: str, description: str, fresh: list[str], request: gr.Request) -> Updates:
        if not name.strip():
            return tuple(gr.skip() for _ in range(6))
        language = self._language(request)
        try:
            info = self._service.create_knowledge_base(name.strip(), description.strip())
        except KNOWN as error:
            return notice_html(error, language), *(gr.skip() for _ in range(5))
        done = text("library_created", language, name=info.name)
        choices = self._choices(info.name)
        return notice_html(done, language), choices, "", "", gr.update(open=False), [*fresh, info.name]

    def _save(self, selected: str, name: str, description: str, request: gr.Request) -> Updates:
        language = self._language(request)
        new_name = name.strip() if name.strip() and name.strip() != selected else None
        try:
            info = self._service.update_knowledge_base(
                selected, new_name=new_name, description=description.strip()
            )
        except KNOWN as error:
            return notice_html(error, language), *(gr.skip() for _ in range(1 + len(self.shown)))
        done = text("library_saved", language)
        return notice_html(done, language), self._choices(info.name), *self._show(info.name, language)

    def _delete(self, selected: str, event: gr.EventData, request: gr.Request) -> Updates:
        if event._data.get("action") != "delete":
            return gr.skip(), gr.skip()
        language = self._language(request)
        try:
            self._service.delete_knowledge_base(selected)
        except KNOWN as error:
            return notice_html(error, language), gr.skip()
        names = [info.name for info in self._service.knowledge_bases()]
        done = text("library_deleted", language, name=selected)
        choices = gr.update(choices=names, value=names[0] if names else None)
        return notice_html(done, language), choices

    def _choices(self, selected: str) -> Any:
        return gr.update(choices=[info.name for info in self._service.knowledge_bases()], value=selected)

    def _take_in(
        self,
        selected: str | None,
        paths: list[str] | None,
        jobs: list[str],
        fresh: list[str],
        request: gr.Request,
    ) -> Updates:
        language = self._language(request)
        job_id, rejected = take_in(self._service, selected or "", [Path(p) for p in paths or ()], language)
        if job_id is not None:
            jobs = [*self._unfinished(jobs), job_id]
            fresh = [*fresh, selected or ""]
        progress = self._progress(jobs, rejected, language)
        return "", None, jobs, rejected, progress, gr.Timer(active=bool(jobs)), fresh

    def _poll(
        self,
        selected: str | None,
        jobs: list[str],
        rejected: list[tuple[str, str]],
        request: gr.Request,
    ) -> Updates:
        language = self._language(request)
        shown = self._show(selected, language)
        active = bool(self._unfinished(jobs))
        return self._progress(jobs, rejected, language), gr.Timer(active=active), shown[0], shown[-1]

    def _job_action(
        self,
        jobs: list[str],
        rejected: list[tuple[str, str]],
        event: gr.EventData,
        request: gr.Request,
    ) -> Updates:
        language = self._language(request)
        actions = {"cancel": self._service.cancel_job, "retry": self._service.retry_job}
        action, job_id = actions.get(str(event._data.get("action"))), str(event._data.get("id", ""))
        notice = ""
        if action is not None and job_id in jobs:
            try:
                action(job_id)
            except KNOWN as error:
                notice = notice_html(error, language)
        return notice, self._progress(jobs, rejected, language), gr.Timer(active=True)

    def _document_action(self, selected: str, event: gr.EventData, request: gr.Request) -> Updates:
        language = self._language(request)
        try:
            notice, chunks = self._act_on_document(selected, event._data, language)
        except KNOWN as error:
            notice, chunks = notice_html(error, language), ""
        shown = self._show(selected, language)
        return notice, chunks, shown[0], shown[-1]

    def _act_on_document(
        self, selected: str, action: Mapping[str, str], language: Language
    ) -> tuple[str, str]:
        """Returns the notice and the panel of chunks."""
        if action.get("action") not in ("chunks", "remove"):
            return "", ""
        info = self._service.document(selected, str(action.get("id", "")))
        if action["action"] == "remove":
            self._service.delete_document(selected, info.id)
            return notice_html(text("document_deleted", language, name=info.name), language), ""
        first = str(action.get("first", "0"))
        chunks = self._service.document_chunks(selected, info.id)
        return "", library_html.chunks_html(info, chunks, int(first) if first.isdigit() else 0, language)

    def _search(self, selected: str, query: str, request: gr.Request) -> Any:
        language = self._language(request)
        if not query.strip():
            return gr.skip()
        try:
            hits = self._service.search(query, [selected], top_k=_TEST_HITS, threshold=0.0)
        except KNOWN as error:
            return notice_html(error, language)
        return library_html.hits_html(hits, self._service.threshold(), language)

    def _progress(self, jobs: Sequence[str], rejected: Sequence[tuple[str, str]], language: Language) -> str:
        shown = "".join(library_html.job_html(job, language) for job in self._known(jobs))
        return library_html.rejected_html(rejected, language) + shown

    def _unfinished(self, jobs: Sequence[str]) -> list[str]:
        return [job.id for job in self._known(jobs) if job.state in _UNFINISHED]

    def _known(self, jobs: Sequence[str]) -> Iterator[JobInfo]:
        for job_id in jobs:
            try:
                yield self._service.job(job_id)
            except KNOWN:  # its knowledge base was deleted
                continue

    def _language(self, request: gr.Request) -> Language:
        return language_of(request.headers, self._service.settings.language)
