"""Uploads of the selected knowledge base and the progress of its jobs. Imported by `mount` only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.failures import KNOWN
from app.messages import Language
from app.pages.job_actions import act_on_job
from app.pages.jobs_html import UNFINISHED, job_html, rejected_html
from app.pages.language import language_of
from app.pages.library_html import drop_html
from app.pages.markup import button
from app.pages.scripts import ACTIONS, DROP_ZONE
from app.pages.texts import text

if TYPE_CHECKING:
    from app.service import Service
    from knowledge_base.types import JobInfo

_POLL_SECONDS = 0.5
_MOST_REJECTED = 200

Updates = tuple[Any, ...]


class LibraryUploads:
    """Builds the place where files are dropped, and what shows the jobs.

    The page's script sends the files to the HTTP interface, which checks rights and limits, and then
    tells here which jobs came of it.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self.jobs = gr.State([])
        """Ids of the jobs whose progress is shown."""
        self.rejected = gr.State([])
        """(name, reason) of the files of the last upload that were not taken in."""
        self.zone = gr.HTML(js_on_load=DROP_ZONE, elem_id="zw-upload", apply_default_css=False)
        self.progress = gr.HTML(js_on_load=ACTIONS, elem_id="zw-progress", apply_default_css=False)
        self.timer = gr.Timer(_POLL_SECONDS, active=False)

    @property
    def watched(self) -> list[Any]:
        """The components that follow the jobs."""
        return [self.jobs, self.rejected, self.progress, self.timer]

    def zone_html(self, knowledge_base: str, language: Language) -> str:
        """Where the files of this knowledge base are dropped."""
        limits = self._service.settings.limits
        return drop_html(
            knowledge_base, language, files=limits.files_per_upload, size=limits.upload_bytes * 9 // 10
        )

    def of(self, knowledge_base: str | None, language: Language) -> Updates:
        """For `watched`: the unfinished jobs of a knowledge base."""
        jobs = [
            job.id
            for job in self._service.jobs()
            if job.knowledge_base == knowledge_base and job.state in UNFINISHED
        ]
        return self.shown(jobs, [], language)

    def sent(self, data: Mapping[str, Any], jobs: Sequence[str], language: Language) -> Updates:
        """For `watched`: after the page's script has sent files, with what it says came of them."""
        made = [str(job_id) for job_id in data.get("jobs") or ()]
        rejected = [
            (str(name), str(reason)) for name, reason in (data.get("rejected") or ())[:_MOST_REJECTED]
        ]
        unfinished = [job.id for job in self._known(jobs) if job.state in UNFINISHED]
        return self.shown([*unfinished, *made], rejected, language)

    def shown(self, jobs: list[str], rejected: list[tuple[str, str]], language: Language) -> Updates:
        """For `watched`: these jobs as they are now."""
        known = list(self._known(jobs))
        html = rejected_html(rejected, language) + "".join(job_html(job, language) for job in known)
        active = any(job.state in UNFINISHED for job in known)
        if not active and any(job.state == "done" for job in known):
            html += button(text("ask_now", language), "open", tab="chat", kind="primary")
        return jobs, rejected, html, gr.Timer(active=active)

    def act(
        self,
        jobs: list[str],
        rejected: list[tuple[str, str]],
        event: gr.EventData,
        request: gr.Request,
    ) -> Updates:
        """Cancel or retry a job."""
        language = language_of(request.headers, self._service.settings.language)
        notice = act_on_job(self._service, event._data, language)
        _, _, progress, timer = self.shown(jobs, rejected, language)
        return notice, progress, timer

    def _known(self, jobs: Sequence[str]) -> Iterator[JobInfo]:
        for job_id in jobs:
            try:
                yield self._service.job(job_id)
            except KNOWN:  # its knowledge base was deleted
                continue
