"""Questions as people type them, over sample documents: a word, a code, a name, a typo, another script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.knowledge_base.doubles import Home, open_home

SAMPLES = Path(__file__).parents[2] / "knowledge_base" / "samples"
NAMES = (
    "员工手册.md",
    "信息安全管理制度.md",
    "网络与值班运行手册.md",
    "港台分支工作指引.txt",
    "release-notes-4.3.md",
)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = open_home(tmp_path_factory.mktemp("samples"))
    home.add("示例", {name: (SAMPLES / name).read_bytes() for name in NAMES})
    yield home
    home.close()


@pytest.mark.parametrize(
    ("query", "document", "holds"),
    [
        ("竞业限制", "员工手册.md", "竞业限制"),
        ("堡垒机", "信息安全管理制度.md", "堡垒机"),
        ("UPS", "网络与值班运行手册.md", "UPS"),
        ("ups能撑多久", "网络与值班运行手册.md", "45分钟"),
        ("P1告警", "网络与值班运行手册.md", "P1"),
        ("REST API v1", "release-notes-4.3.md", "REST API v1"),
        ("ＲＥＳＴ ａｐｉ ｖ１", "release-notes-4.3.md", "REST API v1"),
        ("特权账号", "信息安全管理制度.md", "特权账号"),
        ("堡壘機", "信息安全管理制度.md", "堡垒机"),
        ("香港员工入职满三个月后可享有薪年假", "港台分支工作指引.txt", "首年十二天"),
        ("竟业限制协议的补偿金", "员工手册.md", "竞业限制"),
    ],
)
def test_the_first_hit(samples: Home, query: str, document: str, holds: str) -> None:
    first = samples.search(query, "示例", top_k=3)[0]
    assert first.document == document
    assert holds in f"{first.heading_path}{first.header}{first.text}"


def test_an_identifier_that_stands_nowhere_counts_against(samples: Home) -> None:
    known, unknown = (samples.search(f"{code}告警多久没人确认", "示例")[0] for code in ("P1", "P7"))
    assert known.document == "网络与值班运行手册.md"
    assert known.score > unknown.score
    assert known.keyword_score > unknown.keyword_score


def test_a_title_inside_the_document_is_part_of_what_stands_under_it(home: Home) -> None:
    manual = "# 网关手册\n\n## {}\n\n按住复位键十二秒，指示灯全灭后松开，设备自动重启。\n"
    home.add("设备", {"甲.md": manual.format("恢复出厂设置"), "乙.md": manual.format("升级固件")})
    first, second = home.search("怎样恢复出厂设置？", "设备", top_k=2)
    assert (first.document, first.heading_path) == ("甲.md", ("网关手册", "恢复出厂设置"))
    assert first.keyword_score == 1.0
    assert second.keyword_score < 0.5
    assert first.score > second.score


def test_a_faq_row_is_found_by_its_question(home: Home) -> None:
    rows = "问题,答案\n打印机卡纸怎么办？,请联系分机八一二零。\n分机八一二零是谁的？,前台。\n"
    home.add("常见", {"问答.csv": rows})
    first = home.search("打印机卡纸怎么办", "常见", top_k=2)[0]
    assert (first.question, first.text.splitlines()[-1]) == ("打印机卡纸怎么办？", "请联系分机八一二零。")
    assert first.keyword_score == 1.0
    assert home.search("分机八一二零", "常见", top_k=2)[0].question == "分机八一二零是谁的？"
