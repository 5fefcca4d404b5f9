from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders.base import Limits
from loaders.delimited import DelimitedLoader, find_delimiter
from loaders.document import Block
from loaders.faq import FaqLoader
from tests.loaders.office_files import (
    SHARED,
    assert_survives,
    load,
    needs_shared,
    recognised,
    truncations,
)

LOADER = DelimitedLoader()
TABLE = "部门,负责人,电话\n财务部,张三,010-1234\n研发部,李四,010-5678\n"
READ = Block("财务部 | 张三 | 010-1234\n研发部 | 李四 | 010-5678", "table", header="部门 | 负责人 | 电话")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_finds_encoding_and_delimiter(tmp_path: Path, encoding: str, delimiter: str) -> None:
    path = tmp_path / "表.csv"
    path.write_bytes(TABLE.replace(",", delimiter).encode(encoding))
    assert recognised(LOADER, path)
    (page,) = load(LOADER, path)
    assert page.blocks == (READ,)
    assert page.problems == ()
    assert page.number is None


def test_reads_big5(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("部門,負責人\n財務部,張三\n研發部,李四\n".encode("big5"))
    (page,) = load(LOADER, path)
    assert page.blocks == (Block("財務部 | 張三\n研發部 | 李四", "table", header="部門 | 負責人"),)


def test_mixed_encodings_survive_line_by_line(tmp_path: Path) -> None:
    lines = [f"第{number}行,这是一个测试的内容" for number in range(30)]
    data = b"\n".join(
        line.encode("gb18030" if number in (3, 7) else "utf-8") for number, line in enumerate(lines)
    )
    path = tmp_path / "a.csv"
    path.write_bytes("编号,内容\n".encode() + data)
    (page,) = load(LOADER, path)
    assert page.blocks[0].text == "\n".join(line.replace(",", " | ") for line in lines)
    assert [problem.code for problem in page.problems] == ["mixed_encodings"]


def test_quoted_cells_keep_delimiters_and_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes('名称,说明\n"甲,乙","第一行\n第二行"\n丙,"他说""好"""\n'.encode())
    (page,) = load(LOADER, path)
    assert page.blocks[0].text == '甲,乙 | 第一行 第二行\n丙 | 他说"好"'


def test_an_unclosed_quote_loses_nothing(tmp_path: Path) -> None:
    rows = [f"{number},内容{number}" for number in range(300)]
    path = tmp_path / "a.csv"
    path.write_bytes(('编号,内容\n1,"开头\n' + "\n".join(rows)).encode())
    (page,) = load(LOADER, path)
    assert page.blocks[0].text.endswith("299 | 内容299")
    assert len(page.blocks[0].text.split("\n")) == 301
    assert [problem.code for problem in page.problems] == ["unclosed_quote"]


def test_rows_beyond_the_limit_are_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" * 10)
    (page,) = load(LOADER, path, limits=Limits(table_rows=4))
    assert page.blocks[0].text.count("\n") == 2
    assert [problem.code for problem in page.problems] == ["rows_left_out"]


def test_commas_in_cells_do_not_hide_the_tab() -> None:
    assert find_delimiter("名\t说明\n甲\t一,二\n乙\t三,四,五\n") == "\t"


def test_only_names_of_tables_are_recognised(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(TABLE, encoding="utf-8")
    assert not recognised(LOADER, path, "a.txt")
    path.write_bytes(b"PK\x03\x04" + b"\0" * 100)
    assert not recognised(LOADER, path)


@needs_shared
def test_reads_the_sample_table() -> None:
    path = SHARED / "tables/issues_closed.csv"
    assert not recognised(FaqLoader(), path)
    (page,) = load(LOADER, path)
    (block,) = page.blocks
    assert block.header == " | title | file | url | detail | id"
    assert len(block.text.split("\n")) == 172
    assert block.text.startswith("0 | 加油~以及一些建议 | 2023-03-31.0002 | https://github.com/")


def test_cut_short_anywhere_gives_the_rows_before(tmp_path: Path) -> None:
    for number, part in enumerate(truncations(TABLE.encode("gb18030"))):
        assert_survives(LOADER, part, tmp_path, f"{number}.csv")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(max_size=200), st.text('a中,"\n\r\t;\0', max_size=60).map(str.encode)))
def test_any_bytes_survive(tmp_path: Path, data: bytes) -> None:
    assert_survives(LOADER, data, tmp_path, "fuzz.csv")
    assert_survives(FaqLoader(), data, tmp_path, "fuzz.csv")
