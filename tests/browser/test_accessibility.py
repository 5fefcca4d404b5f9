"""axe-core over every page, light and dark: nothing serious."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from tests.browser.actions import ask, document, make_library, open_chat, upload
from tests.browser.conftest import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

TEXT = "# 门禁\n\n访客须在前台登记，领取临时门禁卡。\n"

_STILL = """() => document.getAnimations().every(
  (one) => one.playState !== 'running' || one.effect.getComputedTiming().iterations === Infinity
)"""


def _serious(page: Page) -> list[str]:
    page.wait_for_function(_STILL)  # half faded in, nothing has its own colour
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]} ({len(one['nodes'])})"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, server: Server, tmp_path: Path, theme: str) -> None:
    scheme: Literal["light", "dark"] = "dark" if theme == "dark" else "light"
    context = browser.new_context(
        locale="zh-CN", viewport={"width": 1280, "height": 900}, color_scheme=scheme
    )
    context.set_default_timeout(150_000)
    found: dict[str, list[str]] = {}
    try:
        page = context.new_page()
        page.goto(server.url)
        page.locator(".zw-welcome").wait_for()
        make_library(page, f"无障碍-{theme}")
        upload(page, document(tmp_path, "门禁.md", TEXT))
        found["library"] = _serious(page)
        page.locator("#zw-documents .zw-link").click()
        page.locator("#zw-library-reader .zw-reader").wait_for()
        found["document"] = _serious(page)
        open_chat(page, f"无障碍-{theme}")
        ask(page, "访客须在哪里登记？")
        page.locator("#zw-current .zw-reference").first.click()
        page.locator("#zw-reader .zw-reader").wait_for()
        found["chat"] = _serious(page)
        page.get_by_role("tab", name="检索测试").click()
        page.locator("#zw-query").locator("input, textarea").fill("访客须在哪里登记？")
        page.locator("#zw-search").click()
        page.locator("#zw-hits li").first.wait_for()
        found["query"] = _serious(page)
        for tab in ("切分试验", "评测", "模型", "系统", "状态", "密钥"):
            page.get_by_role("tab", name=tab).click()
            found[tab] = _serious(page)
    finally:
        context.close()
    assert {where: what for where, what in found.items() if what} == {}
