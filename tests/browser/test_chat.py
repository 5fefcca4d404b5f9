"""The main job in a real browser: upload, ask, read the answer, open its source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.browser.actions import ask, document, make_library, open_chat, pdf, upload
from tests.browser.conftest import Server, Watch
from tests.browser.slow_model import SlowModel

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

HANDBOOK = """# 员工手册

## 年休假

员工累计工作满一年不满十年的，年休假为五天。员工累计工作满十年不满二十年的，年休假为十天。

## 备用金

部门备用金的上限为人民币三千元，由部门助理保管。
"""
ATTACK = """# 报销说明

`<img src=x onerror="window.attacked=1">` `<script>window.attacked=2</script>`

火车票报销须在三十天内提交，"onmouseover=window.attacked=3 x=" ${window.attacked=4}
{{constructor.constructor('window.attacked=5')()}} ![图](https://example.com/track.png)
[点我](javascript:window.attacked=6) 逾期不予报销火车票。
"""


def test_upload_ask_cite_and_refuse(page: Page, watch: Watch, server: Server, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    make_library(page, "人事制度")
    empty = tmp_path / "空文件.md"
    empty.touch()
    upload(page, document(tmp_path, "员工手册.md", HANDBOOK), empty)
    expect(page.locator("#zw-progress [role=alert]")).to_contain_text("空文件.md 是空的")
    row = page.locator("#zw-documents tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("可以提问")
    uploads = server.data_dir / "tmp"
    assert [path for path in uploads.rglob("*") if path.is_file() and path.stat().st_size] == []

    open_chat(page, "人事制度")
    ask(page, "累计工作满十年不满二十年的员工，年休假是几天？")
    current = page.locator("#zw-current")
    expect(current.locator(".zw-badge.quoted")).to_have_text("摘自原文")
    expect(current.locator(".zw-answer")).to_contain_text("年休假为十天")
    citation = current.locator("details.zw-citation").first
    expect(citation.locator("summary")).to_contain_text("员工手册.md")
    expect(citation.locator("mark").first).to_be_hidden()
    citation.locator("summary").click()
    expect(citation.locator("mark").first).to_contain_text("年休假为十天")
    reference = current.locator(".zw-reference").first
    reference.hover()
    expect(page.get_by_role("tooltip")).to_contain_text("年休假为十天")
    reference.click()
    reader = page.locator("#zw-reader .zw-reader")
    expect(reader.locator("h3").first).to_have_text("员工手册.md")
    expect(reader.locator("mark")).to_contain_text("年休假为十天")
    expect(reader.locator("mark")).to_be_in_viewport()
    expect(reader.get_by_role("heading", name="备用金")).to_be_visible()
    page.keyboard.press("Escape")
    expect(reader).to_have_count(0)
    assert page.evaluate("document.activeElement.className") == "zw-reference"

    ask(page, "火星表面的重力加速度是多少？")
    expect(current.locator(".zw-badge.refused")).to_have_text("未找到依据")
    expect(current.locator("details.zw-citation")).to_have_count(0)
    expect(page.locator("#zw-history .zw-exchange")).to_have_count(1)
    assert watch.hosts == {"127.0.0.1"}
    assert watch.complaints == []


def test_pdf_citation_shows_the_page_with_the_quote_marked(page: Page, watch: Watch, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    make_library(page, "设备")
    upload(page, pdf(tmp_path / "设备手册.pdf"))
    open_chat(page, "设备")
    ask(page, "设备的额定功率是多少瓦？")
    citation = page.locator("#zw-current details.zw-citation").first
    expect(citation.locator("summary")).to_contain_text("第 2 页")
    page.locator("#zw-current .zw-reference").first.click()
    reader = page.locator("#zw-reader .zw-reader")
    picture = reader.locator("figure img")
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("img => img.decode().then(() => img.naturalWidth)") > 500
    box, image = reader.locator("figure span").first.bounding_box(), picture.bounding_box()
    assert box is not None
    assert image is not None
    # The line stands 700 of 842 points above the bottom of an A4 page.
    assert (box["y"] + box["height"] / 2 - image["y"]) / image["height"] == pytest.approx(0.165, abs=0.03)
    expect(reader).to_contain_text("第 2 / 2 页")
    reader.get_by_role("button", name="上一页").click()
    expect(reader).to_contain_text("第 1 / 2 页")
    expect(reader.locator("figure span")).to_have_count(0)
    assert watch.hosts == {"127.0.0.1"}
    assert watch.complaints == []


def test_document_text_and_names_stay_inert(page: Page, watch: Watch, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    library = '报销"<img src=x onerror=window.attacked=7>'
    make_library(page, library)
    upload(page, document(tmp_path, "<b onclick=alert(1)>说明.md", ATTACK))
    page.locator("#zw-documents .zw-link").click()
    chunks = page.locator("#zw-document")
    expect(chunks).to_contain_text("${window.attacked=4}")
    expect(chunks).to_contain_text("{{constructor.constructor")
    open_chat(page, library)
    ask(page, "火车票报销须在多少天内提交？<img src=x onerror=window.attacked=8>")
    citation = page.locator("#zw-current details.zw-citation").first
    citation.locator("summary").click()
    expect(citation.locator("blockquote")).to_contain_text("${window.attacked=4}")
    page.locator("#zw-current .zw-reference").first.hover()
    page.locator("#zw-current .zw-reference").first.click()
    expect(page.locator("#zw-reader .zw-flow")).to_contain_text("${window.attacked=4}")
    active = ":is(#zw-log, #zw-reader) :is(img, script, iframe, [onerror], [onclick], [onmouseover])"
    assert page.locator(active).count() == 0
    assert page.locator('a[href^="javascript"], a[href^="http"]').count() == 0
    assert page.evaluate("window.attacked") is None
    assert watch.hosts == {"127.0.0.1"}
    assert watch.complaints == []


def test_stream_stop_and_answer_again(
    page: Page, browser: Browser, watch: Watch, server: Server, slow_model: SlowModel, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    make_library(page, "功率")
    upload(page, document(tmp_path, "功率.md", "# 功率\n\n设备的额定功率为四十五瓦，待机功率为三瓦。\n"))
    open_chat(page, "功率")
    page.locator("#zw-model input").click()
    page.get_by_role("option", name=slow_model.name).click()
    page.locator("#zw-question textarea").fill("设备的额定功率为多少瓦？")
    page.locator("#zw-send").click()
    current = page.locator("#zw-current")
    expect(current.locator(".zw-answer")).to_contain_text("四十五瓦")
    expect(current.locator(".zw-reply")).to_have_attribute("aria-busy", "true")

    # While one answer is being written, another user gets theirs.
    other = browser.new_context(locale="zh-CN")
    try:
        second = other.new_page()
        second.goto(server.url)
        second.locator("#zw-chat-libraries").get_by_text("功率", exact=True).wait_for()
        ask(second, "设备的额定功率为多少瓦？")
        expect(second.locator("#zw-current .zw-badge.quoted")).to_be_visible()
    finally:
        other.close()

    # In the middle of an answer, a refresh leaves the conversation open.
    assert watch.complaints == []
    page.reload()
    expect(current.locator(".zw-question")).to_contain_text("设备的额定功率为多少瓦？")
    watch.complaints.clear()
    current.get_by_role("button", name="重新回答").click()
    expect(current.locator(".zw-answer")).to_contain_text("四十五瓦")

    expect(page.locator("#zw-send")).to_be_hidden()
    page.locator("#zw-stop").click()
    expect(current.locator(".zw-badge.stopped")).to_have_text("已停止")
    expect(current.locator(".zw-answer")).to_contain_text("四十五瓦")
    expect(page.locator("#zw-send")).to_be_visible()
    slow_model.release.set()

    current.get_by_role("button", name="重新回答").click()
    expect(current.locator(".zw-badge.model")).to_contain_text(slow_model.name)
    answer = current.locator(".zw-answer")
    expect(answer.locator("strong")).to_have_text("四十五瓦")
    expect(answer.locator("li")).to_have_count(2)
    expect(answer).to_contain_text("<img src=x onerror")
    expect(answer.locator(".zw-reference")).to_have_count(2)  # the third stands in code
    assert answer.locator("a, img, [onclick]").count() == 0
    expect(page.locator("#zw-history .zw-exchange")).to_have_count(0)
    assert watch.hosts == {"127.0.0.1"}
    assert watch.complaints == []


def test_english_browser_and_switch(browser: Browser, server: Server, watch: Watch) -> None:
    from playwright.sync_api import expect

    context = browser.new_context(locale="en-GB", viewport={"width": 380, "height": 740})
    try:
        page = context.new_page()
        watch.follow(page)
        page.goto(server.url)
        expect(page.get_by_role("tab", name="Chat")).to_be_visible()
        expect(page.locator(".zw-welcome h2")).to_be_visible()
        assert page.locator("html").get_attribute("lang") == "en"
        assert page.evaluate("document.documentElement.scrollWidth") == 380
        # The side bar covers what opened it, so there are other ways out of it.
        side, switch = page.locator("#zw-side"), page.locator("#zw-side-switch button")
        ways: tuple[Callable[[], None], ...] = (
            lambda: page.locator("#zw-side-close button").click(),
            lambda: page.keyboard.press("Escape"),
            lambda: page.mouse.click(370, 400),
        )
        for leave in ways:
            switch.click()
            expect(side).to_be_visible()
            leave()
            expect(side).to_be_hidden()
            expect(switch).to_have_attribute("aria-expanded", "false")
        assert watch.complaints == []  # the reload below may break off a request of Gradio's
        page.get_by_role("button", name="中文").click()
        expect(page.get_by_role("tab", name="对话")).to_be_visible()
        expect(page.locator("#zw-send")).to_have_text("发送")
    finally:
        context.close()
    assert watch.hosts == {"127.0.0.1"}


def test_sessions_share_no_conversation_and_deleting_asks_first(
    page: Page, browser: Browser, server: Server
) -> None:
    from playwright.sync_api import expect

    make_library(page, "将被删除")
    open_chat(page, "将被删除")
    ask(page, "只有我看得见的问题")
    other = browser.new_context(locale="zh-CN")
    try:
        second = other.new_page()
        second.goto(server.url)
        expect(second.locator(".zw-welcome")).to_be_visible()
        expect(second.locator(".zw-exchange")).to_have_count(0)
    finally:
        other.close()
    page.get_by_role("tab", name="知识库").click()
    delete = page.get_by_role("button", name="删除知识库")
    page.once("dialog", lambda dialog: dialog.dismiss())
    delete.click()
    expect(page.locator("#zw-header h2")).to_have_text("将被删除")
    page.once("dialog", lambda dialog: dialog.accept())
    delete.click()
    expect(page.locator("#zw-notice")).to_contain_text("已删除“将被删除”")
    names = [kb["name"] for kb in httpx.get(f"{server.url}/api/knowledge-bases").json()["knowledge_bases"]]
    assert "将被删除" not in names


def test_conversations_survive_a_refresh_and_stay_their_browsers_own(
    page: Page, browser: Browser, watch: Watch, server: Server, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    make_library(page, "留存")
    upload(page, document(tmp_path, "员工手册.md", HANDBOOK))
    open_chat(page, "留存")
    ask(page, "备用金的上限是多少？")
    current, sessions = page.locator("#zw-current"), page.locator("#zw-sessions li")
    expect(sessions).to_have_count(1)
    page.get_by_role("button", name="没用").click()
    page.get_by_role("button", name="不完整").click()
    expect(page.get_by_role("button", name="不完整")).to_have_attribute("aria-pressed", "true")
    assert watch.complaints == []
    page.evaluate("localStorage.clear()")  # the address alone says which conversation it is
    page.reload()
    expect(current.locator(".zw-answer")).to_contain_text("三千元")
    expect(page.get_by_role("button", name="不完整")).to_have_attribute("aria-pressed", "true")
    current.locator(".zw-reference").first.click()
    expect(page.locator("#zw-reader mark")).to_contain_text("三千元")

    current.get_by_role("button", name="修改").click()
    box, editing = page.locator("#zw-question textarea"), page.locator("#zw-editing")
    expect(box).to_have_value("备用金的上限是多少？")
    expect(editing).to_contain_text("正在修改")
    box.press("Escape")  # closes the document first
    expect(page.locator("#zw-reader .zw-reader")).to_have_count(0)
    box.press("Escape")
    expect(editing).to_have_text("")
    expect(box).to_have_value("")
    current.get_by_role("button", name="修改").click()
    expect(editing).to_contain_text("正在修改")
    ask(page, "累计工作满十年不满二十年的，年休假几天？")
    expect(current.locator(".zw-answer")).to_contain_text("十天")
    expect(page.locator("#zw-history .zw-exchange")).to_have_count(0)
    expect(editing).to_have_text("")

    page.locator("#zw-new").click()
    expect(page.locator(".zw-exchange")).to_have_count(0)
    ask(page, "部门备用金由谁保管？")
    expect(sessions).to_have_count(2)
    other = browser.new_context(locale="zh-CN")
    try:
        second = other.new_page()
        second.goto(server.url)
        expect(second.locator("#zw-sessions")).to_contain_text("只有这个浏览器看得到")
    finally:
        other.close()
    assert watch.hosts == {"127.0.0.1"}


def test_files_of_one_conversation(page: Page, watch: Watch, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    page.locator("#zw-mode input").click()
    page.get_by_role("option", name="问上传的文件").click()
    expect(page.locator(".zw-welcome")).to_contain_text("文件只属于这次对话")
    paths = [str(document(tmp_path, "会议.txt", "会议定于周五下午三点在二号会议室召开。"))]
    with page.expect_file_chooser() as chooser:
        page.locator("#zw-chat-upload").click()
    chooser.value.set_files(paths)
    expect(page.locator("#zw-chat-files-state .zw-chips")).to_contain_text("会议.txt")
    ask(page, "会议在哪里召开？")
    expect(page.locator("#zw-current .zw-answer")).to_contain_text("二号会议室")
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("#zw-chat-files-state .zw-chips").get_by_role("button", name="删除").click()
    expect(page.locator("#zw-chat-files-state .zw-chips li")).to_have_count(0)
    # One that is dropped goes the same way as one that is chosen.
    page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.items.add(new File(['会议改到周六上午九点。'], '改期.txt', { type: 'text/plain' }));
          const drop = new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: data });
          document.querySelector('#zw-log').dispatchEvent(drop);
        }"""
    )
    expect(page.locator("#zw-chat-files-state .zw-chips")).to_contain_text("改期.txt")
    page.locator("#zw-new").click()
    ask(page, "会议在哪里召开？")
    expect(page.locator("#zw-current .zw-answer")).to_contain_text("请先在上方为这次对话上传文件")
    # What cannot be asked takes nothing's place.
    page.locator("#zw-current").get_by_role("button", name="修改").click()
    expect(page.locator("#zw-editing")).to_contain_text("正在修改")
    ask(page, "会议几点开始？")
    expect(page.locator(".zw-exchange")).to_have_count(2)
    expect(page.locator("#zw-editing")).to_contain_text("正在修改")
    assert watch.hosts == {"127.0.0.1"}
    assert watch.complaints == []


def test_routes_beside_the_pages(server: Server) -> None:
    status = {
        path: httpx.get(server.url + path).status_code
        for path in (
            "/",
            "/healthz",
            "/docs",
            "/v1/models",
            "/api/knowledge-bases",
            f"/gradio_api/file={server.data_dir}/catalogue.db",
            "/gradio_api/file=/etc/passwd",
            "/gradio_api/proxy=https://example.com/",
            "/gradio_api/info",
            "/gradio_api/vibe-code",
        )
    }
    assert list(status.values()) == [200] * 5 + [404] * 5
    html = httpx.get(server.url).text
    assert "default-src 'self'" in httpx.get(server.url).headers["content-security-policy"]
    assert "og:image" not in html
    assert 'lang="zh-CN"' in html


def test_conversations_are_found_opened_renamed_deleted_and_outlive_a_restart(
    page: Page, watch: Watch, server: Server, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    make_library(page, "会话")
    upload(page, document(tmp_path, "员工手册.md", HANDBOOK))
    open_chat(page, "会话")
    ask(page, "备用金的上限是多少？")
    page.locator("#zw-new").click()
    expect(page.locator(".zw-welcome")).to_be_visible()
    ask(page, "累计工作满十年不满二十年的，年休假几天？")
    sessions, current = page.locator("#zw-sessions li"), page.locator("#zw-current")
    expect(sessions).to_have_count(2)
    sessions.filter(has_text="备用金").locator(".zw-session").click()
    expect(current.locator(".zw-answer")).to_contain_text("三千元")
    page.once("dialog", lambda dialog: dialog.accept("钱的事"))
    sessions.filter(has_text="备用金").get_by_role("button", name="改名").click()
    expect(sessions.filter(has_text="钱的事")).to_have_count(1)
    search = page.locator("#zw-sessions-search").locator("input, textarea")
    search.fill("年休假")
    expect(sessions).to_have_count(1)
    search.fill("")
    expect(sessions).to_have_count(2)
    assert watch.complaints == []

    server.stop()
    box = page.locator("#zw-question textarea")
    box.fill("部门备用金由谁保管？")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="连接不上服务")).to_be_visible()
    server.start()
    # The page starts anew by itself, with its conversation and with what was being typed.
    expect(page.locator("#zw-lost")).to_have_count(0)
    expect(current.locator(".zw-answer")).to_contain_text("三千元")
    expect(box).to_have_value("部门备用金由谁保管？")
    page.keyboard.press("Enter")
    expect(current.locator(".zw-answer")).to_contain_text("部门助理")
    expect(sessions).to_have_count(2)
    page.once("dialog", lambda dialog: dialog.accept())
    sessions.filter(has_text="钱的事").get_by_role("button", name="删除").click()
    expect(sessions).to_have_count(1)
    expect(page.locator(".zw-exchange")).to_have_count(0)
    assert watch.hosts == {"127.0.0.1"}
