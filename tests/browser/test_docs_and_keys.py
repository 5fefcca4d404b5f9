"""The interface's description in a browser, and the pages for keys with different rights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from app.client import Client
from app.client.errors import KeyNeededError
from knowledge_base.api_keys import ApiKeys
from knowledge_base.catalogue import Catalogue
from knowledge_base.database import Database
from tests.browser.conftest import WAIT_MS, Server, Watch
from tests.browser.slow_model import SlowModel

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser

OWN, OTHER = "甲部制度", "乙部制度"


def test_a_page_names_its_scripts_and_the_browser_keeps_them(browser: Browser, server: Server) -> None:
    # A browser of its own: one that has the scripts asks for none, and the server learns of none.
    context = browser.new_context(locale="zh-CN")
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(server.url)
    page.locator(".zw-welcome").wait_for()
    html = page.request.get(server.url).text()
    asked = page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
    scripts = {urlsplit(address).path for address in asked if address.endswith(".js")}
    needed = {path for path in scripts if path.startswith("/assets/")}
    named = set(re.findall(r'<link rel="modulepreload" crossorigin href="\.([^"]+)">', html))
    assert len(needed) > 20
    assert needed <= named
    for path in sorted(needed)[:3]:
        answer = page.request.get(server.url + path)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    context.close()


def test_the_description_needs_nothing_from_outside(
    context: BrowserContext, server: Server, watch: Watch
) -> None:
    from playwright.sync_api import expect

    page = context.new_page()
    watch.follow(page)
    page.goto(f"{server.url}/docs")
    operations = page.locator(".opblock")
    operations.first.wait_for()
    assert operations.count() == sum(
        len(methods) for methods in page.request.get(f"{server.url}/openapi.json").json()["paths"].values()
    )
    health = page.locator(".opblock", has_text="/healthz").first
    health.locator(".opblock-summary").click()
    health.get_by_role("button", name="Try it out").click()
    health.get_by_role("button", name="Execute").click()
    expect(health.locator(".live-responses-table tbody .response-col_status")).to_contain_text("200")
    assert watch.hosts == {"127.0.0.1"}
    assert watch.complaints == []


@pytest.fixture
def guarded(tmp_path: Path, slow_model: SlowModel, models_dir: Path) -> Iterator[Server]:
    """A server of its own: once there is a key, it lets nobody in without one."""
    running = Server(tmp_path, slow_model, models_dir=models_dir)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@contextmanager
def _keys(server: Server) -> Iterator[ApiKeys]:
    """The keys, beside the running server."""
    database = Database(server.data_dir / "catalogue.db")
    try:
        yield ApiKeys(Catalogue(database))
    finally:
        database.close()


def _until_refused(client: Client) -> None:
    """Return when the server has heard of what another process did to the keys: within a second."""
    with client, pytest.raises(KeyNeededError):
        while True:
            client.knowledge_bases.list()


def _until_accepted(client: Client) -> None:
    """Return when the server has heard of a key that another process made: within a second."""
    with client:
        while True:
            with suppress(KeyNeededError):
                client.knowledge_bases.list()
                return


def _logged_in(browser: Browser, server: Server, key: str) -> Page:
    context = browser.new_context(locale="zh-CN", viewport={"width": 1280, "height": 900})
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(server.url)
    assert page.url == f"{server.url}/login"
    page.locator("#key").fill(key)
    page.get_by_role("button").click()
    page.locator("#zw-question textarea").wait_for()
    return page


def _libraries(page: Page) -> list[str]:
    """The knowledge bases that the page offers."""
    page.get_by_role("tab", name="知识库").click()
    box = page.locator("#zw-library input")
    box.click()
    options = page.get_by_role("option")
    options.first.wait_for()
    found = [text.strip(" ✓\n") for text in options.all_inner_texts()]
    page.keyboard.press("Escape")
    return found


def test_a_reader_sees_its_own_and_an_editor_uploads(
    browser: Browser, guarded: Server, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    with Client(guarded.url) as client:
        for name in (OWN, OTHER):
            client.knowledge_bases.create(name)
    # The first key is shown to whoever makes it, and the page goes on with it.
    context = browser.new_context(locale="zh-CN")
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(guarded.url)
    page.locator(".zw-welcome").wait_for()
    page.get_by_role("tab", name="系统").click()
    page.get_by_role("tab", name="密钥").click()
    page.locator("#zw-keys [data-no-keys]").wait_for()
    page.locator("#zw-key-name").locator("input, textarea").fill("信息部")
    page.locator("#zw-key-make").click()
    admin = page.locator("#zw-key-secret .zw-secret").inner_text()
    expect(page.locator("#zw-keys tbody tr")).to_contain_text("信息部")
    page.get_by_role("tab", name="知识库").click()
    expect(page.locator("#zw-library input")).to_have_value(OTHER)
    context.close()
    with Client(guarded.url, key=admin) as client:
        assert [base.name for base in client.knowledge_bases.list()] == [OTHER, OWN]
    with _keys(guarded) as keys:
        _, reader = keys.create("reader", role="reader", names=[OWN])
        ended, editor = keys.create("editor", role="editor", names=[OWN])
    _until_accepted(Client(guarded.url, key=editor))
    file = tmp_path / "年假.md"
    file.write_text("# 年假\n\n员工累计工作满一年的，年假为五天。\n", encoding="utf-8")

    page = _logged_in(browser, guarded, reader)
    assert _libraries(page) == [OWN]
    page.set_input_files("#zw-upload input[multiple]", str(file))
    expect(page.get_by_text("权限").first).to_be_visible()
    with Client(guarded.url, key=reader) as client:
        assert client.knowledge_bases.documents(OWN) == []
    page.context.close()

    page = _logged_in(browser, guarded, editor)
    assert _libraries(page) == [OWN]
    page.set_input_files("#zw-upload input[multiple]", str(file))
    page.locator("#zw-progress [data-job=done]").wait_for()
    expect(page.locator("#zw-documents tbody tr")).to_contain_text("年假.md")

    # What is for admins is not offered to others, who may log out all the same.
    page.get_by_role("tab", name="系统").click()
    expect(page.locator("#zw-system-notice")).to_contain_text("只有管理员能看")
    page.get_by_role("tab", name="密钥").click()
    expect(page.get_by_role("button", name="退出登录")).to_be_visible()
    expect(page.locator("#zw-key-make")).to_be_hidden()

    # A key that ends in mid-session is said, with the way back in.
    with _keys(guarded) as keys:
        keys.revoke(ended.id)
    _until_refused(Client(guarded.url, key=editor))
    page.get_by_role("tab", name="对话").click()
    expect(page.get_by_role("alert").filter(has_text="密钥已停用")).to_be_visible()
    page.get_by_role("link", name="去登录").click()
    expect(page.locator("#key")).to_be_visible()
    page.context.close()
    with Client(guarded.url, key=reader) as client:
        assert [each.name for each in client.knowledge_bases.documents(OWN)] == ["年假.md"]
        assert "五天" in client.ask("年假有几天？", [OWN]).answer
