"""The side bar of the chat: conversations found, opened, renamed and deleted. Imported by `mount` only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from app.failures import KNOWN
from app.http.authentication import given_key
from app.pages.browser_id import owner_of
from app.pages.conversation import Conversation
from app.pages.language import language_of
from app.pages.scripts import ACTIONS
from app.pages.side_html import sessions_html

if TYPE_CHECKING:
    from app.service import Service


class ChatSide:
    """Builds the side bar inside the current `gr.Blocks`; the chat connects it."""

    def __init__(self, service: Service, label: gr.I18n) -> None:
        self._service = service
        with gr.Column(elem_id="zw-side", scale=0, min_width=240):
            gr.HTML(
                '<button type="button" class="zw-button quiet" data-side-switch data-text="close"></button>',
                elem_id="zw-side-close",
                apply_default_css=False,
            )
            self.clear = gr.Button(label("new_chat"), elem_id="zw-new")
            self.query = gr.Textbox(
                label=label("sessions_search"),
                show_label=False,
                placeholder=label("sessions_search"),
                max_lines=1,
                container=False,
                elem_id="zw-sessions-search",
            )
            self.sessions = gr.HTML(js_on_load=ACTIONS, elem_id="zw-sessions", apply_default_css=False)

    def listed(self, current: str, query: str, request: gr.Request) -> str:
        """The list as HTML, the conversation `current` marked."""
        owner = owner_of(request.headers)
        infos = self._service.sessions.sessions(owner, query=query or "") if owner else []
        language = language_of(request.headers, self._service.settings.language)
        with_key = bool(given_key(request.request.scope))
        return sessions_html(infos, language, current=current, query=query or "", with_key=with_key)

    def find(self, query: str, conversation: Conversation, request: gr.Request) -> str:
        """The conversations in whose title or text the query stands."""
        return self.listed(conversation.id, query, request)

    def change(self, action: dict[str, Any], request: gr.Request) -> str:
        """Rename or delete a conversation; returns the id of one that was deleted, else nothing."""
        owner, session_id = owner_of(request.headers), str(action.get("id", ""))
        if owner is None:
            return ""
        try:
            if action.get("action") == "rename":
                title = str(action.get("value") or "").strip()
                if title:
                    self._service.sessions.update(owner, session_id, title=title)
            elif action.get("action") == "delete":
                self._service.sessions.delete(owner, session_id)
                return session_id
        except KNOWN:  # gone already, in another window
            return ""
        return ""
