"""The whole page: header, tabs, and what passes between them. Imported by `mount` only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradio as gr

from app.messages import LANGUAGES
from app.pages.chat_tab import ChatTab
from app.pages.library_tab import LibraryTab
from app.pages.texts import page_texts

if TYPE_CHECKING:
    from app.service import Service

# The codes that Gradio's own texts have for the two languages.
_LOCALES = {"zh": "zh-CN", "en": "en"}
_OPENED = "(_, conversation) => [window.zhiwen.opened(), conversation]"
_HEADER = (
    '<header class="zw-brand"><h1>知问</h1><p data-text="tagline"></p>'
    '<nav><button type="button" class="zw-button quiet" data-theme-switch data-text="theme"></button>'
    '<button type="button" class="zw-button quiet" data-language-switch data-text="language"></button>'
    "</nav></header>"
)


def labels() -> gr.I18n:
    """The fixed texts, which the browser puts in by its language."""
    return gr.I18n(**{_LOCALES[language]: page_texts(language) for language in LANGUAGES})


def build_blocks(service: Service, label: gr.I18n) -> gr.Blocks:
    """All components and handlers. Models are not touched."""
    with gr.Blocks(
        title=page_texts("zh")["title"],
        analytics_enabled=False,
        fill_height=True,
        fill_width=True,
        delete_cache=(3600, 3600),
    ) as blocks:
        gr.HTML(_HEADER, elem_id="zw-header-bar", apply_default_css=False)
        with gr.Tabs(elem_id="zw-tabs"):
            with gr.Tab(label("tab_chat"), id="chat", elem_id="zw-tab-chat") as chat_item:
                chat = ChatTab(service, label)
            with gr.Tab(label("tab_library"), id="library", elem_id="zw-tab-library"):
                library = LibraryTab(service, label)
        chat.connect()
        library.connect()
        quiet = {"show_progress": "hidden", "api_visibility": "private"}
        blocks.load(chat.load, [chat.opened, chat.conversation], chat.loaded, js=_OPENED, **quiet)
        blocks.load(library.load, None, [library.selected, library.making], **quiet)
        chat_item.select(
            chat.refresh,
            [chat.knowledge_bases, library.fresh, chat.conversation],
            [chat.knowledge_bases, chat.current, library.fresh],
            **quiet,
        )
    blocks.queue(default_concurrency_limit=None, api_open=False)
    return blocks
