"""One opened document: its chunks, to be edited, beside its pages. Imported by `mount` only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.failures import KNOWN
from app.messages import Language
from app.pages.document_html import CHUNKS_PER_PAGE, chunks_html, conflicts_html, opened_html
from app.pages.language import language_of
from app.pages.library_html import notice_html
from app.pages.reader import document_html
from app.pages.scripts import ACTIONS, TRANSFERS
from app.pages.texts import text

if TYPE_CHECKING:
    from app.service import Service

Action = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Viewing:
    """Which document is open, if any, from which of its chunks on, and the chunk that is edited."""

    document_id: str = ""
    first: int = 0
    editing: int | None = None


class DocumentView:
    """Builds the view inside the current `gr.Blocks`; the tab connects it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.state = gr.State(Viewing())
        self.html = gr.HTML(js_on_load=ACTIONS + TRANSFERS, elem_id="zw-document", apply_default_css=False)
        self._edits: Mapping[str, Callable[[str, str, Action], None]] = {
            "save": self._save,
            "switch": self._switch,
            "add": self._add,
            "remove_chunk": self._remove_chunk,
            "discard": self._discard,
            "keep": self._keep,
        }

    def build_reader(self) -> None:
        """Build what shows the pages, beside the column of the view."""
        self.reader = gr.HTML(
            js_on_load=ACTIONS,
            elem_id="zw-library-reader",
            apply_default_css=False,
        )

    @property
    def outputs(self) -> list[Any]:
        """The components that show the document."""
        return [self.state, self.html, self.reader]

    def closed(self) -> tuple[Any, ...]:
        """For `outputs`: no document is open."""
        return Viewing(), "", ""

    def read(self, knowledge_base: str, viewing: Viewing, event: gr.EventData, request: gr.Request) -> Any:
        """Show a chunk in its document, or turn the page."""
        data = event._data or {}
        language = language_of(request.headers, self._service.settings.language)
        chunk = str(data.get("chunk", ""))
        try:
            return document_html(
                self._service,
                knowledge_base,
                viewing.document_id,
                language,
                chunk_id=int(chunk) if chunk.isdecimal() else None,
                turn=str(data.get("turn", "")),
            )
        except KNOWN as error:
            return notice_html(error, language)

    def act(
        self, knowledge_base: str, viewing: Viewing, action: Action, language: Language
    ) -> tuple[str, tuple[Any, ...]]:
        """Do what a button says; returns the notice, and the values of `outputs`.

        Raises whatever keeps it from being done.
        """
        name = str(action.get("action", ""))
        if name == "open":
            return "", self._opened(knowledge_base, str(action.get("id", "")), action, language)
        if name == "back":
            return "", self.closed()
        document_id = str(action.get("id") or "") if not viewing.document_id else viewing.document_id
        info = self._service.document(knowledge_base, document_id)
        if name == "remove":
            self._service.delete_document(knowledge_base, info.id)
            return notice_html(text("document_deleted", language, name=info.name), language), self.closed()
        if name == "move":
            target = str(action.get("value", ""))
            self._service.lifecycle.move(knowledge_base, info.id, target)
            return notice_html(text("document_moved", language, name=target), language), self.closed()
        notice = ""
        if name == "rename":
            info = self._service.lifecycle.rename(knowledge_base, info.id, str(action.get("value") or ""))
            notice = notice_html(text("document_renamed", language, name=info.name), language)
        elif name in self._edits:
            self._edits[name](knowledge_base, info.id, action)
            notice = notice_html(text("chunk_saved", language), language)
            viewing = replace(viewing, editing=None)
            if name == "add":  # it stands at the end
                viewing = replace(viewing, first=self._last_page(knowledge_base, info.id))
        elif name == "edit":
            viewing = replace(viewing, editing=_number(action, "id"))
        elif name == "list":
            first = _number(action, "first")
            viewing = replace(viewing, editing=None, first=viewing.first if first is None else first)
        return notice, (viewing, self._shown(knowledge_base, viewing, language), gr.skip())

    def _opened(
        self, knowledge_base: str, document_id: str, action: Action, language: Language
    ) -> tuple[Any, ...]:
        viewing = Viewing(document_id)
        shown = self._shown(knowledge_base, viewing, language)
        # On a narrow screen the pages would cover the chunks.
        reader = ""
        if not action.get("narrow"):
            reader = document_html(self._service, knowledge_base, document_id, language, quiet=True)
        return viewing, shown, reader

    def _shown(self, knowledge_base: str, viewing: Viewing, language: Language) -> str:
        service, document_id = self._service, viewing.document_id
        info = service.document(knowledge_base, document_id)
        versions = service.lifecycle.versions(knowledge_base, document_id)
        targets = [kb.name for kb in service.knowledge_bases() if kb.name != knowledge_base]
        conflicts = ""
        if info.conflicts:
            edits = service.chunks.edits(knowledge_base, document_id)
            suggestions = service.chunks.suggestions(knowledge_base, document_id)
            conflicts = conflicts_html(edits, suggestions, language)
        chunks = service.chunks.chunks(knowledge_base, document_id)
        return (
            opened_html(knowledge_base, info, versions, targets, language)
            + conflicts
            + chunks_html(chunks, language, first=viewing.first, editing=viewing.editing)
        )

    def _last_page(self, knowledge_base: str, document_id: str) -> int:
        """The index of the first of the chunks that are shown last."""
        count = len(self._service.chunks.chunks(knowledge_base, document_id))
        return max(0, (count - 1) // CHUNKS_PER_PAGE * CHUNKS_PER_PAGE)

    # -- edits ------------------------------------------------------------------------------------

    def _save(self, knowledge_base: str, document_id: str, action: Action) -> None:
        chunk, value = _required(action, "id"), str(action.get("value") or "")
        self._service.chunks.change(knowledge_base, document_id, chunk, text=value)

    def _switch(self, knowledge_base: str, document_id: str, action: Action) -> None:
        chunk, enabled = _required(action, "id"), action.get("on") == "true"
        self._service.chunks.change(knowledge_base, document_id, chunk, enabled=enabled)

    def _add(self, knowledge_base: str, document_id: str, action: Action) -> None:
        self._service.chunks.add(knowledge_base, document_id, str(action.get("value") or ""))

    def _remove_chunk(self, knowledge_base: str, document_id: str, action: Action) -> None:
        self._service.chunks.delete(knowledge_base, document_id, _required(action, "id"))

    def _discard(self, knowledge_base: str, document_id: str, action: Action) -> None:
        self._service.chunks.discard(knowledge_base, document_id, _required(action, "edit"))

    def _keep(self, knowledge_base: str, document_id: str, action: Action) -> None:
        self._service.chunks.keep(
            knowledge_base, document_id, _required(action, "edit"), chunk_id=_number(action, "chunk")
        )


def _number(action: Action, key: str) -> int | None:
    value = str(action.get(key, ""))
    return int(value) if value.isdecimal() else None


def _required(action: Action, key: str) -> int:
    """A number that is there; 0, which nothing has as its id, where a page sent something else."""
    return _number(action, key) or 0
