"""Knowledge bases: make, describe, delete, upload, look at documents, test the search.

Imported by `mount` only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from app.failures import KNOWN, Failure
from app.messages import Language
from app.pages import library_html
from app.pages.language import language_of
from app.pages.scripts import ACTIONS
from app.pages.texts import text
from app.service import Service
from knowledge_base.files import StoredFile
from knowledge_base.types import JobInfo

_BLOCK = 1 << 20
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
        create = [self.selected, self.name, self.description, self.making]
        for trigger in (self.create.click, self.name.submit):
            trigger(self._create, [self.name, self.description], create, **quiet)
        self.save.click(
            self._save,
            [self.selected, self.new_name, self.new_description],
            [self.selected, *self.shown],
            **quiet,
        )
        self.header.act(self._delete, [self.selected], [self.selected], **quiet)
        self.upload.upload(
            self._take_in,
            [self.selected, self.upload, self.jobs],
            [self.upload, *self.watched],
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
            [self.progress, self.timer],
            **quiet,
        )
        for component in (self.documents, self.chunks):
            component.act(
                self._document_action,
                [self.selected],
                [self.chunks, self.header, self.documents],
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

    def _create(self, name: str, description: str, request: gr.Request) -> Updates:
        language = self._language(request)
        if not name.strip():
            return tuple(gr.skip() for _ in range(4))
        with _reported(language):
            info = self._service.create_knowledge_base(name.strip(), description.strip())
            gr.Info(text("library_created", language, name=info.name), title=text("tab_library", language))
            return self._choices(info.name), "", "", gr.update(open=False)

    def _save(self, selected: str, name: str, description: str, request: gr.Request) -> Updates:
        language = self._language(request)
        with _reported(language):
            new_name = name.strip() if name.strip() and name.strip() != selected else None
            info = self._service.update_knowledge_base(
                selected, new_name=new_name, description=description.strip()
            )
            gr.Info(text("library_saved", language), title=text("tab_library", language))
            return self._choices(info.name), *self._show(info.name, language)

    def _delete(self, selected: str, event: gr.EventData, request: gr.Request) -> Any:
        if event._data.get("action") != "delete":
            return gr.skip()
        language = self._language(request)
        with _reported(language):
            self._service.delete_knowledge_base(selected)
            gr.Info(text("library_deleted", language, name=selected), title=text("tab_library", language))
        names = [info.name for info in self._service.knowledge_bases()]
        return gr.update(choices=names, value=names[0] if names else None)

    def _choices(self, selected: str) -> Any:
        return gr.update(choices=[info.name for info in self._service.knowledge_bases()], value=selected)

    def _take_in(
        self, selected: str | None, paths: list[str] | None, jobs: list[str], request: gr.Request
    ) -> Updates:
        """Store the uploaded files and queue them; the copies that Gradio made are deleted."""
        language = self._language(request)
        stored: list[StoredFile] = []
        rejected: list[tuple[str, str]] = []
        for path in map(Path, paths or []):
            try:
                stored.append(self._service.store(path.name, _blocks(path)))
            except Exception as error:
                rejected.append((path.name, Failure.of(error, language).message))
            finally:
                path.unlink(missing_ok=True)
        if stored:
            try:
                jobs = [*self._unfinished(jobs), self._service.submit(selected or "", stored).id]
            except KNOWN as error:
                reason = Failure.of(error, language).message
                rejected.extend((file.name, reason) for file in stored)
        progress = self._progress(jobs, rejected, language)
        return None, jobs, rejected, progress, gr.Timer(active=bool(jobs))

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
        job_id = str(event._data.get("id", ""))
        with _reported(language):
            if job_id in jobs:
                act = {"cancel": self._service.cancel_job, "retry": self._service.retry_job}
                act[str(event._data["action"])](job_id)
        return self._progress(jobs, rejected, language), gr.Timer(active=True)

    def _document_action(self, selected: str, event: gr.EventData, request: gr.Request) -> Updates:
        language = self._language(request)
        action, document_id = event._data.get("action"), str(event._data.get("id", ""))
        with _reported(language):
            if action == "chunks":
                info = self._service.document(selected, document_id)
                chunks = self._service.document_chunks(selected, document_id)
                first = str(event._data.get("first", "0"))
                html = library_html.chunks_html(info, chunks, int(first) if first.isdigit() else 0, language)
                return html, gr.skip(), gr.skip()
            if action == "remove":
                info = self._service.document(selected, document_id)
                self._service.delete_document(selected, document_id)
                gr.Info(
                    text("document_deleted", language, name=info.name), title=text("tab_library", language)
                )
        shown = self._show(selected, language)
        return "", shown[0], shown[-1]

    def _search(self, selected: str, query: str, request: gr.Request) -> Any:
        language = self._language(request)
        if not query.strip():
            return gr.skip()
        with _reported(language):
            hits = self._service.search(query, [selected], top_k=_TEST_HITS, threshold=0.0)
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
        return language_of(request, self._service.settings.language)


class _reported:  # noqa: N801 - reads as a statement
    """Turns an error into the message that Gradio shows to the user."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            failure = Failure.of(error, self._language)
            raise gr.Error(
                failure.message, title=text("badge_error", self._language), print_exception=False
            ) from error


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            yield block
