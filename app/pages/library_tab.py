"""Knowledge bases: describe, delete, export, and the list of documents.

Imported by `mount` only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from app.failures import KNOWN
from app.messages import Language
from app.pages import library_html
from app.pages.document_view import DocumentView
from app.pages.language import language_of
from app.pages.library_html import notice_html
from app.pages.library_imports import LibraryImports
from app.pages.library_list import LibraryList
from app.pages.library_making import LibraryMaking
from app.pages.library_uploads import LibraryUploads
from app.pages.scripts import ACTIONS, TRANSFERS
from app.pages.texts import text

if TYPE_CHECKING:
    from app.service import Service

Updates = tuple[Any, ...]


class LibraryTab:
    """Builds the components of the knowledge-base tab inside the current `gr.Blocks`."""

    def __init__(self, service: Service, label: gr.I18n) -> None:
        self._service = service
        self.fresh = gr.State([])
        """Names of what was made or uploaded to since the chat was last shown."""
        with gr.Row(elem_classes="zw-columns"):
            with gr.Column(scale=1, min_width=260, elem_id="zw-library-side"):
                self._build_side(label)
            with gr.Column(scale=3, min_width=300):
                self.notice = gr.HTML(elem_id="zw-notice", apply_default_css=False)
                with gr.Column() as self.listing:
                    self.header = gr.HTML(
                        js_on_load=ACTIONS + TRANSFERS, elem_id="zw-header", apply_default_css=False
                    )
                    with gr.Column(visible=False) as self.content:
                        self.uploads = LibraryUploads(service)
                        self.list = LibraryList(service, label)
                self.view = DocumentView(service)
            self.view.build_reader()

    def _build_side(self, label: gr.I18n) -> None:
        self.selected = gr.Dropdown(label=label("library_select"), elem_id="zw-library")
        self.making = LibraryMaking(self._service, label)
        with gr.Accordion(
            label("library_edit"), open=False, visible=False, elem_id="zw-edit-library"
        ) as self.editing:
            self.new_name = gr.Textbox(label=label("library_name"), max_lines=1, elem_id="zw-new-name")
            self.new_description = gr.Textbox(label=label("library_description"), lines=2)
            self.save = gr.Button(label("library_save"), elem_id="zw-save")
        self.importing = LibraryImports(self._service, label)

    @property
    def shown(self) -> list[Any]:
        """The components that show the selected knowledge base."""
        return [
            self.header,
            self.content,
            self.editing,
            self.new_name,
            self.new_description,
            self.list.documents,
        ]

    def connect(self) -> None:
        """Attach the handlers."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        uploads, view = self.uploads, self.view
        begun = [self.list.query, self.list.first, *view.outputs, self.listing]
        switched = [*self.shown, uploads.zone, *uploads.watched, *begun]
        chosen = self.selected.change(self.select, [self.selected], switched, **quiet)
        for form in (self.making, self.importing):
            form.connect(self.notice, self.selected, self.fresh)
        self.save.click(
            self._save,
            [self.selected, self.new_name, self.new_description],
            [self.notice, self.selected, *self.shown],
            **quiet,
        )
        acted = self.header.act(
            self._act,
            [self.selected, uploads.jobs, uploads.rejected],
            [self.notice, self.selected, *uploads.watched],
            **quiet,
        )
        uploaded = uploads.zone.act(
            self._uploaded,
            [self.selected, uploads.jobs, self.fresh],
            [self.notice, *uploads.watched, self.fresh],
            # What was sent one after the other is told so, and each time added to what was before.
            trigger_mode="multiple",
            concurrency_limit=1,
            **quiet,
        )
        uploads.progress.act(
            uploads.act,
            [uploads.jobs, uploads.rejected],
            [self.notice, uploads.progress, uploads.timer],
            **quiet,
        )
        self.list.connect(self.selected)
        listed = [self.notice, self.header, self.list.documents, self.listing]
        looked_at = [self.selected, self.list.query, self.list.first, view.state]
        self.list.documents.act(
            self._act_on_list, looked_at, [*listed, *view.outputs, self.list.first], **quiet
        )
        changed = view.html.act(
            self._act_on_document,
            [*looked_at, uploads.jobs],
            [*listed, *view.outputs, *uploads.watched],
            **quiet,
        )
        # A tick that was on its way meanwhile tells of what was before, and may have stopped the timer.
        for follow in (uploads.timer.tick, chosen.then, acted.then, uploaded.then, changed.then):
            follow(
                self._poll,
                [self.selected, uploads.jobs, uploads.rejected, self.list.query, self.list.first],
                [uploads.progress, uploads.timer, self.header, self.list.documents],
                **quiet,
            )
        for component in (view.html, view.reader):
            component.read(view.read, [self.selected, view.state], [view.reader], **quiet)

    @property
    def loaded(self) -> list[Any]:
        """The components that `load` fills."""
        return [self.selected, self.making.form, self.importing.form]

    def load(self, request: gr.Request) -> Updates:
        """The first state: the knowledge base made last."""
        infos = self._service.knowledge_bases()
        newest = max(infos, key=lambda info: info.created_at, default=None)
        chosen = gr.update(choices=[info.name for info in infos], value=newest.name if newest else None)
        return chosen, gr.update(open=not infos), self.importing.form_html(self._language(request))

    def select(self, name: str | None, request: gr.Request) -> Updates:
        """Show a knowledge base, with its unfinished jobs."""
        language = self._language(request)
        return (
            *self._show(name, language),
            self.uploads.zone_html(name, language) if name else "",
            *self.uploads.of(name, language),
            "",
            0,
            *self.view.closed(),
            gr.update(visible=True),
        )

    def _show(self, name: str | None, language: Language, query: str = "", first: int = 0) -> Updates:
        info = next((info for info in self._service.knowledge_bases() if info.name == name), None)
        found = info is not None
        return (
            library_html.header_html(info, language),
            gr.update(visible=found),
            gr.update(visible=found),
            info.name if info else "",
            info.description if info else "",
            self.list.html(info.name, language, query, first) if info else "",
        )

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

    def _act(
        self,
        selected: str,
        jobs: list[str],
        rejected: list[tuple[str, str]],
        event: gr.EventData,
        request: gr.Request,
    ) -> Updates:
        """Delete or rebuild the knowledge base, or tell why its export failed."""
        language = self._language(request)
        action = event._data.get("action")
        untouched = tuple(gr.skip() for _ in self.uploads.watched)
        try:
            if action == "rebuild":
                jobs = [*jobs, self._service.submit_rebuild(selected).id]
                done = notice_html(text("rebuild_queued", language), language)
                return done, gr.skip(), *self.uploads.shown(jobs, rejected, language)
            if action == "delete":
                self._service.delete_knowledge_base(selected)
                names = [info.name for info in self._service.knowledge_bases()]
                done = notice_html(text("library_deleted", language, name=selected), language)
                return done, gr.update(choices=names, value=names[0] if names else None), *untouched
        except KNOWN as error:
            return notice_html(error, language), gr.skip(), *untouched
        message = str(event._data.get("error", ""))
        return library_html.failed_html(message) if message else "", gr.skip(), *untouched

    def _choices(self, selected: str) -> Any:
        return gr.update(choices=[info.name for info in self._service.knowledge_bases()], value=selected)

    def _uploaded(
        self,
        selected: str | None,
        jobs: list[str],
        fresh: list[str],
        event: gr.EventData,
        request: gr.Request,
    ) -> Updates:
        data = event._data or {}
        target = str(data.get("knowledge_base", ""))
        fresh = [*fresh, target] if data.get("jobs") else fresh
        # Another one may have been chosen while the files were sent: its own jobs are shown there.
        rejected = [
            (name if base == selected else f"{base} / {name}", reason)
            for name, reason, base in data.get("rejected") or ()
        ]
        made = data.get("jobs") if target == selected else ()
        watched = self.uploads.sent({"jobs": made, "rejected": rejected}, jobs, self._language(request))
        return "", *watched, fresh

    def _poll(
        self,
        selected: str | None,
        jobs: list[str],
        rejected: list[tuple[str, str]],
        query: str,
        first: int,
        request: gr.Request,
    ) -> Updates:
        language = self._language(request)
        _, _, progress, timer = self.uploads.shown(jobs, rejected, language)
        shown = self._show(selected, language, query, first)
        return progress, timer, shown[0], shown[-1]

    # -- documents --------------------------------------------------------------------------------

    def _act_on_list(
        self, selected: str, query: str, first: int, state: Any, event: gr.EventData, request: gr.Request
    ) -> Updates:
        action, language = event._data or {}, self._language(request)
        if action.get("action") == "list":
            first = self.list.turned(str(action.get("first", "")))
            listed = self.list.html(selected, language, query, first)
            return gr.skip(), gr.skip(), listed, gr.skip(), *(gr.skip() for _ in self.view.outputs), first
        return *self._acted(selected, query, first, state, action, language), first

    def _act_on_document(
        self,
        selected: str,
        query: str,
        first: int,
        state: Any,
        jobs: list[str],
        event: gr.EventData,
        request: gr.Request,
    ) -> Updates:
        action, language = event._data or {}, self._language(request)
        if action.get("action") == "uploaded":  # another file in the document's place
            closed = (gr.skip(), gr.skip(), gr.skip(), gr.update(visible=True), *self.view.closed())
            return *closed, *self.uploads.sent(action, jobs, language)
        watched = tuple(gr.skip() for _ in self.uploads.watched)
        return *self._acted(selected, query, first, state, action, language), *watched

    def _acted(
        self, selected: str, query: str, first: int, state: Any, action: dict[str, Any], language: Language
    ) -> Updates:
        failed = ""
        if action.get("action") == "failed":  # a file could not be sent
            failed = library_html.failed_html(str(action.get("error", "")))
        else:
            try:
                notice, shown = self.view.act(selected, state, action, language)
            except KNOWN as error:
                failed = notice_html(error, language)
        if failed:
            return failed, gr.skip(), gr.skip(), gr.skip(), *(gr.skip() for _ in self.view.outputs)
        is_open = bool(shown[0].document_id)
        header, *_, listed = self._show(selected, language, query, first)
        return notice, header, listed, gr.update(visible=not is_open), *shown

    def _language(self, request: gr.Request) -> Language:
        return language_of(request.headers, self._service.settings.language)
