from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loaders.base import FaqColumns, LoadOptions
from loaders.document import Block
from loaders.faq import FaqLoader
from loaders.registry import parse_file
from tests.loaders.office_files import load, recognised, workbook, zip_of

LOADER = FaqLoader()


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("问题", "答案"),
        ("问", "答"),
        ("Question", "ANSWER"),
        ("q", "a"),
        ("标准问题（必填）", "回答："),
        ("提问", "答复"),
    ],
)
def test_pairs_are_found_by_the_columns_names(tmp_path: Path, question: str, answer: str) -> None:
    path = tmp_path / "常见问题.csv"
    path.write_text(
        f"{question},{answer}\n怎么请假？,在系统里提交。\n几点上班？,九点。\n", encoding="gb18030"
    )
    assert recognised(LOADER, path)
    (page,) = load(LOADER, path)
    assert page.blocks == (
        Block("在系统里提交。", "faq", question="怎么请假？"),
        Block("九点。", "faq", question="几点上班？"),
    )
    assert page.problems == ()


def test_other_columns_give_context_and_incomplete_rows_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        '分类,问题,答案\n人事,怎么请假？,"先提交。\n再审批。"\n财务,怎么报销？,\n,,\n', encoding="utf-8"
    )
    (page,) = load(LOADER, path)
    assert page.blocks == (
        Block("先提交。\n再审批。", "faq", header="分类: 人事", question="怎么请假？"),
        Block("财务 | 怎么报销？"),
    )
    assert [(problem.code, problem.message) for problem in page.problems] == [
        ("faq_incomplete", "Rows without a question or without an answer: 3.")
    ]


def test_a_workbook_may_hold_pairs_and_tables(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        sheet = book.active
        sheet.title = "问答"
        sheet.append(["员工手册问答"])
        sheet.append(["答案", "问题"])
        sheet.append(["九点。", "几点上班？"])
        other = book.create_sheet("电话")
        other.append(["部门", "电话"])
        other.append(["财务", 1234])

    path = workbook(tmp_path / "a.xlsx", fill)
    assert recognised(LOADER, path)
    first, second = load(LOADER, path)
    assert first.blocks == (Block("员工手册问答"), Block("九点。", "faq", question="几点上班？"))
    assert (first.number, first.heading_path) == (1, ("问答",))
    assert second.blocks == (Block("财务 | 1234", "table", header="部门 | 电话"),)


def test_the_columns_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("用户说\t客服说\n你好\t您好\n", encoding="utf-8")
    assert not recognised(LOADER, path)
    loader = FaqLoader(FaqColumns(questions=("用户说",), answers=("客服说",)))
    assert recognised(loader, path)
    (page,) = load(loader, path)
    assert page.blocks == (Block("您好", "faq", question="你好"),)


def test_plain_tables_are_not_recognised(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("问题,负责人\n漏水,张三\n", encoding="utf-8")
    assert not recognised(LOADER, path)
    path.write_text("question,answer\n1,2\n", encoding="utf-8")
    assert not recognised(LOADER, path, "a.txt")


def test_two_thousand_pairs(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        book.active.append(["问题", "答案"])
        for number in range(2000):
            book.active.append([f"第{number}个问题是什么？", f"第{number}个答案。"])

    path = workbook(tmp_path / "a.xlsx", fill)
    (page,) = load(LOADER, path)
    assert len(page.blocks) == 2000
    assert page.blocks[1999] == Block("第1999个答案。", "faq", question="第1999个问题是什么？")


def test_columns_set_are_known_to_the_registry_and_inside_archives(tmp_path: Path) -> None:
    table = "咨询内容,客服\n怎么请假？,在系统里提交。\n".encode()
    path = tmp_path / "a.csv"
    path.write_bytes(table)
    columns = FaqColumns(questions=("咨询内容",), answers=("客服",))
    packed = zip_of({"问答.csv": table}, tmp_path / "a.zip")
    for file in (path, packed):
        parsed = parse_file(file, name=file.name, options=LoadOptions(faq=columns))
        (section,) = parsed.sections
        assert (section.block.question, section.block.text) == ("怎么请假？", "在系统里提交。")
    assert parse_file(path, name="a.csv", options=LoadOptions()).format == "csv"
