"""Files of one conversation: taking them in, and how far they have come. Imported by `mount` only."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.failures import KNOWN, Failure
from app.messages import Language
from app.pages import jobs_html
from app.pages.conversation import Conversation
from app.pages.job_actions import act_on_job
from app.pages.language import language_of
from app.pages.library_html import notice_html
from app.pages.markup import button
from app.pages.scripts import ACTIONS
from app.pages.texts import text
from app.pages.uploads import take_in
from knowledge_base.types import DocumentInfo, JobInfo

if TYPE_CHECKING:
    from app.service import Service

_POLL_SECONDS = 0.5


class ChatFiles:
    """Builds the row of files inside the current `gr.Blocks`; the chat connects the upload itself."""

    def __init__(self, service: Service, label: gr.I18n) -> None:
        self._service = service
        self.rejected = gr.State([])
        with gr.Row(visible=False, elem_id="zw-chat-files", elem_classes="zw-files") as self.row:
            self.upload = gr.UploadButton(
                label("chat_upload"), file_count="multiple", elem_id="zw-chat-upload", scale=0, min_width=120
            )
            self.state = gr.HTML(js_on_load=ACTIONS, elem_id="zw-chat-files-state", apply_default_css=False)
        self.timer = gr.Timer(_POLL_SECONDS, active=False)

    def take_in(self, session_id: str, paths: Sequence[str], language: Language) -> list[tuple[str, str]]:
        """Store the files for a conversation; returns (name, reason) of what was not taken in."""
        try:
            name = self._service.conversation_files.ensure(session_id)
        except KNOWN as error:  # a reader's conversation has no files
            reason = Failure.of(error, language).message
            return [(Path(path).name, reason) for path in paths]
        _, rejected = take_in(self._service, name, [Path(path) for path in paths], language)
        return rejected

    def connect(self, conversation: gr.State) -> None:
        """Attach the handlers of what has been uploaded."""
        quick: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        shown = [self.state, self.timer]
        self.state.act(self._act, [conversation], shown, **quick)
        self.timer.tick(self._poll, [conversation, self.rejected], shown, **quick)

    def _act(self, conversation: Conversation, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Take a file out again, or cancel or retry a job."""
        language = language_of(request.headers, self._service.settings.language)
        action = event._data or {}
        notice = ""
        if action.get("action") == "remove":
            try:
                name = self._service.conversation_files.name(conversation.id)
                self._service.delete_document(name or "", str(action.get("id", "")))
            except KNOWN as error:  # a reader's key, or gone already
                notice = notice_html(error, language)
        else:
            notice = act_on_job(self._service, action, language)
        shown, busy = self.shown(conversation.id, [], language)
        return notice + shown, gr.Timer(active=busy)

    def _poll(
        self, conversation: Conversation, rejected: list[tuple[str, str]], request: gr.Request
    ) -> tuple[Any, ...]:
        language = language_of(request.headers, self._service.settings.language)
        shown, busy = self.shown(conversation.id, rejected, language)
        return shown, gr.Timer(active=busy)

    def shown(
        self, session_id: str, rejected: Sequence[tuple[str, str]], language: Language
    ) -> tuple[str, bool]:
        """The files as HTML, and whether some are still being read."""
        name = self._service.conversation_files.name(session_id) if session_id else None
        if name is None:
            return jobs_html.rejected_html(rejected, language), False
        jobs: list[JobInfo] = [job for job in self._service.jobs() if job.knowledge_base == name]
        busy = [job for job in jobs if job.state in ("queued", "running")]
        documents = self._service.documents(name)
        chips = "".join(_chip(info, language) for info in documents)
        listed = f'<ul class="zw-chips" aria-label="{escape(text("chat_files", language))}">{chips}</ul>'
        failed = [job for job in jobs if any(file.state == "failed" for file in job.documents)]
        progress = "".join(jobs_html.job_html(job, language) for job in (*busy, *failed[:1]))
        return jobs_html.rejected_html(rejected, language) + listed + progress, bool(busy)


def _chip(info: DocumentInfo, language: Language) -> str:
    question = text("document_delete_confirm", language, name=info.name)
    remove = button(text("delete", language), "remove", id=info.id, confirm=question, kind="quiet danger")
    return f"<li><bdi>{escape(info.name)}</bdi>{remove}</li>"
