"""The whole page: header, tabs, and what passes between them. Imported by `mount` only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.exceptions import InvalidPathError

from app.messages import LANGUAGES
from app.pages.chat_tab import ChatTab
from app.pages.library_tab import LibraryTab
from app.pages.models_tab import ModelsTab
from app.pages.retrieval_tab import RetrievalTab
from app.pages.system_tab import SystemTab
from app.pages.texts import page_texts
from app.pages.uploads import is_upload, named_files, upload_folder

if TYPE_CHECKING:
    from app.evaluation.background import Evaluations
    from app.pages.system import SystemFacts
    from app.service import Service

# The codes that Gradio's own texts have for the two languages.
_LOCALES = {"zh": "zh-CN", "en": "en"}
_OPENED = "(_, __, ...rest) => [window.zhiwen.opened(), window.zhiwen.tuning(), ...rest]"
_HEADER = (
    '<header class="zw-brand"><h1>知问</h1><p data-text="tagline"></p>'
    '<nav><button type="button" class="zw-button quiet" data-theme-switch data-text="theme"></button>'
    '<button type="button" class="zw-button quiet" data-language-switch data-text="language"></button>'
    "</nav></header>"
)


class Labels(gr.I18n):  # type: ignore[misc] # Gradio is not typed
    """The fixed texts, which the browser puts in by its language.

    Gradio translates whatever equals one of the keys, also values and names that a person has given:
    so the keys are such as nobody gives.
    """

    _PREFIX = "zw:"

    def __init__(self) -> None:
        super().__init__(
            **{
                _LOCALES[language]: {self._PREFIX + key: said for key, said in page_texts(language).items()}
                for language in LANGUAGES
            }
        )

    def __call__(self, key: str) -> Any:
        """The text of this key, for a component."""
        return super().__call__(self._PREFIX + key)


class Pages(gr.Blocks):  # type: ignore[misc] # Gradio is not typed
    """Blocks whose handlers are given no file but those that browsers have sent.

    A browser names files by paths of its own choice, to any component; mounted, Gradio would open,
    copy or download whatever is named.
    """

    def __init__(self, uploads: Path, **options: Any) -> None:
        self._uploads = uploads
        super().__init__(**options)

    def validate_inputs(self, block_fn: Any, inputs: list[Any]) -> None:
        """Called before anything is done with the inputs of a request. Raises `InvalidPathError`."""
        super().validate_inputs(block_fn, inputs)
        if not all(is_upload(named, self._uploads) for named in named_files(inputs)):
            raise InvalidPathError("the file was not sent by a browser")


def build_blocks(
    service: Service, evaluations: Evaluations, system: SystemFacts, label: gr.I18n
) -> gr.Blocks:
    """All components and handlers. Models are not touched."""
    with Pages(
        upload_folder(service.settings.data_dir),
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
            with gr.Tab(label("tab_library"), id="library", elem_id="zw-tab-library") as library_item:
                library = LibraryTab(service, label)
            with gr.Tab(label("tab_retrieval"), id="retrieval", elem_id="zw-tab-retrieval") as retrieval_item:
                retrieval = RetrievalTab(service, evaluations, label)
            with gr.Tab(label("tab_models"), id="models", elem_id="zw-tab-models") as models_item:
                models = ModelsTab(service, system, label)
            with gr.Tab(label("tab_system"), id="system", elem_id="zw-tab-system") as system_item:
                administration = SystemTab(service, system, label)
        chat.connect()
        library.connect()
        retrieval.connect(retrieval_item, chat.choices.tuning, chat.choices.tuned)
        models.connect(models_item, chat.choices)
        administration.connect(system_item, [chat_item, library_item, retrieval_item, models_item])
        quiet = {"show_progress": "hidden", "api_visibility": "private"}
        blocks.load(
            chat.load,
            [chat.opened, chat.kept_tuning, chat.choices.mode, chat.conversation],
            chat.loaded,
            js=_OPENED,
            **quiet,
        )
        blocks.load(library.load, None, library.loaded, **quiet)
        chat_item.select(
            chat.refresh,
            [chat.choices.knowledge_bases, library.fresh, chat.conversation],
            [chat.choices.knowledge_bases, chat.current, library.fresh],
            **quiet,
        )
    blocks.queue(default_concurrency_limit=None, api_open=False)
    return blocks
