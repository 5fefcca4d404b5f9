"""Reading order of pages as papers and standards are set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from loaders.base import LoadOptions
from loaders.registry import parse_file
from tests.loaders.pdf_files import HEIGHT, lines_at, together, write_pdf


def blocks(folder: Path, *draws: Callable[[Any], None]) -> list[str]:
    path = write_pdf(folder / "a.pdf", together(*draws))
    return [s.block.text for s in parse_file(path, name="a.pdf", options=LoadOptions()).sections]


def column(x: float, texts: Sequence[str]) -> Callable[[Any], None]:
    return lines_at(x, 200, texts, leading=16, size=10)


LEFT = [f"左栏的第{n}行写满了这一栏的宽度从头到尾" for n in "一二三四五六七八"]
RIGHT = [f"右栏的第{n}行写满了这一栏的宽度从头到尾" for n in "一二三四五六七"]


def test_a_sentence_goes_on_in_the_next_column(tmp_path: Path) -> None:
    found = blocks(tmp_path, column(60, LEFT), column(310, [*RIGHT, "到此结束。"]))
    assert found == ["".join((*LEFT, *RIGHT, "到此结束。"))]


def test_notes_at_the_foot_of_the_first_column_do_not_interrupt_the_text(tmp_path: Path) -> None:
    note = "收稿日期：二月九日"
    found = blocks(
        tmp_path, column(60, LEFT), lines_at(60, 360, [note], size=8), column(310, [*RIGHT, "到此结束。"])
    )
    assert found == ["".join((*LEFT, *RIGHT, "到此结束。")), note]


def test_the_first_word_of_an_abstract_that_is_set_apart_stays_in_front(tmp_path: Path) -> None:
    def abstract(canvas: Any) -> None:
        canvas.setFont("STSong-Light", 10)
        canvas.drawString(
            60, HEIGHT - 120, "摘　要：本文比较了三种办法在同样条件下的结果，并且说明了各自适用的场合，"
        )
        canvas.drawString(
            60, HEIGHT - 136, "最后给出了选用的建议，供同类工程参考使用，也指出了尚未解决的问题和今后的工作。"
        )

    found = blocks(tmp_path, abstract, column(60, LEFT), column(310, RIGHT))
    assert found[0].startswith(
        "摘要：本文比较了三种办法在同样条件下的结果，并且说明了各自适用的场合，最后给出了"
    )


def test_entries_of_a_table_of_contents_stay_apart(tmp_path: Path) -> None:
    entries = [
        f"{title}{'…' * 20}{page}" for title, page in (("前言", "Ⅱ"), ("1 范围", "1"), ("2 试验方法", "3"))
    ]
    assert blocks(tmp_path, lines_at(60, 100, entries, size=10)) == [
        "前言 … Ⅱ",
        "1 范围 … 1",
        "2 试验方法 … 3",
    ]
