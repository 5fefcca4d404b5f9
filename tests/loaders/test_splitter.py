from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.assemble import assemble
from loaders.document import Block, Box, Chunk, Line, Page, ParsedDocument
from loaders.splitter import ChineseTextSplitter

SENTENCE = "这是一个用来测试切分的句子，它有二十来个字。"


def document(*blocks: Block, page: int | None = None) -> ParsedDocument:
    return assemble([Page(page, blocks)])


def check(parsed: ParsedDocument, chunks: list[Chunk], size: int) -> None:
    covered: set[int] = set()
    for chunk in chunks:
        assert chunk.text == parsed.text[chunk.start : chunk.end]
        assert 0 < len(chunk.text) <= size
        assert chunk.text == chunk.text.strip()
        covered.update(range(chunk.start, chunk.end))
    assert {i for i, c in enumerate(parsed.text) if not c.isspace()} <= covered


def test_short_text_is_one_chunk() -> None:
    assert ChineseTextSplitter().split_text(SENTENCE * 3) == [SENTENCE * 3]


def test_unbroken_text_stays_within_the_limit() -> None:
    parsed = document(Block("字" * 5600))
    chunks = ChineseTextSplitter(chunk_size=750, overlap=0).split(parsed)
    check(parsed, chunks, 750)
    assert len(chunks) == 8


def test_long_paragraph_is_cut_evenly_between_sentences_with_overlap() -> None:
    parsed = document(Block(SENTENCE * 30))
    chunks = ChineseTextSplitter(chunk_size=200, overlap=50).split(parsed)
    check(parsed, chunks, 200)
    assert all(chunk.text.endswith("。") and chunk.text.startswith("这") for chunk in chunks)
    overlaps = [a.end - b.start for a, b in pairwise(chunks)]
    assert set(overlaps) == {2 * len(SENTENCE)}
    assert min(len(chunk.text) for chunk in chunks) >= 130


def test_headings_go_with_the_text_below() -> None:
    parsed = document(
        Block("总则", "heading", 1),
        Block("第一节", "heading", 2),
        Block("甲。"),
        Block("乙。"),
        Block("第二节", "heading", 2),
        Block("丙。"),
    )
    chunks = ChineseTextSplitter().split(parsed)
    assert [(c.text, c.heading_path, c.kind) for c in chunks] == [
        ("总则\n第一节\n甲。\n乙。", ("总则", "第一节"), "paragraph"),
        ("第二节\n丙。", ("总则", "第二节"), "paragraph"),
    ]


def test_heading_stays_with_a_long_paragraph() -> None:
    parsed = document(Block("标题", "heading", 1), Block("没有标点" * 200))
    chunks = ChineseTextSplitter(chunk_size=100, overlap=20).split(parsed)
    check(parsed, chunks, 100)
    assert chunks[0].text.startswith("标题\n没有标点")
    assert {chunk.heading_path for chunk in chunks} == {("标题",)}


def test_rows_are_whole_and_keep_their_header() -> None:
    rows = [f"第{n}行 | {'值' * 20}" for n in range(40)]
    parsed = document(Block("\n".join(rows), "table", header="名 | 值"))
    chunks = ChineseTextSplitter(chunk_size=120, overlap=40).split(parsed)
    check(parsed, chunks, 120)
    assert all(chunk.header == "名 | 值" and chunk.kind == "table" for chunk in chunks)
    assert "\n".join(chunk.text for chunk in chunks).split("\n") == rows
    assert chunks[0].search_text.startswith("名 | 值\n第0行")


def test_a_table_begins_with_the_sentence_that_leads_to_it() -> None:
    table = Block("A级 | 900\nB级 | 680", "table", header="级别 | 元")
    parsed = document(Block("出差须先申请。住宿费在下列限额内报销。"), table)
    chunks = ChineseTextSplitter().split(parsed)
    check(parsed, chunks, 480)
    assert [chunk.text.split() for chunk in chunks] == [
        ["出差须先申请。住宿费在下列限额内报销。"],
        ["住宿费在下列限额内报销。", *["A级", "|", "900", "B级", "|", "680"]],
    ]
    assert (chunks[1].kind, chunks[1].header) == ("table", "级别 | 元")


@pytest.mark.parametrize(
    "before",
    [
        (Block("字" * 41 + "。"),),  # longer than the overlap
        (Block("无关的一句。"), Block("下一章", "heading", 1)),
        (Block("另一表 | 1", "table", header="名 | 值"),),
        (Block("答。", "faq", question="问？"),),
    ],
)
def test_a_table_has_no_other_text_before_it(before: tuple[Block, ...]) -> None:
    parsed = document(*before, Block("A级 | 900", "table", header="级别 | 元"))
    chunks = ChineseTextSplitter(chunk_size=100, overlap=40).split(parsed)
    assert chunks[-1].text in ("A级 | 900", "下一章\nA级 | 900")


def test_a_full_table_leaves_no_room_for_a_sentence() -> None:
    parsed = document(Block("见下表。"), Block("键 | " + "值" * 95, "table", header="名 | 值"))
    assert ChineseTextSplitter(chunk_size=100, overlap=40).split(parsed)[-1].text.startswith("键")


def test_a_row_over_the_limit_is_cut() -> None:
    parsed = document(Block("键 | " + "值" * 300, "table", header="a | b"))
    check(parsed, ChineseTextSplitter(chunk_size=100, overlap=0).split(parsed), 100)


def test_each_faq_pair_is_a_chunk() -> None:
    pairs = [Block(f"答案{n}。还有一句。", "faq", question=f"问题{n}？") for n in range(3)]
    chunks = ChineseTextSplitter().split(document(*pairs))
    assert [(c.question, c.text) for c in chunks] == [
        (f"问题{n}？", f"答案{n}。还有一句。") for n in range(3)
    ]
    assert chunks[1].search_text == "问题1？"


def test_pages_are_not_mixed_and_lines_are_rebased() -> None:
    first = Block(
        "一二三四五六七八",
        lines=(Line(0, 4, Box(1, 0.1, 0.1, 0.5, 0.2)), Line(4, 8, Box(1, 0.1, 0.2, 0.5, 0.3))),
    )
    parsed = assemble([Page(1, (first,)), Page(2, (Block("下一页。"),))])
    chunks = ChineseTextSplitter().split(parsed)
    assert [(c.page, c.text) for c in chunks] == [(1, "一二三四五六七八"), (2, "下一页。")]
    assert chunks[0].lines == first.lines


def test_a_line_cut_by_a_chunk_has_its_share_of_the_box() -> None:
    line = Line(0, 40, Box(1, 0.0, 0.0, 0.8, 0.1))
    parsed = assemble([Page(1, (Block("字" * 40, lines=(line,)),))])
    chunks = ChineseTextSplitter(chunk_size=20, overlap=0).split(parsed)
    assert [chunk.lines for chunk in chunks] == [
        (Line(0, 20, Box(1, 0.0, 0.0, 0.4, 0.1)),),
        (Line(0, 20, Box(1, 0.4, 0.0, 0.8, 0.1)),),
    ]


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="chunk_size"):
        ChineseTextSplitter(chunk_size=5)
    with pytest.raises(ValueError, match="overlap"):
        ChineseTextSplitter(chunk_size=100, overlap=60)


def test_fingerprint_names_the_parameters() -> None:
    assert ChineseTextSplitter(chunk_size=300, overlap=30).fingerprint != ChineseTextSplitter().fingerprint


_TEXT = st.text(alphabet="中文字。，！？；a b.|\n\u3000 1“”", max_size=400)
_BLOCK = st.one_of(
    st.builds(Block, _TEXT),
    st.builds(
        lambda text, level: Block(text.replace("\n", " ")[:80], "heading", level), _TEXT, st.integers(1, 6)
    ),
    st.builds(lambda text: Block(text, "table", header="甲 | 乙"), _TEXT),
    st.builds(lambda text: Block(text, "list"), _TEXT),
    st.builds(lambda text: Block(text, "faq", question="问？"), _TEXT),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_BLOCK, max_size=8), st.integers(20, 120), st.integers(0, 50))
def test_any_document(blocks: list[Block], size: int, percent: int) -> None:
    parsed = document(*blocks)
    check(parsed, ChineseTextSplitter(chunk_size=size, overlap=size * percent // 100).split(parsed), size)
