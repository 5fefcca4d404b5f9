"""What the tests do on the pages again and again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser.conftest import WAIT_MS

if TYPE_CHECKING:
    from playwright.sync_api import Page


def make_library(page: Page, name: str) -> None:
    """Make a knowledge base on its page."""
    from playwright.sync_api import TimeoutError as PageTimeoutError

    page.get_by_role("tab", name="知识库").click()
    name_box = page.locator("#zw-library-name").locator("input, textarea")
    # While the page still loads, it may yet fold the form away that was open a moment ago.
    for _ in range(3):
        try:
            name_box.fill(name, timeout=3000)
            break
        except PageTimeoutError:
            page.get_by_role("button", name="新建知识库").click()
    page.locator("#zw-create").click()
    page.locator("#zw-header").get_by_role("heading", name=name).wait_for()


def upload(page: Page, *paths: Path) -> None:
    """Upload files, and wait until they are read."""
    page.set_input_files("#zw-upload input[multiple]", [str(path) for path in paths])
    page.locator("#zw-progress [data-job=done]").wait_for(timeout=WAIT_MS)


def open_chat(page: Page, library: str) -> None:
    """Go to the chat, which asks this knowledge base then."""
    page.get_by_role("tab", name="对话").click()
    page.locator("#zw-chat-libraries").get_by_text(library, exact=True).wait_for()


def ask(page: Page, question: str) -> None:
    """Ask, and wait for the whole answer."""
    page.locator("#zw-question textarea").fill(question)
    page.keyboard.press("Enter")
    page.locator("#zw-current .zw-question", has_text=question).wait_for()
    page.locator("#zw-current .zw-reply:not([aria-busy])").wait_for()


def document(folder: Path, name: str, content: str) -> Path:
    """A text file."""
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def pdf(path: Path) -> Path:
    """A PDF of two pages with one line each."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfgen.canvas import Canvas

    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    canvas = Canvas(str(path))
    for text in ("设备概述。本设备用于仓库环境监测。", "设备的额定功率为四十五瓦，待机功率为三瓦。"):
        canvas.setFont("STSong-Light", 16)
        canvas.drawString(72, 700, text)
        canvas.showPage()
    canvas.save()
    return path
