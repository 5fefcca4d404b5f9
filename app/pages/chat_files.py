"""Files of one conversation: taking them in, and how far they have come. Imported by `mount` only."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

from app.failures import KNOWN, Failure
from app.messages import Language
from app.pages import jobs_html
from app.pages.texts import text
from app.pages.uploads import take_in
from knowledge_base.types import JobInfo

if TYPE_CHECKING:
    from app.service import Service

_POLL_SECONDS = 0.5


class ChatFiles:
    """Builds the row of files inside the current `gr.Blocks`; the chat connects it."""

    def __init__(self, service: Service, label: gr.I18n) -> None:
        self._service = service
        self.rejected = gr.State([])
        with gr.Row(visible=False, elem_id="zw-chat-files", elem_classes="zw-files") as self.row:
            self.upload = gr.UploadButton(
                label("chat_upload"), file_count="multiple", elem_id="zw-chat-upload", scale=0, min_width=120
            )
            self.state = gr.HTML(elem_id="zw-chat-files-state", apply_default_css=False)
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
        chips = "".join(f"<li><bdi>{escape(info.name)}</bdi></li>" for info in documents)
        listed = f'<ul class="zw-chips" aria-label="{escape(text("chat_files", language))}">{chips}</ul>'
        failed = [job for job in jobs if any(file.state == "failed" for file in job.documents)]
        progress = "".join(jobs_html.job_html(job, language) for job in (*busy, *failed[:1]))
        return jobs_html.rejected_html(rejected, language) + listed + progress, bool(busy)
