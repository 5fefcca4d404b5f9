"""Putting the pages beside the HTTP interface."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

from app.evaluation.background import Evaluations
from app.pages.assets import KeptAssets
from app.pages.gradio_import import without_interface_files
from app.pages.guard import PageGuard
from app.pages.rights import for_admins, for_browser
from app.pages.system import SystemFacts
from app.pages.uploads import sweep, upload_folder

if TYPE_CHECKING:
    from fastapi import FastAPI

    from app.service import Service

_FONTS = ["system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"]


def mount_pages(api: FastAPI, service: Service) -> FastAPI:
    """Mount the pages at "/" behind the routes that `api` already has, and return `api`.

    To call `api.state.leaving` ends the streams that open pages watch the server by.
    """
    settings = service.settings
    uploads = upload_folder(settings.data_dir)
    uploads.mkdir(parents=True, exist_ok=True)
    sweep(uploads)
    # Gradio reads these when it is imported and when components are made.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    with warnings.catch_warnings(), without_interface_files():
        warnings.simplefilter("ignore", DeprecationWarning)
        import gradio as gr

        from app.pages.layout import Labels, build_blocks

    label, seen, assets = Labels(), for_browser(service), KeptAssets()
    gr.mount_gradio_app(
        api,
        build_blocks(
            seen,
            for_admins(Evaluations(settings, service), seen),
            for_admins(SystemFacts(), seen),
            label,
        ),
        path="/",
        app_kwargs={"middleware": [PageGuard.middleware(settings.language, assets.links)]},
        theme=_theme(),
        i18n=label,
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        allowed_paths=[],
        max_file_size=settings.limits.file_bytes,
    )
    # Gradio ends them itself only where it runs the server too.
    mounted: Any = api.routes[-1]
    api.state.leaving = mounted.app.stop_event.set
    mounted.app = assets.around(mounted.app)
    return api


def _theme() -> Any:
    import gradio as gr

    theme = gr.themes.Default(
        primary_hue="teal", secondary_hue="teal", font=_FONTS, font_mono=["ui-monospace", "monospace"]
    )
    # The theme's own green is too light for white letters, and its grey for a white ground.
    return theme.set(
        block_info_text_color="#5b6472",
        block_info_text_color_dark="#a9a9b4",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
    )
