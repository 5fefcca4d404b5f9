from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders.base import Limits
from loaders.document import Block, Page
from loaders.errors import DamagedFileError
from loaders.json_records import JsonLoader
from tests.loaders.office_files import assert_survives, load, recognised, texts, truncations

LOADER = JsonLoader()


def read(text: str, folder: Path, name: str = "a.json", **options: Any) -> Page:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    assert recognised(LOADER, path)
    (page,) = load(LOADER, path, **options)
    return page


def test_a_list_of_records_is_a_paragraph_each(tmp_path: Path) -> None:
    records = [
        {
            "姓名": "张三",
            "年龄": 30,
            "地址": {"城市": "北京", "街道": None},
            "技能": ["写作", "编程"],
            "在职": True,
        },
        {"姓名": "李四", "项目": [{"名": "甲"}, {"名": "乙"}]},
    ]
    page = read(json.dumps(records), tmp_path)
    assert page.blocks == (
        Block("姓名: 张三\n年龄: 30\n地址.城市: 北京\n技能: 写作, 编程\n在职: true"),
        Block("姓名: 李四\n项目.名: 甲\n项目.名: 乙"),
    )


def test_what_an_object_names_is_a_heading(tmp_path: Path) -> None:
    page = read(
        '{"版本": "1.10", "数": 1.10, "部门": [{"名": "财务"}], "设置": {"语言": "中文"}, "空": []}', tmp_path
    )
    assert page.blocks == (
        Block("版本: 1.10\n数: 1.10"),
        Block("部门", "heading", 1),
        Block("名: 财务"),
        Block("设置", "heading", 1),
        Block("语言: 中文"),
    )


def test_a_list_of_words_is_a_list(tmp_path: Path) -> None:
    assert read('["甲", "乙", 3]', tmp_path).blocks == (Block("甲\n乙\n3", "list"),)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.ndjson"])
def test_lines_of_records(tmp_path: Path, name: str) -> None:
    page = read('{"问": "一"}\n\n{"问": "二"}\n坏的一行\n{"问": {"深": "三"}}\n', tmp_path, name)
    assert texts([page]) == ["问: 一", "问: 二", "坏的一行", "问.深: 三"]
    assert [(problem.code, problem.message) for problem in page.problems] == [
        ("bad_lines", "Lines that are not JSON: 4.")
    ]


def test_one_line_of_a_record_is_json_too(tmp_path: Path) -> None:
    assert texts([read('{"问": "一"}\n', tmp_path, "a.jsonl")]) == ["问: 一"]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-8-sig"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes('[{"标题": "这是一份中文的测试文件"}]'.encode(encoding))
    assert recognised(LOADER, path)
    assert texts(load(LOADER, path)) == ["标题: 这是一份中文的测试文件"]


def test_depth_exhausts_nothing(tmp_path: Path) -> None:
    deep = '{"k":' * 300 + '"底"' + "}" * 300
    assert texts([read(deep, tmp_path)]) == ["k", "k.k.k.k: 底"]
    path = tmp_path / "b.json"
    path.write_text("[" * 200_000)
    with pytest.raises(DamagedFileError):
        load(LOADER, path)


def test_records_beyond_the_limit_are_a_problem(tmp_path: Path) -> None:
    page = read(json.dumps([{"n": n} for n in range(9)]), tmp_path, limits=Limits(table_rows=3))
    assert texts([page]) == ["n: 0", "n: 1", "n: 2"]
    assert [problem.code for problem in page.problems] == ["rows_left_out"]


def test_huge_numbers_are_text(tmp_path: Path) -> None:
    number = "9" * 10_000
    assert texts([read(f'{{"n": {number}, "m": NaN}}', tmp_path)]) == [f"n: {number}\nm: NaN"]


def test_text_under_the_name_of_json_is_not_recognised(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("只是文字", encoding="utf-8")
    assert not recognised(LOADER, path)


def test_cut_short_anywhere(tmp_path: Path) -> None:
    data = json.dumps([{"题": "甲" * 20, "文": ["乙"]} for _ in range(10)], indent=1).encode()
    for part in truncations(data)[1:]:
        path = tmp_path / "a.json"
        path.write_bytes(part)
        with pytest.raises(DamagedFileError, match="line"):
            load(LOADER, path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(max_size=60), st.text('{}[]":,\\u1en中\n ', max_size=40).map(str.encode)))
def test_any_bytes_survive(tmp_path: Path, data: bytes) -> None:
    assert_survives(LOADER, data, tmp_path, "a.json")


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text("中文ab", min_size=1, max_size=6)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("键k", max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


def leaves(value: object) -> list[str]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [value] if isinstance(value, str) else []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES)
def test_every_text_is_kept(tmp_path: Path, value: object) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    text = "\n".join(texts(load(LOADER, path)))
    assert all(leaf in text for leaf in leaves(value))


def test_what_is_nested_too_deeply_is_kept_as_text(tmp_path: Path) -> None:
    (page,) = [read("[" * 100_000 + '"底"' + "]" * 100_000, tmp_path)]
    assert '"底"' in page.blocks[0].text
    assert [problem.code for problem in page.problems] == ["nested_too_deeply"]
