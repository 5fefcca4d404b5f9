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

SHOTS = (
    # name, locale, theme, width, height, view
    ("chat-zh-light", "zh-CN", "light", 1600, 900, "chat"),
    ("chat-en-dark", "en", "dark", 1600, 900, "chat"),
    ("library-zh-light", "zh-CN", "light", 1600, 900, "library"),
    ("library-en-dark", "en", "dark", 1600, 900, "library"),
    ("phone-chat-zh-light", "zh-CN", "light", 380, 780, "chat"),
    ("phone-library-en-dark", "en", "dark", 380, 780, "library"),
)


def main() -> None:
    """Ingest the samples into a temporary data folder, serve them, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder of the pictures")
    parser.add_argument("--url", help="a running server with the samples, instead of starting one")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    if arguments.url:
        take_all(arguments.url, arguments.output)
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
            take_all(url, arguments.output)
        finally:
            server.terminate()
            server.wait(timeout=30)


def take_all(url: str, output: Path) -> None:
    """Take every picture of `SHOTS`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        for name, locale, theme, width, height, view in SHOTS:
            picture = take(browser, url, locale, theme, (width, height), view)
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
        page.locator("#zw-question textarea").wait_for()
        (_show_chat if view == "chat" else _show_library)(page)
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
    page.wait_for_timeout(400)


def _show_library(page: Page) -> None:
    page.get_by_role("tab").nth(1).click()
    page.locator("#zw-documents tbody tr").first.wait_for()
    page.wait_for_timeout(400)


if __name__ == "__main__":
    main()
