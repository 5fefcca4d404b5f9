from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders.document import Block
from loaders.rst import RstLoader, rst_blocks
from tests.loaders.office_files import assert_survives, load, recognised, truncations

LOADER = RstLoader()
TEXT = """\
====
手册
====

.. 这是注释
   看不见

第一章
======

这一段被
换行，有 **粗体**、``代码``、:ref:`链接 <target>` 和 `网页 <https://example.com>`_。

第一节
------

- 甲
- 乙
  接着说

  - 丙

1. 一
2. 二

示例::

    print(1)

    print(2)

.. note:: 注意

   提示的内容。

.. code-block:: python
   :linenos:

   x = 1

.. image:: a.png

第二章
======

+------+------+
| 名称 | 价格 |
+======+======+
| 苹果 | 5    |
| 大号 |      |
+------+------+
| 梨   | 3    |
+------+------+

====  ====
部门  人数
====  ====
财务  12
研发  80
====  ====

尾声。
"""


def test_reads_structure(tmp_path: Path) -> None:
    path = tmp_path / "a.rst"
    path.write_bytes(TEXT.encode("gb18030"))
    assert recognised(LOADER, path)
    assert not recognised(LOADER, path, "a.txt")
    (page,) = load(LOADER, path)
    assert [block for block in page.blocks if block.text] == [
        Block("手册", "heading", 1),
        Block("第一章", "heading", 2),
        Block("这一段被换行，有 粗体、代码、链接 和 网页。"),
        Block("第一节", "heading", 3),
        Block("- 甲\n- 乙接着说\n  - 丙\n1. 一\n2. 二", "list"),
        Block("示例:"),
        Block("print(1)\n\nprint(2)", "code"),
        Block("注意"),
        Block("提示的内容。"),
        Block("x = 1", "code"),
        Block("第二章", "heading", 2),
        Block("苹果大号 | 5\n梨 | 3", "table", header="名称 | 价格"),
        Block("财务 | 12\n研发 | 80", "table", header="部门 | 人数"),
        Block("尾声。"),
    ]


def test_a_paragraph_that_ends_at_a_heading() -> None:
    assert [block.kind for block in rst_blocks("文字\n标题\n====\n文字")] == [
        "paragraph",
        "heading",
        "paragraph",
    ]


def test_nothing_is_included(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    assert (
        list(rst_blocks(f".. include:: {tmp_path}/secret\n\n.. raw:: html\n   :file: {tmp_path}/secret\n"))
        == []
    )


def test_deep_directives_end() -> None:
    text = "\n".join("   " * depth + ".. note::\n" for depth in range(300)) + "\n" + "   " * 300 + "底"
    assert "底" in "".join(block.text for block in rst_blocks(text))


def test_cut_short_anywhere(tmp_path: Path) -> None:
    for part in truncations(TEXT.encode("gb18030")):
        assert_survives(LOADER, part, tmp_path, "a.rst")


LINES = [
    *("=", "==== ====", "---", "+--+--+", "| a | b", "+", "- x", "  y", "", "中文", "::", ".. a::"),
    *(".. ", "   :o: v", "1. z", "====", "|"),
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=60) | st.lists(st.sampled_from(LINES), max_size=14).map("\n".join))
def test_any_bytes_survive(tmp_path: Path, data: bytes | str) -> None:
    assert_survives(LOADER, data if isinstance(data, bytes) else data.encode(), tmp_path, "a.rst")
