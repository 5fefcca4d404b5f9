"""Makes the screenshots in docs/screenshots with a server of its own: `python -m benchmarks.screenshots`.

Needs Chromium and the `dev` extra. The pictures are quantised so that they stay small.
"""

from __future__ import annotations

import argparse
import io
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "screenshots"
CHROMIUM = "/usr/bin/chromium"
SAMPLES = "示例"
QUESTION = "SG-200的后备电池保修多久？"
OFF_TOPIC = "珠穆朗玛峰有多高？"
COLOURS = 128

WIDE, PHONE = (1600, 900), (380, 780)
VIEWS = ("chat", "library", "document", "retrieval", "evaluation", "models", "system")
ON_PHONES = ("chat", "library", "retrieval", "models", "system")
SHOTS = (
    # name, locale, theme, size, view
    *((f"{view}-zh-light", "zh-CN", "light", WIDE, view) for view in VIEWS),
    *((f"{view}-en-dark", "en", "dark", WIDE, view) for view in VIEWS),
    *((f"phone-{view}-zh-light", "zh-CN", "light", PHONE, view) for view in ON_PHONES),
    ("phone-chat-en-dark", "en", "dark", PHONE, "chat"),
)


def main() -> None:
    """Ingest the samples into a temporary data folder, serve them, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder of the pictures")
    parser.add_argument("--url", help="a running server with the samples, instead of starting one")
    parser.add_argument("--view", choices=VIEWS, action="append", help="only these; all without it")
    arguments = parser.parse_args()
    views = arguments.view or VIEWS
    arguments.output.mkdir(parents=True, exist_ok=True)
    if arguments.url:
        take_all(arguments.url, arguments.output, views)
        return
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "ZHIWEN_DATA_DIR": folder}
        samples = ROOT / "knowledge_base" / "samples"
        ingest = [sys.executable, "-m", "app", "ingest", SAMPLES, str(samples)]
        subprocess.run(ingest, cwd=ROOT, env=environment, check=False)  # noqa: S603 - our own program
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        serve = [sys.executable, "webui.py", "--port", str(port)]
        server = subprocess.Popen(serve, cwd=ROOT, env=environment)  # noqa: S603 - our own program
        try:
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(transport=httpx.HTTPTransport(retries=10), timeout=60) as client:
                client.get(f"{url}/healthz").raise_for_status()
            take_all(url, arguments.output, views)
        finally:
            server.terminate()
            server.wait(timeout=30)


def take_all(url: str, output: Path, views: Sequence[str]) -> None:
    """Take every picture of `SHOTS` that shows one of these views."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        for name, locale, theme, size, view in (shot for shot in SHOTS if shot[-1] in views):
            picture = take(browser, url, locale, theme, size, view)
            path = output / f"{name}.png"
            Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS).save(path, optimize=True)
            print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
        browser.close()


def take(browser: Browser, url: str, locale: str, theme: str, size: tuple[int, int], view: str) -> bytes:
    """One picture as PNG."""
    context = browser.new_context(
        locale=locale,
        color_scheme="dark" if theme == "dark" else "light",
        viewport={"width": size[0], "height": size[1]},
    )
    try:
        page = context.new_page()
        page.goto(url)
        page.locator(".zw-welcome").wait_for()
        _SHOW[view](page)
        page.wait_for_timeout(400)
        return page.screenshot(animations="disabled")
    finally:
        context.close()


def _show_chat(page: Page) -> None:
    page.locator("#zw-chat-libraries").get_by_text(SAMPLES, exact=True).wait_for()
    for question in (OFF_TOPIC, QUESTION):
        page.locator("#zw-question textarea").fill(question)
        page.keyboard.press("Enter")
        page.locator("#zw-current .zw-question", has_text=question).wait_for()
        page.locator("#zw-current .zw-reply:not([aria-busy])").wait_for()
    cited = page.locator('#zw-current [data-event="read"]').first
    if page.viewport_size and page.viewport_size["width"] > 1000:
        cited.click()
        page.locator(".zw-reader img").first.evaluate("image => image.decode()")


def _show_library(page: Page) -> None:
    _open_tab(page, "library")
    page.locator("#zw-documents tbody tr").first.wait_for()


def _show_document(page: Page) -> None:
    _show_library(page)
    page.locator("#zw-documents .zw-link", has_text="SG-200").click()
    page.locator("#zw-document [data-event=read]").nth(3).click()
    page.locator("#zw-library-reader .zw-page > span").first.wait_for()
    page.locator("#zw-library-reader img").evaluate("image => image.decode()")


def _show_retrieval(page: Page) -> None:
    _open_tab(page, "retrieval")
    page.locator("#zw-trial-libraries").get_by_text(SAMPLES, exact=True).wait_for()
    page.locator("#zw-query").locator("input, textarea").fill(QUESTION)
    page.locator("#zw-search").click()
    page.locator("#zw-hits li").first.wait_for()
    if page.viewport_size and page.viewport_size["width"] > 1000:
        page.locator("#zw-hits [data-event=read]").first.click()
        page.locator("#zw-trial-reader img").evaluate("image => image.decode()")


def _show_evaluation(page: Page) -> None:
    _open_tab(page, "retrieval")
    page.locator("#zw-trial-libraries").get_by_text(SAMPLES, exact=True).wait_for()
    _open_tab(page, "trial-evaluation", prefix="zw")
    page.locator("#zw-set-samples").click()
    page.locator("#zw-set .zw-notice").wait_for()
    page.locator("#zw-thresholds").locator("input, textarea").fill("0.2, 0.36, 0.5")
    page.locator("#zw-evaluate").click()
    page.locator("#zw-evaluation tbody tr").first.wait_for(timeout=300_000)


def _show_models(page: Page) -> None:
    _open_tab(page, "models")
    page.locator("#zw-other-models dt").first.wait_for()


def _show_system(page: Page) -> None:
    _open_tab(page, "system")
    page.locator("#zw-jobs :is(.zw-empty, .zw-panel)").first.wait_for()
    _open_tab(page, "system-state", prefix="zw")
    page.locator("#zw-versions dt").first.wait_for()


def _open_tab(page: Page, name: str, *, prefix: str = "zw-tab") -> None:
    # On a phone some tabs are behind a menu, where Gradio gives them no id.
    page.evaluate("id => document.getElementById(id).click()", f"{prefix}-{name}-button")


_SHOW = {
    "chat": _show_chat,
    "library": _show_library,
    "document": _show_document,
    "retrieval": _show_retrieval,
    "evaluation": _show_evaluation,
    "models": _show_models,
    "system": _show_system,
}


if __name__ == "__main__":
    main()
