"""axe-core over every page, light and dark: nothing serious."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.actions import ask, document, make_library, open_chat, upload

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

TEXT = "# 门禁\n\n访客须在前台登记，领取临时门禁卡。\n"

_STILL = """() => document.getAnimations().every(
  (one) => one.playState !== 'running' || one.effect.getComputedTiming().iterations === Infinity
)"""


_SET_THEME = """window.setTheme = (theme) => {
  const on = document.body.classList.contains('dark') ? 'dark' : 'light';
  if (on !== theme) document.querySelector('[data-theme-switch]').click();
}"""


def _serious(page: Page) -> list[str]:
    """What axe finds in the light theme, and of the dark one's colours, all that differs there."""
    found = []
    for theme, rules in (("light", ""), ("dark", "runOnly: ['color-contrast'],")):
        page.evaluate("theme => setTheme(theme)", theme)
        page.wait_for_function(_STILL)  # half faded in, nothing has its own colour
        options = f"{{ {rules} resultTypes: ['violations'] }}"
        violations = page.evaluate(f"axe.run({options}).then((found) => found.violations)")
        found += [
            f"{theme}: {one['id']}: {one['nodes'][0]['html'][:200]} ({len(one['nodes'])})"
            for one in violations
            if one["impact"] in ("serious", "critical")
        ]
    return found


def test_axe_finds_nothing_serious(page: Page, tmp_path: Path) -> None:
    found: dict[str, list[str]] = {}
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    page.evaluate(_SET_THEME)
    make_library(page, "无障碍")
    upload(page, document(tmp_path, "门禁.md", TEXT))
    found["library"] = _serious(page)
    page.locator("#zw-documents .zw-link").click()
    page.locator("#zw-library-reader .zw-reader").wait_for()
    found["document"] = _serious(page)
    open_chat(page, "无障碍")
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
    assert {where: what for where, what in found.items() if what} == {}
