"""The system: jobs, disk, versions, the log's problems, keys. Imported by `mount` only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.conversation_files import is_of_conversation
from app.errors import ForbiddenError
from app.failures import KNOWN
from app.messages import Language
from app.pages import system_html
from app.pages.job_actions import act_on_job
from app.pages.language import language_of
from app.pages.library_html import failed_html, notice_html
from app.pages.rights import browser_access
from app.pages.scripts import ACTIONS
from app.pages.texts import text
from knowledge_base.api_keys import ROLES, Role

if TYPE_CHECKING:
    from app.pages.system import SystemFacts
    from app.service import Service

_POLL_SECONDS = 2.0

Updates = tuple[Any, ...]

_FIRST_KEY = (
    "async (name, role, opens) =>"
    " [name, role, opens, JSON.stringify(await window.zhiwen.firstKey(name, role, opens))]"
)
"""The first key is made by a request of its own: what Gradio sends after it would find the door shut."""


class SystemTab:
    """Builds the tab inside the current `gr.Blocks`."""

    def __init__(self, service: Service, system: SystemFacts, label: gr.I18n) -> None:
        self._service = service
        self._system = system
        self.notice = gr.HTML(elem_id="zw-system-notice", apply_default_css=False)
        with gr.Tabs(elem_id="zw-system-tabs"):
            with gr.Tab(label("jobs"), id="jobs", elem_id="zw-system-jobs"):
                self.jobs = gr.HTML(js_on_load=ACTIONS, elem_id="zw-jobs", apply_default_css=False)
            with gr.Tab(label("state"), id="state", elem_id="zw-system-state"):
                self.disk = gr.HTML(elem_id="zw-disk", apply_default_css=False)
                self.check = gr.Button(label("check_run"), elem_id="zw-check", size="md")
                self.findings = gr.HTML(elem_id="zw-findings", apply_default_css=False)
                self.versions = gr.HTML(elem_id="zw-versions", apply_default_css=False)
                self.problems = gr.HTML(elem_id="zw-problems", apply_default_css=False)
            with gr.Tab(label("keys"), id="keys", elem_id="zw-system-keys"):
                self._build_keys(label)
        self.timer = gr.Timer(_POLL_SECONDS, active=False)

    def _build_keys(self, label: gr.I18n) -> None:
        self.keys = gr.HTML(js_on_load=ACTIONS, elem_id="zw-keys", apply_default_css=False)
        with gr.Row() as self.form:
            self.name = gr.Textbox(
                label=label("key_name"),
                placeholder=label("key_name_hint"),
                max_lines=1,
                min_width=180,
                elem_id="zw-key-name",
            )
            self.role = gr.Dropdown(
                [(label(f"role_{role}"), role) for role in ROLES],
                value="admin",
                label=label("column_role"),
                filterable=False,
                min_width=180,
                elem_id="zw-key-role",
            )
            self.opens = gr.Dropdown(
                label=label("key_opens"), multiselect=True, scale=2, min_width=220, elem_id="zw-key-opens"
            )
            self.make = gr.Button(
                label("key_make"), variant="primary", scale=0, min_width=120, elem_id="zw-key-make"
            )
        self.secret = gr.HTML(elem_id="zw-key-secret", apply_default_css=False)
        self.first = gr.Textbox(visible=False)

    def connect(self, item: gr.Tab, others: list[gr.Tab]) -> None:
        """Attach the handlers; `item` is the tab itself, with the `others` it is not seen."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        shown = [self.notice, self.jobs, self.disk, self.versions, self.problems, self.keys, self.opens]
        item.select(self._show, None, [*shown, self.timer, self.secret, self.check, self.form], **quiet)
        for other in others:
            other.select(lambda: gr.Timer(active=False), None, [self.timer], **quiet)
        self.timer.tick(self._poll, None, [self.jobs, self.timer], **quiet)
        self.jobs.act(self._act_on_job, None, [self.notice, self.jobs], **quiet)
        self.check.click(
            self._check, None, [self.findings], api_visibility="private", show_progress_on=[self.findings]
        )
        made = [self.notice, self.keys, self.secret, self.name, self.opens]
        asked = [self.name, self.role, self.opens, self.first]
        self.make.click(self._make, asked, made, js=_FIRST_KEY, **quiet)
        self.keys.act(self._revoke, None, [self.notice, self.keys], **quiet)

    def _show(self, request: gr.Request) -> Updates:
        language = self._language(request)
        jobs = self._jobs(language)
        active = gr.Timer(active=True)
        try:
            disk = system_html.disk_html(self._service.operations.disk(), self._system.memory(), language)
            versions = system_html.versions_html(self._system.versions(), language)
            problems = system_html.problems_html(self._system.problems(), language)
            keys = self._keys(language)
        except ForbiddenError:
            hidden = gr.update(visible=False)
            notice = notice_html(text("admins_only", language), language)
            leave = system_html.logout_html(language)
            return notice, jobs, "", "", "", leave, gr.skip(), active, "", hidden, hidden
        except KNOWN as error:
            return notice_html(error, language), *(gr.skip() for _ in range(10))
        choices = gr.update(choices=[info.name for info in self._service.knowledge_bases()])
        seen = gr.update(visible=True)
        return "", jobs, disk, versions, problems, keys, choices, active, "", seen, seen

    def _jobs(self, language: Language) -> str:
        # Files of a conversation are shown beside it alone.
        jobs = [job for job in self._service.jobs() if not is_of_conversation(job.knowledge_base)]
        return system_html.jobs_html(jobs, language)

    def _keys(self, language: Language) -> str:
        keys = self._service.keys
        listed = [(key, keys.names(key)) for key in keys.list()]
        return system_html.keys_html(listed, language, own=browser_access(self._service).key_id)

    def _poll(self, request: gr.Request) -> Updates:
        try:
            return self._jobs(self._language(request)), gr.skip()
        except KNOWN:  # the browser's key has ended
            return gr.skip(), gr.Timer(active=False)

    def _act_on_job(self, event: gr.EventData, request: gr.Request) -> Updates:
        language = self._language(request)
        notice = act_on_job(self._service, event._data, language)
        return notice, self._jobs(language)

    def _check(self, request: gr.Request) -> str:
        language = self._language(request)
        try:
            findings = self._service.integrity.check(deep=False)
        except KNOWN as error:
            return notice_html(error, language)
        lines = [
            " · ".join(part for part in (f.code, f.knowledge_base, f.document, f.detail) if part)
            for f in findings
        ]
        return system_html.findings_html(lines, language)

    def _make(
        self,
        name: str,
        role: Role,
        opens: list[str] | None,
        first: str | None,
        request: gr.Request,
    ) -> Updates:
        """Make a key; `first` is what the page got when it asked for the first, as JSON: `key` or `error`."""
        language = self._language(request)
        found: dict[str, str] = json.loads(first or "{}")
        secret = found.get("key", "")
        try:
            # Asked for once: as soon as there is a key, a browser without one may do nothing more.
            keys = self._service.keys
            if not keys.usable():
                reason = found.get("error") or text("key_first", language)
                return failed_html(reason), *(gr.skip() for _ in range(4))
            made = secret or keys.create(name, role=role, names=opens or None)[1]
            listed = self._keys(language)
        except KNOWN as error:
            return notice_html(error, language), *(gr.skip() for _ in range(4))
        # Chosen for one key, knowledge bases are not chosen for the next.
        return "", listed, system_html.secret_html(made, language, first=bool(secret)), "", []

    def _revoke(self, event: gr.EventData, request: gr.Request) -> Updates:
        language = self._language(request)
        if event._data.get("action") != "revoke":
            return gr.skip(), gr.skip()
        try:
            self._service.keys.revoke(str(event._data.get("id", "")))
            return "", self._keys(language)
        except KNOWN as error:
            return notice_html(error, language), gr.skip()

    def _language(self, request: gr.Request) -> Language:
        return language_of(request.headers, self._service.settings.language)
