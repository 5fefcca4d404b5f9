from __future__ import annotations

import base64
import quopri
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders.base import LoadOptions
from loaders.document import Block
from loaders.errors import DamagedFileError
from loaders.html import HtmlLoader, MhtmlLoader, html_page
from loaders.registry import parse_file
from tests.loaders.office_files import assert_survives, load, recognised, texts, truncations

LOADER = HtmlLoader()
PAGE = """<!DOCTYPE html>
<html><head><meta charset="{charset}"><title>公司制度</title><style>p {{ color: red }}</style></head><body>
<header><a href="/">首页</a></header><nav><ul><li>菜单</li></ul></nav>
<p>第一段，被
   换行的中文。Some <b>bold</b>
text<br>新的一行</p>
<h2>请假</h2>
<ul><li>事假<li>年假<ul><li>五天</ul></ul>
<ol start="3"><li>病假</ol>
<table><caption>标准</caption>
<tr><th>级别<th colspan="2">金额</tr><tr><th>级别<th>上限<th>下限</tr>
<tr><td rowspan="2">经理<td>100<td>50</tr><tr><td>80<td>40</tr></table>
<pre>a = 1
  b = 2</pre>
<div style="display: none">看不见</div><script>alert("x")</script>
<footer>版权所有</footer></body></html>
"""
READ = (
    Block("公司制度", "heading", 1),
    Block("第一段，被换行的中文。Some bold text\n新的一行"),
    Block("请假", "heading", 2),
    Block("- 事假\n- 年假\n  - 五天", "list"),
    Block("3. 病假", "list"),
    Block("标准"),
    Block("经理 | 100 | 50\n经理 | 80 | 40", "table", header="级别 | 金额 上限 | 金额 下限"),
    Block("a = 1\n  b = 2", "code"),
)


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("utf-8", "utf-8"),
        ("gb2312", "gb18030"),
        ("gbk", "gbk"),
        ("utf-8", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("iso-8859-1", "utf-8"),
        ("no-such", "gb18030"),
        ("utf-8", "gb18030"),
    ],
)
def test_reads_the_main_text_in_any_encoding(tmp_path: Path, charset: str, encoding: str) -> None:
    path = tmp_path / "a.html"
    path.write_bytes(PAGE.format(charset=charset).encode(encoding))
    assert recognised(LOADER, path)
    assert recognised(LOADER, path, "unknown")
    (page,) = load(LOADER, path)
    assert page.blocks == READ
    assert page.problems == ()


def test_an_article_holds_the_main_text() -> None:
    page = html_page(
        "<body><div>广告</div><main><header><h1>标题</h1></header><p>正文。</p></main><div>推荐</div>".encode()
    )
    assert page.blocks == (Block("标题", "heading", 1), Block("正文。"))


def test_a_page_of_nothing_but_frame_is_read_whole() -> None:
    assert texts([html_page("<nav><p>只有菜单</p></nav>".encode())]) == ["只有菜单"]


def test_a_table_that_arranges_the_page_is_no_table() -> None:
    page = html_page(
        "<table><tr><td><h1>题</h1><p>文。</p></td><td><table><tr><td>甲<td>乙<tr><td>1<td>2</table></table>".encode()
    )
    assert page.blocks == (
        Block("题", "heading", 1),
        Block("文。"),
        Block("1 | 2", "table", header="甲 | 乙"),
    )


def test_xhtml_with_its_declaration() -> None:
    page = html_page(
        '<?xml version="1.0" encoding="gb2312"?><html><body><p>声明</p></body></html>'.encode("gbk")
    )
    assert texts([page]) == ["声明"]


def test_deep_nesting_keeps_the_text() -> None:
    page = html_page(("<div>" * 100_000 + "深处<p>文字" + "</div>" * 100_000).encode())
    assert texts([page]) == ["深处\n文字"]
    assert [problem.code for problem in page.problems] == ["nested_too_deeply"]


def test_entities_do_not_expand() -> None:
    page = html_page(
        b'<!DOCTYPE html [<!ENTITY a "xxxxx"><!ENTITY b SYSTEM "file:///etc/passwd">]><html><p>1&a;&b;2&lt;</p></html>'
    )
    assert "root:" not in str(page)
    assert "1&a;&b;2<" in texts([page])[-1]


def test_text_that_mentions_tags_is_not_html(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("用 <html> 标签写网页", encoding="utf-8")
    assert not recognised(LOADER, path)
    path.write_bytes(b"%PDF-1.7 <html>")
    assert not recognised(LOADER, path, "a.html")


def mhtml() -> bytes:
    body = quopri.encodestring(PAGE.format(charset="utf-8").encode())
    return (
        b"From: <Saved by Blink>\r\nSubject: =?utf-8?B?5Yi25bqm?=\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/related;\r\n\ttype="text/html";\r\n\tboundary="--x--"\r\n\r\n'
        b"\r\n----x--\r\n"
        b"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + body + b"\r\n"
        b"----x--\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        b"iVBORw0KGgo=\r\n----x----\r\n"
    )


def test_reads_a_saved_page(tmp_path: Path) -> None:
    path = tmp_path / "a.mht"
    path.write_bytes(mhtml())
    assert recognised(MhtmlLoader(), path, "a")
    assert not recognised(LOADER, path, "a")
    (page,) = load(MhtmlLoader(), path)
    assert page.blocks == READ


def test_a_saved_page_without_its_page_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.mht"
    path.write_bytes(mhtml()[:150])
    with pytest.raises(DamagedFileError):
        load(MhtmlLoader(), path)


def test_cut_short_anywhere(tmp_path: Path) -> None:
    for part in truncations(PAGE.format(charset="gbk").encode("gbk")):
        assert_survives(LOADER, part, tmp_path, "a.html")
    for part in truncations(mhtml()):
        assert_survives(MhtmlLoader(), part, tmp_path, "a.mht")


TAGS = st.sampled_from(
    [
        "<p>",
        "</p>",
        "<table>",
        "<tr>",
        "<td/colspan=9999>",
        "<td/rowspan=99>",
        "</table>",
        "<ul>",
        "<li>",
        "</ul>",
        "<ol/start=x>",
        "<pre>",
        "</pre>",
        "<h1>",
        "<h2>",
        "<title>",
        "<nav>",
        "<br>",
        "&#0;",
        "&#xd800;",
        "<!--",
        "<![CDATA[",
    ]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.one_of(
        st.binary(max_size=100), st.lists(st.one_of(TAGS, st.text(max_size=5)), max_size=25).map("".join)
    )
)
def test_any_bytes_survive(tmp_path: Path, data: bytes | str) -> None:
    raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
    assert_survives(LOADER, raw, tmp_path, "a.html")
    assert_survives(
        MhtmlLoader(), b"Content-Type: multipart/related; boundary=x\n\n--x\n" + raw, tmp_path, "a.mht"
    )


def test_a_saved_page_cut_inside_its_code_is_read_so_far(tmp_path: Path) -> None:
    code = base64.b64encode("<p>住宿标准是四百元。</p>".encode()).decode()
    head = (
        "From: <Saved>\nContent-Type: multipart/related; boundary=x\n\n"
        "--x\nContent-Type: text/html; charset=utf-8\n"
    )
    for cut in (1, 2, 3, 4, 5, 6, 7, 8):
        path = tmp_path / f"{cut}.mht"
        path.write_text(f"{head}Content-Transfer-Encoding: base64\n\n{code[:-cut]}", encoding="ascii")
        assert parse_file(path, name="a.mht", options=LoadOptions()).text.startswith("住宿标准是四百")


def test_the_reading_beside_a_character_is_left_out() -> None:
    (block,) = html_page(
        "<p>盆土用<ruby>泥炭<rp>(</rp><rt>nítàn</rt><rp>)</rp></ruby>和珍珠岩。</p>".encode(), charset="utf-8"
    ).blocks
    assert block.text == "盆土用泥炭和珍珠岩。"
