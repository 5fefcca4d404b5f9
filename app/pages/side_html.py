"""The side bar of conversations as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from app.messages import Language
from app.pages.markup import button
from app.pages.texts import text
from knowledge_base.sessions import SessionInfo


def sessions_html(
    infos: Sequence[SessionInfo], language: Language, *, current: str, query: str = "", with_key: bool = False
) -> str:
    """The conversations, the last used first; `current` is the one that is open.

    `with_key` says that they are a key's, and not a browser's.
    """
    if not infos:
        none = "sessions_none_keys" if with_key else "sessions_none"
        key = "sessions_none_found" if query.strip() else none
        return f'<p class="zw-empty">{escape(text(key, language))}</p>'
    items = "".join(_item(info, language, info.id == current) for info in infos)
    return f'<ul class="zw-sessions">{items}</ul>'


def opened_html(session_id: str) -> str:
    """Which conversation the page shows, if it is kept: the page's script writes it into the address."""
    return f'<i data-conversation="{escape(session_id)}"></i>'


def _item(info: SessionInfo, language: Language, current: bool) -> str:
    title = info.title or text("session_untitled", language)
    opened = ' aria-current="true"' if current else ""
    rename = button(
        text("rename", language),
        "rename",
        id=info.id,
        prompt=text("session_rename", language),
        value=info.title,
        kind="quiet",
    )
    delete = button(
        text("delete", language),
        "delete",
        id=info.id,
        confirm=text("session_delete_confirm", language, title=title),
        kind="quiet danger",
    )
    return (
        f'<li{opened}><button type="button" class="zw-session" data-action="open"'
        f' data-id="{escape(info.id)}">'
        f"<bdi>{escape(title)}</bdi></button><span>{rename}{delete}</span></li>"
    )
