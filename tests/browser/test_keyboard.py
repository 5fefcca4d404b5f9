"""The chat without a mouse, in a wide window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.client import Client
from tests.browser.actions import document
from tests.browser.conftest import Server, Watch
from tests.browser.slow_model import SlowModel

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.browser

LIBRARY = "键盘"
RULES = "# 钥匙\n\n机房钥匙由值班员保管。\n\n# 打印\n\n彩色打印须经主管批准。\n"
AREAS = ("zw-header-bar", "zw-tabs", "zw-side", "zw-choices", "zw-log", "zw-composer", "zw-reader")
_FOCUS = """(areas) => {
  const looks = (elements) => elements.map(getComputedStyle).map((style) =>
    [style.outline, style.boxShadow, style.borderColor, style.backgroundColor].join()).join();
  for (const one of document.getAnimations()) {
    if (one.effect.getComputedTiming().endTime !== Infinity) one.finish();
  }
  const before = window.focused;
  const at = document.activeElement;
  const elements = [at, at.parentElement, at.closest('.wrap, .container, label')].filter(Boolean);
  window.focused = { kind: `${at.tagName} ${at.id} ${at.className}`, elements, looks: looks(elements) };
  const holder = at.closest(areas.map((name) => `#${name}, .${name}`).join());
  return {
    area: areas.find((name) => holder?.matches(`#${name}, .${name}`)) || '',
    kind: window.focused.kind,
    text: at.textContent.trim(),
    unseen: before?.elements[0].isConnected && before.looks === looks(before.elements) ? before.kind : '',
  };
}"""
"""Where the keyboard is, and what it was at before if that looks without the focus as it did with it."""


def _press(page: Page, key: str, until: Callable[[dict[str, str]], bool]) -> list[str]:
    """Press the key until the right thing has the focus; returns the areas passed."""
    passed: list[str] = []
    page.evaluate("window.focused = null")
    for _ in range(60):
        page.keyboard.press(key)
        focus = page.evaluate(_FOCUS, AREAS)
        assert focus["unseen"] == ""
        if focus["area"] and passed[-1:] != [focus["area"]]:
            passed.append(focus["area"])
        if until(focus):
            return passed
    raise AssertionError(f"never reached; passed {passed}")


def test_asking_citing_stopping_and_switching_by_keyboard(
    context: BrowserContext, server: Server, watch: Watch, slow_model: SlowModel, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    with Client(server.url) as client:
        client.knowledge_bases.create(LIBRARY)
        sent = client.knowledge_bases.upload(LIBRARY, [document(tmp_path, "钥匙.md", RULES)])
        client.jobs.wait(sent.job_id)
    page = context.new_page()
    watch.follow(page)
    page.set_viewport_size({"width": 1600, "height": 900})
    page.goto(server.url)
    page.locator(".zw-welcome").wait_for()
    current, question = page.locator("#zw-current"), page.locator("#zw-question textarea")
    expect(question).to_be_focused()  # one may type at once
    page.keyboard.insert_text("机房钥匙由谁保管？")
    page.keyboard.press("Enter")
    expect(current.locator(".zw-answer")).to_contain_text("值班员")

    _press(page, "Shift+Tab", lambda focus: "zw-reference" in focus["kind"])
    page.keyboard.press("Enter")
    reader = page.locator("#zw-reader .zw-reader")
    expect(reader.locator("mark")).to_contain_text("值班员")
    expect(reader.locator("h3")).to_be_focused()
    # Both stand side by side, and nothing is wider than the window.
    log, beside = page.locator("#zw-log").bounding_box(), reader.bounding_box()
    assert log is not None
    assert beside is not None
    assert log["width"] > 500
    assert log["x"] + log["width"] < beside["x"]
    assert beside["x"] + beside["width"] <= 1600
    assert page.evaluate("document.documentElement.scrollWidth") == 1600
    assert page.evaluate("document.documentElement.scrollHeight") == 900
    page.keyboard.press("Escape")
    expect(reader).to_have_count(0)
    expect(current.locator(".zw-reference").first).to_be_focused()

    page.evaluate("document.querySelector('[data-theme-switch]').focus()")
    passed = _press(page, "Tab", lambda focus: focus["area"] == "zw-composer")
    assert passed == ["zw-header-bar", "zw-tabs", "zw-side", "zw-choices", "zw-log", "zw-composer"]

    slow_model.release.clear()
    _press(page, "Shift+Tab", lambda focus: focus["area"] == "zw-choices")  # the last of them: the model
    page.get_by_role("option", name=slow_model.name).wait_for()
    page.keyboard.press("ArrowDown")  # to the one after the present
    page.keyboard.press("Enter")
    expect(page.locator("#zw-model input")).to_have_value(slow_model.name)
    _press(page, "Shift+Tab", lambda focus: focus["area"] == "zw-side" and "zw-new" in focus["kind"])
    page.keyboard.press("Enter")
    expect(page.locator(".zw-exchange")).to_have_count(0)
    expect(question).to_be_focused()
    page.keyboard.insert_text("彩色打印须经谁批准？")
    page.keyboard.press("Enter")
    expect(current.locator(".zw-answer")).to_contain_text("四十五瓦")
    expect(page.locator("#zw-sessions li")).to_have_count(2)  # while it is still being answered
    _press(page, "Tab", lambda focus: "zw-stop" in focus["kind"])
    page.keyboard.press("Enter")
    expect(current.locator(".zw-badge.stopped")).to_be_visible()
    slow_model.release.set()

    sessions = page.locator("#zw-sessions li")
    expect(sessions).to_have_count(2)
    page.evaluate("document.querySelector('#zw-new').focus()")
    _press(page, "Tab", lambda focus: focus["text"] == "机房钥匙由谁保管？")
    page.keyboard.press("Enter")
    expect(current.locator(".zw-answer")).to_contain_text("值班员")
    assert watch.hosts == {"127.0.0.1"}
    assert watch.complaints == []
