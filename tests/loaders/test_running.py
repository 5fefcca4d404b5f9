from __future__ import annotations

import pytest

from loaders.document import Block, BlockKind, Box, Line, Page
from loaders.running import drop_running_lines, join_across_pages

BODY = "正文"


def page(number: int, top: str = "", *, kind: BlockKind = "paragraph") -> Page:
    body = Block(BODY, lines=(Line(0, len(BODY), Box(number, 0.1, 0.4, 0.9, 0.5)),))
    header = Block(top, kind, lines=(Line(0, len(top), Box(number, 0.1, 0.04, 0.5, 0.06)),))
    return Page(number, (header, body) if top else (body,))


def tops(pages: list[Page]) -> list[str]:
    return ["".join(block.text for block in page.blocks if block.text != BODY) for page in pages]


@pytest.mark.parametrize("total", [5, 6, 7, 12])
def test_left_and_right_pages_have_headers_of_their_own(total: int) -> None:
    right = {n: f"第三版 {n}" for n in range(3, total + 1, 2)}
    pages = [page(n, "员工手册" if n % 2 == 0 else right.get(n, "")) for n in range(1, total + 1)]
    assert tops(drop_running_lines(pages)) == [""] * total


def test_what_stands_on_two_of_many_pages_is_kept() -> None:
    pages = [page(n, "云杉公司" if n in (3, 4) else "") for n in range(1, 6)]
    assert tops(drop_running_lines(pages)) == ["", "", "云杉公司", "云杉公司", ""]
    pages = [page(n, "云杉公司" if n in (2, 4) else "") for n in range(1, 10)]
    assert tops(drop_running_lines(pages)).count("云杉公司") == 2


def test_headings_that_differ_in_their_number_are_kept() -> None:
    pages = [page(1), page(2, "附件1", kind="heading"), page(3, "附件2", kind="heading")]
    assert tops(drop_running_lines(pages)) == ["", "附件1", "附件2"]


def wrapped(number: int, *texts: str) -> Page:
    """A page of one-line paragraphs that reach its right edge."""
    blocks = (Block(text, lines=(Line(0, len(text), Box(number, 0.1, 0.4, 0.9, 0.5)),)) for text in texts)
    return Page(number, tuple(blocks))


def test_a_paragraph_over_several_pages_stands_where_it_begins() -> None:
    begin, middle, end = "第一页的段落没有写完就换", "the second page is ended by a hyphen-", "ated word。"
    pages = join_across_pages(
        [
            wrapped(1, "标题。", begin),
            wrapped(2, middle),
            wrapped(3, end, "另起一段没有写完就换页了"),
            wrapped(4, "完。"),
        ]
    )
    assert [[block.text for block in page.blocks] for page in pages] == [
        ["标题。", begin + middle[:-1] + end],
        [],
        ["另起一段没有写完就换页了完。"],
        [],
    ]
    joined = pages[0].blocks[1]
    assert [joined.text[line.start : line.end] for line in joined.lines] == [begin, middle[:-1], end]
    assert [line.box.page for line in joined.lines] == [1, 2, 3]
