"""The retrieval test, models and the system in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.actions import ask, document, make_library, open_chat, upload
from tests.browser.conftest import TINY, Watch
from tests.browser.slow_model import SlowModel

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

RULES = """# 车辆

## 限速

园区内机动车限速每小时十五公里。

## 停放

访客车辆停放在南门停车场。
"""
SET = """问题,答案,来源
园区内机动车限速多少？,十五公里,车辆.md
访客车辆停在哪里？,南门停车场,车辆.md
食堂几点开门？,,
"""


def _trial(page: Page, library: str, tmp_path: Path) -> None:
    make_library(page, library)
    upload(page, document(tmp_path, "车辆.md", RULES))
    page.get_by_role("tab", name="检索测试").click()
    chosen = page.locator("#zw-trial-libraries")
    chosen.get_by_text(library, exact=True).wait_for()
    for _ in range(chosen.locator(".token").count() - 1):  # all but this one
        chosen.locator(".token", has_not_text=library).first.locator(".token-remove").click()


def _number(page: Page, field: str, value: str) -> None:
    box = page.locator(f"{field} input[type=number]")
    box.fill(value)
    box.press("Tab")


def test_a_query_is_tried_and_its_settings_go_to_the_chat(page: Page, watch: Watch, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    _trial(page, "试检索", tmp_path)
    page.locator("#zw-query").locator("input, textarea").fill("园区内机动车限速多少？")
    page.locator("#zw-search").click()
    hits = page.locator("#zw-hits li")
    expect(hits.first).to_contain_text("限速每小时十五公里")
    expect(hits.first.locator("mark", has_text="限速").first).to_be_visible()
    expect(hits.first.locator(".zw-score")).to_have_count(3)
    hits.first.get_by_role("button", name="看原文").click()
    expect(page.locator("#zw-trial-reader .cited")).to_contain_text("限速每小时十五公里")
    page.keyboard.press("Escape")
    expect(page.locator("#zw-trial-reader .zw-reader")).to_have_count(0)

    _number(page, "#zw-threshold", "1")
    page.locator("#zw-search").click()
    expect(page.locator("#zw-hits li.below").first).to_be_visible()
    page.locator("#zw-apply").click()
    expect(page.locator("#zw-trial-notice")).to_contain_text("已用于对话")
    open_chat(page, "试检索")
    tuned = page.locator("#zw-tuned")
    expect(tuned).to_contain_text("相关度 ≥ 1.00")
    ask(page, "园区内机动车限速多少？")
    expect(page.locator("#zw-current .zw-badge.refused")).to_be_visible()
    assert watch.complaints == []
    page.reload()
    expect(tuned).to_contain_text("相关度 ≥ 1.00")
    tuned.get_by_role("button", name="恢复默认").click()
    expect(tuned).not_to_contain_text("相关度")
    ask(page, "园区内机动车限速多少？")
    expect(page.locator("#zw-current .zw-answer")).to_contain_text("十五公里")
    assert watch.hosts == {"127.0.0.1"}


def test_a_splitter_is_tried_and_a_question_set_evaluated(page: Page, watch: Watch, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    _trial(page, "试评测", tmp_path)
    page.get_by_role("tab", name="切分试验").click()
    library = page.locator("#zw-split-library input")
    library.click()
    page.get_by_role("option", name="试评测").click()
    expect(page.locator("#zw-split-document input")).to_have_value("车辆.md")
    _number(page, "#zw-chunk-size", "50")
    _number(page, "#zw-overlap", "0")
    page.locator("#zw-split").click()
    result = page.locator("#zw-split-result")
    expect(result).to_contain_text("切成 2 个片段")
    expect(result.locator(".zw-chunk")).to_have_count(2)

    page.get_by_role("tab", name="评测").click()
    with page.expect_file_chooser() as chooser:
        page.locator("#zw-set-upload").click()
    chooser.value.set_files(str(document(tmp_path, "问题.csv", SET)))
    expect(page.locator("#zw-set")).to_contain_text("“问题.csv”：3 个问题")
    page.locator("#zw-thresholds").locator("input, textarea").fill("1.0, 0.2")
    page.locator("#zw-weights").locator("input, textarea").fill("1:1")
    page.locator("#zw-evaluate").click()
    rows = page.locator("#zw-evaluation tbody tr")
    expect(rows).to_have_count(2)
    best = rows.filter(has_text="最好")
    expect(best).to_contain_text("相关度 ≥ 0.20")
    expect(best.locator("td").first).to_have_text("1.000")
    page.locator("#zw-evaluation-report summary").click()
    report = page.frame_locator("#zw-evaluation-report iframe")
    expect(report.locator("svg").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="保存报告").click()
    assert "<svg" in Path(download.value.path()).read_text(encoding="utf-8")
    best.get_by_role("button", name="用于对话").click()
    page.get_by_role("tab", name="对话").click()
    expect(page.locator("#zw-tuned")).to_contain_text("相关度 ≥ 0.20")
    assert watch.hosts == {"127.0.0.1"}
    assert watch.complaints == []


def test_models_and_system_tell_what_there_is(
    page: Page, watch: Watch, slow_model: SlowModel, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    page.get_by_role("tab", name="模型").click()
    model = page.locator(f'#zw-models tr[data-model="{slow_model.name}"]')
    expect(model).to_contain_text("openai")
    expect(page.locator("#zw-other-models")).to_contain_text("384 维")
    tiny = page.locator(f'#zw-models tr[data-model="{TINY}"]')
    expect(tiny.locator(".zw-state")).to_have_text("未加载")
    tiny.get_by_role("button", name="加载").click()
    expect(tiny.locator(".zw-state")).to_contain_text("已加载")
    expect(tiny.locator("td").nth(1)).to_contain_text("B")
    tiny.get_by_role("button", name="卸载").click()
    expect(tiny.locator(".zw-state")).to_have_text("未加载")
    expect(page.locator("#zw-models-notice")).to_contain_text("内存已释放")
    model.get_by_role("button", name="用于对话").click()
    expect(page.locator("#zw-models-notice")).to_contain_text(slow_model.name)
    slow_model.release.set()
    page.get_by_role("button", name="试一试语言模型").click()
    page.locator("#zw-model-prompt").locator("input, textarea").fill("功率是多少？")
    page.keyboard.press("Enter")
    expect(page.locator("#zw-model-reply")).to_contain_text("用时")
    expect(page.locator("#zw-model-reply")).to_contain_text("**四十五瓦**")
    page.get_by_role("button", name="检查模型文件夹").click()
    page.locator("#zw-folder-path").locator("input, textarea").fill(str(tmp_path))
    page.locator("#zw-folder-check").click()
    expect(page.locator("#zw-folder-found")).to_contain_text("不是模型文件夹")

    page.get_by_role("tab", name="系统").click()
    expect(page.locator("#zw-jobs .zw-panel, #zw-jobs .zw-empty").first).to_be_visible()
    page.get_by_role("tab", name="状态").click()
    expect(page.locator("#zw-disk")).to_contain_text("catalogue.db")
    expect(page.locator("#zw-versions")).to_contain_text("gradio")
    page.locator("#zw-check").click()
    expect(page.locator("#zw-findings")).to_contain_text("数据完好")
    page.get_by_role("tab", name="密钥").click()
    expect(page.locator("#zw-keys")).to_contain_text("还没有密钥")
    page.locator("#zw-key-name").locator("input, textarea").fill("市场部")
    page.locator("#zw-key-role input").click()
    page.get_by_role("option", name="只读").click()
    page.locator("#zw-key-make").click()
    expect(page.locator("#zw-system-notice")).to_contain_text("第一个密钥必须是")
    assert watch.hosts == {"127.0.0.1"}
    assert watch.complaints == []
