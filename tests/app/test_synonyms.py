"""Words of the user's own that mean the same, from a file that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.errors import SettingsError
from app.synonyms import read_synonyms

GROUPS = "星桥 项目管理系统\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_file_in_any_usual_encoding(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "词.txt"
    file.write_text(GROUPS, encoding=encoding)
    assert read_synonyms(file).others("怎么登录星桥?") == ["登陆", "登入", "项目管理系统"]


@pytest.mark.parametrize("content", [None, b"\x00\x01\x02\xff" * 100])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "words.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"retrieval\.synonyms.*words\.txt"):
        read_synonyms(file)


@pytest.mark.slow
@pytest.mark.model
def test_a_question_in_the_words_of_the_house(make_service: Any, tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text(GROUPS, encoding="utf-8")
    text = "一、项目管理系统的账号由信息部开通。\n二、门禁卡由行政部发放。".encode()
    answers = []
    for settings in ({}, {"retrieval": {"synonyms": file}}):
        service = make_service(**settings)
        service.create_knowledge_base("kb")
        service.ingest("kb", [service.store("a.txt", [text])])
        answers.append(service.ask("星桥谁来开通？", ["kb"]))
    assert answers[0].refused
    assert "信息部" in answers[1].answer
    assert answers[1].citations[0].document == "a.txt"
