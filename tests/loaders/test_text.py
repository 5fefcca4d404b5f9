from __future__ import annotations

from pathlib import Path

import pytest

from loaders.base import LoadOptions
from loaders.document import Block, ParsedDocument
from loaders.encodings import decode
from loaders.errors import (
    DamagedFileError,
    EmptyFileError,
    LimitExceededError,
    NoTextError,
    UnsupportedFormatError,
)
from loaders.markdown import markdown_blocks
from loaders.registry import parse_file
from loaders.text import text_blocks

SIMPLIFIED = "员工出差应当提前三天申请，并由部门经理批准。住宿费标准为每天五百元。"
TRADITIONAL = "員工出差應當提前三天申請，並由部門經理批准。住宿費標準為每天五百元。"


def parse(tmp_path: Path, data: bytes, name: str = "a.txt") -> ParsedDocument:
    path = tmp_path / "stored"
    path.write_bytes(data)
    return parse_file(path, name=name, options=LoadOptions())


@pytest.mark.parametrize(
    ("text", "codec", "named"),
    [
        (SIMPLIFIED, "utf-8", "utf-8"),
        (SIMPLIFIED, "utf-8-sig", "utf-8"),
        (SIMPLIFIED, "gb18030", "gb18030"),
        (SIMPLIFIED, "gbk", "gb18030"),
        ("短句子。", "gb18030", "gb18030"),
        (SIMPLIFIED, "utf-16", "utf-16"),
        (SIMPLIFIED, "utf-16-le", "utf-16-le"),
        (SIMPLIFIED, "utf-16-be", "utf-16-be"),
        (TRADITIONAL, "big5", "big5"),
        ("會議紀錄", "big5", "big5"),
        (TRADITIONAL, "gb18030", "gb18030"),
    ],
)
def test_encodings(text: str, codec: str, named: str) -> None:
    decoded = decode(text.encode(codec))
    assert (decoded.text, decoded.encoding, decoded.bad_lines) == (text, named, ())


def test_a_file_that_mixes_encodings_keeps_every_line(tmp_path: Path) -> None:
    data = (
        "\n".join([SIMPLIFIED] * 3).encode()
        + b"\n"
        + SIMPLIFIED.encode("gb18030")
        + b"\n"
        + "末行。".encode()
    )
    document = parse(tmp_path, data)
    assert document.text.count(SIMPLIFIED) == 4
    assert [problem.code for problem in document.problems] == ["mixed_encodings"]
    assert decode(data).bad_lines == (4,)


def test_binary_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormatError):
        decode(bytes(range(256)) * 8)
    with pytest.raises(DamagedFileError):
        parse(tmp_path, bytes(range(256)) * 8)


@pytest.mark.parametrize("text", ["公告：停水", "本月工资表", "员工请假须提前三天申请"])
@pytest.mark.parametrize("tail", [b"\x1a", b"\r\n\x1a", b"\x0b", b"\x07"])
def test_a_control_character_does_not_change_the_encoding(text: str, tail: bytes) -> None:
    found = decode(text.encode("gbk") + tail)
    assert (found.encoding, found.text) == ("gb18030", text + tail.decode())


def test_text_cut_inside_a_character_is_read() -> None:
    assert decode(SIMPLIFIED.encode()[:-1]).text == SIMPLIFIED[:-1]


def test_empty_blank_and_large_files(tmp_path: Path) -> None:
    with pytest.raises(EmptyFileError):
        parse(tmp_path, b"")
    with pytest.raises(NoTextError):
        parse(tmp_path, b" \n\n ")
    from loaders.base import Limits

    (tmp_path / "x").write_bytes(b"a" * 11)
    with pytest.raises(LimitExceededError) as caught:
        parse_file(tmp_path / "x", name="x.txt", options=LoadOptions(limits=Limits(file_bytes=10)))
    assert caught.value.details["limit"] == "file_bytes"


def test_paragraphs_and_headings_of_plain_text() -> None:
    text = "第一章 总则\n\n第一段。\n第二行\n\n一、范围\n一、范围包括甲。\n"
    assert list(text_blocks(text)) == [
        Block("第一章 总则", "heading", 2),
        Block("第一段。\n第二行"),
        Block("一、范围", "heading", 4),
        Block("一、范围包括甲。"),
    ]


def test_lines_wrapped_at_a_width_are_joined() -> None:
    lines = [
        "这一行文字正好有二十个汉字左右长度不多不少",
        "第二行文字也是二十个汉字左右长度不多不少的",
        "第三行结束。",
    ]
    assert list(text_blocks("\n".join(lines))) == [Block("".join(lines))]


def test_markdown_under_txt(tmp_path: Path) -> None:
    document = parse(tmp_path, "# 一\n\n## 二\n\n**粗**体\n\n## 三\n\n文".encode())
    assert [(s.block.text, s.heading_path) for s in document.sections if s.block.kind == "paragraph"] == [
        ("粗体", ("一", "二")),
        ("文", ("一", "三")),
    ]


def test_markdown_blocks() -> None:
    text = (
        "---\ntitle: 手册\n---\n## 甲\n段落有[链接](http://x)和![图](a.png)以及`代码`。\n接着\n写。\n\n"
        "- 一\n  - 二\n- 三\n\n3. 丙\n4. 丁\n\n| 名 | 值 |\n| - | - |\n| a | **b** |\n"
        "\n```py\nx = 1\n```\n\n<div>块</div>\n"
    )
    assert list(markdown_blocks(text)) == [
        Block("手册", "heading", 1),
        Block("甲", "heading", 2),
        Block("段落有链接和图以及代码。接着写。"),
        Block("- 一\n  - 二\n- 三", "list"),
        Block("3. 丙\n4. 丁", "list"),
        Block("a | b", "table", header="名 | 值"),
        Block("x = 1", "code"),
        Block("块"),
    ]


def test_markdown_nested_deeply_does_not_fail() -> None:
    assert list(markdown_blocks("> " * 5000 + "x")) is not None
    assert list(markdown_blocks("- " * 5000 + "x")) is not None


def test_markdown_in_gbk(tmp_path: Path) -> None:
    document = parse(tmp_path, f"# 标题\n\n{SIMPLIFIED}".encode("gb18030"), "说明.md")
    assert document.format == "markdown"
    assert document.sections[1].heading_path == ("标题",)


def test_markdown_nested_too_deeply_is_kept_as_text(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("> " * 1_000 + "底", encoding="utf-8")
    document = parse_file(path, name="a.md", options=LoadOptions())
    assert document.text.endswith("底")
    assert [problem.code for problem in document.problems] == ["nested_too_deeply"]


def test_brackets_that_are_never_closed_stay_text() -> None:
    """Found by the fuzzer: each bracket is tried as a link, up to the parser's depth and no further."""
    text = f"说明{'[' * 3_000}文字"
    assert [block.text for block in markdown_blocks(text)] == [text]
