from __future__ import annotations

import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders.base import Limits
from loaders.document import Block
from loaders.errors import DamagedFileError, LimitExceededError, LoadingCancelledError
from loaders.xlsx import XlsxLoader
from tests.loaders.office_files import (
    SHARED,
    assert_survives,
    load,
    needs_shared,
    recognised,
    texts,
    truncations,
    with_member,
    workbook,
    zip_of,
)

LOADER = XlsxLoader()


def staff(book: Any) -> None:
    sheet = book.active
    sheet.title = "费用"
    sheet.append(["2024年差旅标准", None, None, None])
    sheet.merge_cells("A1:D1")
    sheet.append(["级别", "日期", "上限", "占比"])
    sheet.append(["经理", date(2024, 3, 5), 1234.5, 0.125])
    sheet.append([None, date(2024, 4, 6), 800, 0.5])
    sheet.merge_cells("A3:A4")
    for row in (3, 4):
        sheet.cell(row, 2).number_format = 'yyyy"年"m"月"d"日"'
        sheet.cell(row, 3).number_format = "#,##0.00"
        sheet.cell(row, 4).number_format = "0.0%"
    sheet.append(["备注：含税"])
    hidden = book.create_sheet("隐藏")
    hidden.sheet_state = "hidden"
    hidden.append(["甲", "乙"])
    hidden.append([1, 2])


def test_reads_sheets_as_shown(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", staff)
    first, second = load(LOADER, path)
    assert first.number == 1
    assert first.heading_path == ("费用",)
    assert first.blocks == (
        Block("2024年差旅标准"),
        Block(
            "经理 | 2024年3月5日 | 1,234.50 | 12.5%\n经理 | 2024年4月6日 | 800.00 | 50.0%",
            "table",
            header="级别 | 日期 | 上限 | 占比",
        ),
        Block("备注：含税"),
    )
    assert (second.number, second.heading_path) == (2, ("隐藏",))
    assert second.blocks == (Block("1 | 2", "table", header="甲 | 乙"),)
    assert first.problems == second.problems == ()


def test_a_header_of_two_rows_names_each_column(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        sheet = book.active
        sheet.append(["姓名", "收入", None])
        sheet.append([None, "预算", "实际"])
        sheet.append(["张三", 1, 2])
        sheet.merge_cells("A1:A2")
        sheet.merge_cells("B1:C1")

    (page,) = load(LOADER, workbook(tmp_path / "a.xlsx", fill))
    assert page.blocks == (Block("张三 | 1 | 2", "table", header="姓名 | 收入 预算 | 收入 实际"),)


def test_formulas_give_their_stored_value_or_a_problem(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        book.active.append(["项目", "金额"])
        book.active.append(["合计", "=SUM(1,2)"])
        book.active.append(["税", "=1+1"])

    bare = workbook(tmp_path / "a.xlsx", fill)
    (page,) = load(LOADER, bare)
    assert [(problem.code, problem.page) for problem in page.problems] == [("formulas_without_values", 1)]
    assert page.problems[0].message.startswith("2 formulas")

    def calculate(xml: bytes) -> bytes:
        return (
            xml.replace(b"<v></v>", b"<v>3</v>").replace(b"<v />", b"<v>3</v>").replace(b"<v/>", b"<v>3</v>")
        )

    saved = with_member(bare, "xl/worksheets/sheet1.xml", calculate, tmp_path / "b.xlsx")
    (page,) = load(LOADER, saved)
    assert page.blocks == (Block("合计 | 3\n税 | 3", "table", header="项目 | 金额"),)
    assert page.problems == ()


@needs_shared
def test_reads_the_sample_table() -> None:
    (page,) = load(LOADER, SHARED / "tables/issues_closed.xlsx")
    (block,) = page.blocks
    rows = block.text.split("\n")
    assert block.header == " | title | file | url | detail | id"
    assert len(rows) == 172
    assert rows[0] == (
        "0 | 加油~以及一些建议 | 2023-03-31.0002 | "
        "https://github.com/imClumsyPanda/langchain-ChatGLM/issues/2 | 加油，我认为你的方向是对的。 | 0"
    )


def test_rows_beyond_the_limit_are_a_problem(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        for number in range(20):
            book.active.append([number, number])

    path = workbook(tmp_path / "a.xlsx", fill)
    (page,) = load(LOADER, path, limits=Limits(table_rows=5))
    assert page.blocks[0].text.count("\n") == 4
    assert [problem.code for problem in page.problems] == ["rows_left_out"]
    assert "table_rows" in page.problems[0].message


@pytest.mark.slow
def test_a_cell_in_the_last_row_is_found_at_once(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        book.active["A1"] = "首行"
        book.active["C1048576"] = "末行"
        book.active.merge_cells("A1:XFD1")

    (page,) = load(LOADER, workbook(tmp_path / "a.xlsx", fill))
    assert [block.text for block in page.blocks] == ["首行", "末行"]


@pytest.mark.slow
def test_a_row_number_beyond_excel_ends_the_sheet(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", staff)

    def far(xml: bytes) -> bytes:
        return xml.replace(b'<row r="3"', b'<row r="999999999"').replace(b'r="A3"', b'r="A999999999"')

    evil = with_member(path, "xl/worksheets/sheet1.xml", far, tmp_path / "b.xlsx")
    assert len(load(LOADER, evil)) == 2


def test_resumes_and_cancels_between_sheets(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", staff)
    seen: list[tuple[int, int]] = []
    (page,) = load(LOADER, path, first_page=2, progress=lambda number, total: seen.append((number, total)))
    assert page.heading_path == ("隐藏",)
    assert seen == [(2, 2)]
    with pytest.raises(LoadingCancelledError):
        load(LOADER, path, cancelled=lambda: True)
    with pytest.raises(LimitExceededError) as caught:
        load(LOADER, path, limits=Limits(pages=1))
    assert caught.value.details["limit"] == "pages"


def test_a_damaged_sheet_loses_no_other_and_keeps_its_first_rows(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", staff)

    def cut(xml: bytes) -> bytes:
        return xml[: xml.index(b'<row r="4"')]

    first, second = load(LOADER, with_member(path, "xl/worksheets/sheet1.xml", cut, tmp_path / "b.xlsx"))
    assert [block.text for block in first.blocks] == [
        "2024年差旅标准",
        "经理 | 2024年3月5日 | 1,234.50 | 12.5%",
    ]
    assert [(problem.code, problem.page) for problem in first.problems] == [("damaged_sheet", 1)]
    assert second.blocks == (Block("1 | 2", "table", header="甲 | 乙"),)


def test_entities_are_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", staff)

    def declare(xml: bytes) -> bytes:
        start = xml.index(b"<worksheet")
        return xml[:start] + b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + xml[start:]

    evil = with_member(path, "xl/worksheets/sheet1.xml", declare, tmp_path / "b.xlsx")
    with pytest.raises(DamagedFileError, match="entities"):
        load(LOADER, evil)


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = zip_of({"xl/workbook.xml": b" " * 60_000_000}, tmp_path / "a.xlsx")
    assert recognised(LOADER, path)
    with pytest.raises(LimitExceededError) as caught:
        load(LOADER, path)
    assert caught.value.details["limit"] == "archive_ratio"


def test_recognised_by_content(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.bin", staff)
    assert recognised(LOADER, path, "表.txt")
    assert not recognised(LOADER, zip_of({"a.txt": "x"}, tmp_path / "b.xlsx"))


def test_cut_short_anywhere_is_damaged(tmp_path: Path) -> None:
    data = workbook(tmp_path / "a.xlsx", staff).read_bytes()
    for number, part in enumerate(truncations(data)):
        path = tmp_path / f"{number}.xlsx"
        path.write_bytes(part)
        with pytest.raises(DamagedFileError):
            load(LOADER, path)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_survive(tmp_path: Path, data: st.DataObject) -> None:
    original = tmp_path / "original.xlsx"
    if not original.exists():
        workbook(original, staff)
    with zipfile.ZipFile(original) as archive:
        members: dict[str, bytes | str] = {name: archive.read(name) for name in archive.namelist()}
    name = data.draw(st.sampled_from(sorted(members)))
    xml = members[name]
    assert isinstance(xml, bytes)
    cut = data.draw(st.integers(0, len(xml)))
    members[name] = xml[:cut] + data.draw(st.binary(max_size=20)) + xml[cut + data.draw(st.integers(0, 20)) :]
    evil = zip_of(members, tmp_path / "evil.zip").read_bytes()
    assert_survives(LOADER, evil, tmp_path, "evil.xlsx")


def test_nothing_but_text_is_lost(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        book.active.append(["错误", "#DIV/0!", True, "多\n行"])

    assert texts(load(LOADER, workbook(tmp_path / "a.xlsx", fill))) == ["错误 | #DIV/0! | TRUE | 多 行"]
