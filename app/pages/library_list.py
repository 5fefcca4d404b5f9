"""The list of a knowledge base's documents, searched and turned by pages. Imported by `mount` only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from app.messages import Language
from app.pages.language import language_of
from app.pages.library_html import ROWS, documents_html
from app.pages.scripts import ACTIONS
from knowledge_base.document_listing import DocumentPage

if TYPE_CHECKING:
    from app.service import Service

_LAST = (1 << 63) - 1
"""What SQLite can count to."""


class LibraryList:
    """Builds the list and its search inside the current `gr.Blocks`; the tab connects what is clicked."""

    def __init__(self, service: Service, label: gr.I18n) -> None:
        self._service = service
        self.first = gr.State(0)
        """The first of the documents that are listed."""
        self.query = gr.Textbox(
            show_label=False,
            label=label("documents_search"),
            placeholder=label("documents_search"),
            max_lines=1,
            container=False,
            elem_id="zw-documents-search",
        )
        self.documents = gr.HTML(js_on_load=ACTIONS, elem_id="zw-documents", apply_default_css=False)

    def connect(self, selected: gr.Dropdown) -> None:
        """Attach the handler of the search."""
        self.query.change(
            self._find,
            [selected, self.query],
            [self.documents, self.first],
            show_progress="hidden",
            api_visibility="private",
        )

    def html(self, name: str, language: Language, query: str = "", first: int = 0) -> str:
        """Documents from index `first` on in whose name `query` stands; the last ones where it is beyond."""

        def page() -> DocumentPage:
            return self._service.listing.page(name, name=query, limit=ROWS, offset=first)

        query = query or ""
        found = page()
        if not found.documents and found.total:  # fewer are left than there were
            first = (found.total - 1) // ROWS * ROWS
            found = page()
        return documents_html(found.documents, language, total=found.total, first=first, query=query)

    def turned(self, wished: str) -> int:
        """The first document of the page that a button asks for."""
        return min(int(wished), _LAST) if wished.isdecimal() else 0

    def _find(self, selected: str | None, query: str, request: gr.Request) -> tuple[Any, int]:
        language = language_of(request.headers, self._service.settings.language)
        return self.html(selected, language, query) if selected else gr.skip(), 0
