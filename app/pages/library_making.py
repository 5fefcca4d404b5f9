"""The form that makes a knowledge base. Imported by `mount` only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from app.failures import KNOWN
from app.pages.language import language_of
from app.pages.library_html import notice_html
from app.pages.texts import text

if TYPE_CHECKING:
    from app.service import Service


class LibraryMaking:
    """Builds the form inside the current `gr.Blocks`; the tab connects it."""

    def __init__(self, service: Service, label: gr.I18n) -> None:
        self._service = service
        with gr.Accordion(label("library_new"), open=False, elem_id="zw-new-library") as self.form:
            self.name = gr.Textbox(
                label=label("library_name"),
                placeholder=label("library_name_hint"),
                max_lines=1,
                elem_id="zw-library-name",
            )
            self.description = gr.Textbox(
                label=label("library_description"), lines=2, elem_id="zw-library-description"
            )
            self.create = gr.Button(label("library_create"), variant="primary", elem_id="zw-create")

    def connect(self, notice: gr.HTML, selected: gr.Dropdown, fresh: gr.State) -> None:
        """Attach the handlers; what was made is `selected` then, and among the `fresh`."""
        outputs = [notice, selected, self.name, self.description, self.form, fresh]
        for trigger in (self.create.click, self.name.submit):
            trigger(
                self._create,
                [self.name, self.description, fresh],
                outputs,
                show_progress="hidden",
                api_visibility="private",
            )

    def _create(self, name: str, description: str, fresh: list[str], request: gr.Request) -> tuple[Any, ...]:
        if not name.strip():
            return tuple(gr.skip() for _ in range(6))
        language = language_of(request.headers, self._service.settings.language)
        try:
            info = self._service.create_knowledge_base(name.strip(), description.strip())
        except KNOWN as error:
            return notice_html(error, language), *(gr.skip() for _ in range(5))
        done = notice_html(text("library_created", language, name=info.name), language)
        names = [each.name for each in self._service.knowledge_bases()]
        chosen = gr.update(choices=names, value=info.name)
        return done, chosen, "", "", gr.update(open=False), [*fresh, info.name]
