from __future__ import annotations

from loaders.document import Block
from loaders.tabular import Spanned, table_blocks


def test_first_row_of_names_is_the_header() -> None:
    assert list(table_blocks([["部门", "人数"], ["财务", "12"], ["研发", "80"]])) == [
        Block("财务 | 12\n研发 | 80", "table", header="部门 | 人数")
    ]


def test_a_first_row_with_a_number_is_data() -> None:
    assert list(table_blocks([["财务", "12"], ["研发", "80"]])) == [Block("财务 | 12\n研发 | 80", "table")]


def test_years_may_name_columns() -> None:
    (block,) = table_blocks([["指标", "2022", "2023"], ["收入", "3", "4"]])
    assert block.header == "指标 | 2022 | 2023"


def test_a_long_sentence_names_no_column() -> None:
    (block,) = table_blocks([["甲", "很长的句子" * 20], ["乙", "短"]])
    assert block.header == ""


def test_the_index_column_may_lack_a_name() -> None:
    (block,) = table_blocks([["", "title"], ["0", "标题"]])
    assert (block.header, block.text) == (" | title", "0 | 标题")


def test_titles_and_notes_stand_outside_the_table() -> None:
    rows = [["报销标准"], ["项目", "上限"], ["住宿", "500"], ["备注：含税"]]
    assert list(table_blocks(rows)) == [
        Block("报销标准"),
        Block("住宿 | 500", "table", header="项目 | 上限"),
        Block("备注：含税"),
    ]


def test_a_grouped_header_joins_two_rows() -> None:
    rows = [
        ["姓名", "收入", Spanned("收入")],
        ["姓名", "预算", "实际"],
        ["张三", "1", "2"],
    ]
    assert list(table_blocks(rows)) == [Block("张三 | 1 | 2", "table", header="姓名 | 收入 预算 | 收入 实际")]


def test_blank_rows_part_tables_and_blank_columns_vanish() -> None:
    rows = [["", "甲", "", "乙"], ["", "1", "", "2"], [], ["丙", "丁"], ["3", "4"]]
    assert list(table_blocks(rows)) == [
        Block("1 | 2", "table", header="甲 | 乙"),
        Block("3 | 4", "table", header="丙 | 丁"),
    ]


def test_one_column_is_a_list() -> None:
    assert list(table_blocks([["甲"], ["乙"]])) == [Block("甲\n乙", "list")]
