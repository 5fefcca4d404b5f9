"""What a document costs does not grow with the knowledge base: no statement of its way in reads all of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import event

from tests.knowledge_base.doubles import Home, sections

# Tables that grow with the documents, and columns whose values pick a few rows of them.
_GROWING = "documents|document_names|document_versions|chunks|vectors|chunk_edits|job_files"
_NARROW = r"\bid|sha256|name|document_id|chunk_id|hash|rowid"
_READS_ALL = re.compile(rf"^(SCAN|SEARCH) ({_GROWING})(?! USING .*\(.*({_NARROW}))")


def plans(home: Home, statements: list[tuple[str, Any]]) -> dict[str, list[str]]:
    """How SQLite goes through the tables, by statement."""
    found = {}
    with home.database.read() as connection:
        for statement, values in statements:
            if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
                first = values[0] if isinstance(values, list) else values
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", first)
                found[statement] = [row.detail for row in rows]
    return found


def test_no_statement_of_an_upload_reads_the_whole_knowledge_base(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.add("k", {f"{n}.md": sections(f"第{n}号文件。") for n in range(40)})
    key = home.key("k")
    home.indexes.index(key, dimension=64)
    statements: list[tuple[str, Any]] = []

    def note(_c: Any, _u: Any, statement: str, values: Any, *_: Any) -> None:
        statements.append((statement, values))

    engine = home.database._engine
    event.listen(engine, "before_cursor_execute", note)
    home.add("k", {"new.md": sections("新的文件。", "两个片段。"), "3.md": sections("改过的文件。")})
    event.remove(engine, "before_cursor_execute", note)
    reading_all = {
        step: statement
        for statement, steps in plans(home, statements).items()
        for step in steps
        if _READS_ALL.search(step)
    }
    assert reading_all == {}
    assert len(statements) > 30
