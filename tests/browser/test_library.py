"""Knowledge bases in a real browser: what goes in, how it is shown and changed, how it comes out."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.actions import ask, document, make_library, open_chat, upload
from tests.browser.conftest import ROOT, Watch

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

SAMPLES = ROOT / "knowledge_base" / "samples"
FIRST = "# 仓库\n\n## 温度\n\n冷藏仓的温度为二至八摄氏度。\n\n## 值班\n\n夜班由两名保管员值守。\n"


def _open(page: Page, name: str) -> Locator:
    page.locator("#zw-documents").get_by_role("button", name=name).click()
    opened = page.locator("#zw-document")
    opened.get_by_role("heading", name=name).wait_for()
    return opened


def _rows(page: Page) -> Locator:
    return page.locator("#zw-documents tbody tr")


def test_folders_zips_and_dropped_files_come_in(page: Page, watch: Watch, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    make_library(page, "入库")
    folder = tmp_path / "资料"
    (folder / "下级").mkdir(parents=True)
    document(folder, "仓库.md", FIRST)
    document(folder / "下级", "说明.txt", "叉车每天下班前充电。")
    document(folder, ".隐藏.txt", "不应上传。")
    page.set_input_files("#zw-upload input[webkitdirectory]", folder)
    expect(_rows(page)).to_have_count(2)
    expect(_rows(page).nth(0)).to_contain_text("资料/下级/说明.txt")

    package = tmp_path / "打包.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("制度/打卡.txt", "迟到三次记一次警告。")
    broken = document(tmp_path, "损坏.pdf", "%PDF-1.7\n不完整")
    upload(page, package, broken)
    expect(page.locator("#zw-progress [role=alert]")).to_contain_text("损坏.pdf")
    expect(_rows(page)).to_have_count(3)

    # What a drop carries, as far as a script may make it.
    carried = page.evaluate_handle(
        """() => {
          const data = new DataTransfer();
          data.items.add(new File(['托盘每季度盘点一次。'], '拖入.txt', { type: 'text/plain' }));
          return data;
        }"""
    )
    page.dispatch_event("#zw-upload .zw-drop", "dragover", {"dataTransfer": carried})
    expect(page.locator("#zw-upload .zw-drop.over")).to_be_visible()
    page.dispatch_event("#zw-upload .zw-drop", "drop", {"dataTransfer": carried})
    # A second drop waits for the first; what of it cannot be read keeps nothing else back.
    page.evaluate(
        """() => {
          const entry = (name, file) => ({ isFile: true, fullPath: `/${name}`, file });
          const entries = [
            entry('锁住.txt', (read, failed) => failed(new Error('locked'))),
            entry('又一.txt', (read) => read(new File(['货架每年检修一次。'], '又一.txt'))),
          ];
          const event = new Event('drop', { bubbles: true });
          const items = entries.map((one) => ({ webkitGetAsEntry: () => one }));
          event.dataTransfer = { types: ['Files'], items, files: [] };
          document.querySelector('#zw-upload .zw-drop').dispatchEvent(event);
        }"""
    )
    expect(page.locator("#zw-upload .zw-drop.over")).to_have_count(0)
    expect(_rows(page)).to_have_count(5)
    expect(page.locator("#zw-progress [role=alert]")).to_contain_text("锁住.txt")
    expect(page.locator("#zw-upload .zw-sending")).to_be_hidden()
    page.locator("#zw-documents-search").locator("input, textarea").fill("拖入")
    expect(_rows(page)).to_have_count(1)
    expect(_rows(page).locator("td").nth(3)).to_have_text("30 B")
    assert watch.hosts == {"127.0.0.1"}
    assert watch.complaints == []


def test_a_document_is_opened_edited_renamed_and_moved(page: Page, watch: Watch, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    make_library(page, "别处")
    make_library(page, "编辑")
    upload(page, document(tmp_path, "仓库.md", FIRST))
    opened = _open(page, "仓库.md")
    # The focus goes along: to what was opened, and back to what was pressed.
    expect(opened.get_by_role("heading", name="仓库.md")).to_be_focused()
    reader = page.locator("#zw-library-reader .zw-reader")
    expect(reader.get_by_role("heading", name="温度")).to_be_visible()

    chunk = opened.locator(".zw-chunk", has_text="夜班由两名保管员值守")
    chunk.get_by_role("button", name="看原文").click()
    expect(reader.locator(".cited")).to_contain_text("夜班由两名保管员值守")
    chunk.get_by_role("button", name="修改").click()
    expect(opened.locator("#zw-chunk-text")).to_be_focused()
    opened.locator("#zw-chunk-text").fill("夜班由三名保管员值守。")
    opened.get_by_role("button", name="保存").click()
    expect(page.locator("#zw-notice")).to_contain_text("已保存")
    chunk = opened.locator(".zw-chunk", has_text="三名保管员")
    expect(chunk).to_contain_text("经人工修改")
    expect(chunk.get_by_role("button", name="修改", exact=True)).to_be_focused()
    chunk.get_by_role("button", name="停用").click()
    expect(chunk).to_contain_text("已停用")
    expect(chunk.get_by_role("button", name="启用")).to_be_focused()
    chunk.get_by_role("button", name="启用").click()
    expect(chunk.get_by_role("button", name="停用")).to_be_visible()
    opened.locator("summary", has_text="手工添加片段").click()
    opened.locator("#zw-chunk-new").fill("仓库钥匙由值班长保管。")
    opened.get_by_role("button", name="加入").click()
    expect(opened.locator(".zw-chunk", has_text="仓库钥匙由值班长保管")).to_be_visible()

    # The file is read anew, without what the edit was about: somebody has to decide.
    changed = document(tmp_path, "新.md", FIRST.replace("夜班由两名保管员值守", "夜班由保管员轮流值守"))
    with page.expect_file_chooser() as chooser:
        opened.get_by_role("button", name="更换文件").click()
    chooser.value.set_files(str(changed))
    page.locator("#zw-progress [data-job=done]").wait_for()
    expect(_rows(page)).to_contain_text("1 处修改待确认")
    opened = _open(page, "仓库.md")
    conflict = opened.locator(".zw-conflicts")
    expect(conflict).to_contain_text("夜班由三名保管员值守")
    conflict.get_by_role("button", name="用于最相近的片段").click()
    expect(conflict).to_have_count(0)
    expect(opened).to_contain_text("2 个版本")

    page.once("dialog", lambda dialog: dialog.accept("冷库.md"))
    opened.get_by_role("button", name="改名").click()
    expect(opened.get_by_role("heading", name="冷库.md")).to_be_visible()
    with page.expect_download() as download:
        opened.get_by_role("link", name="下载").click()
    assert Path(download.value.path()).read_bytes() == changed.read_bytes()
    opened.locator("#zw-move-target").select_option("别处")
    opened.get_by_role("button", name="移动").click()
    expect(page.locator("#zw-notice")).to_contain_text("已移动到“别处”")
    expect(_rows(page)).to_have_count(0)
    open_chat(page, "别处")
    ask(page, "夜班由几名保管员值守？")
    expect(page.locator("#zw-current .zw-answer")).to_contain_text("三名")
    assert watch.hosts == {"127.0.0.1"}
    assert watch.complaints == []


def test_a_knowledge_base_is_renamed_exported_deleted_and_imported(
    page: Page, watch: Watch, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    make_library(page, "旧名")
    upload(page, document(tmp_path, "仓库.md", FIRST))
    page.get_by_role("button", name="修改名称和说明").click()
    page.locator("#zw-new-name").locator("input, textarea").fill("documents")
    page.locator("#zw-save").click()
    header = page.locator("#zw-header")
    expect(header.get_by_role("heading", name="documents")).to_be_visible()
    expect(page.locator("#zw-library input")).to_have_value("documents")  # as the key of a text is called
    with page.expect_download() as download:
        header.get_by_role("button", name="导出").click()
    assert download.value.suggested_filename == "documents.zhiwen"
    package = tmp_path / "documents.zhiwen"
    download.value.save_as(package)

    page.once("dialog", lambda dialog: dialog.accept())
    header.get_by_role("button", name="重建").click()
    page.locator("#zw-progress [data-job=done]").wait_for()
    page.once("dialog", lambda dialog: dialog.accept())
    header.get_by_role("button", name="删除知识库").click()
    expect(page.locator("#zw-notice")).to_contain_text("已删除“documents”")

    page.get_by_role("button", name="导入知识库").click()
    page.locator("#zw-import-name").fill("取回")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="选择文件并导入").click()
    chooser.value.set_files(str(package))
    expect(page.locator("#zw-notice")).to_contain_text("已导入“取回”")
    expect(header.get_by_role("heading", name="取回")).to_be_visible()
    expect(_rows(page)).to_have_count(1)
    assert watch.hosts == {"127.0.0.1"}
    assert watch.complaints == []


def _scan(path: Path, pages: int) -> Path:
    """A PDF of pictures alone: the first page of the sample scan, again and again."""
    import pypdfium2

    with pypdfium2.PdfDocument(SAMPLES / "停电检修通知-扫描件.pdf") as scan:
        target = pypdfium2.PdfDocument.new()
        target.import_pages(scan, [0] * pages)
        target.save(path)
        target.close()
    return path


def test_a_scan_shows_its_progress_is_cancelled_and_a_short_one_cited(
    page: Page, watch: Watch, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    make_library(page, "扫描")
    page.set_input_files("#zw-upload input[multiple]", str(_scan(tmp_path / "长.pdf", 60)))
    running = page.locator("#zw-progress [data-job=running]")
    expect(running).to_contain_text("/ 60 页")
    running.get_by_role("button", name="取消").click()
    page.locator("#zw-progress [data-job=cancelled]").wait_for()
    expect(page.locator("#zw-progress").get_by_role("button", name="重试")).to_be_visible()

    word = SAMPLES / "差旅与费用报销管理办法.docx"
    upload(page, SAMPLES / "停电检修通知-扫描件.pdf", word)
    open_chat(page, "扫描")
    current, reader = page.locator("#zw-current"), page.locator("#zw-reader .zw-reader")
    ask(page, "停电检修期间哪些区域停电？")
    current.locator(".zw-reference").first.click()
    expect(reader.locator("h3").first).to_have_text("停电检修通知-扫描件.pdf")
    expect(reader.locator("figure span").first).to_be_in_viewport()
    ask(page, "去欧洲出差，每晚住宿费的上限是多少？")
    current.locator(".zw-reference").first.click()
    expect(reader.locator("h3").first).to_have_text(word.name)
    expect(reader.locator("mark").first).to_be_in_viewport()
    assert watch.hosts == {"127.0.0.1"}
    assert watch.complaints == []
