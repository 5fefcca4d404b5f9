"""Prompts from files: checked when they are read, and others by knowledge base."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.answering.prompt_files import PromptFiles, check_prompt
from app.composition import build_service
from app.errors import PromptError, SettingsError
from app.settings import load_settings


def _folder(path: Path, **files: str) -> Path:
    path.mkdir()
    for name, text in files.items():
        (path / f"{name.replace('_', '.')}.txt").write_text(text, "utf-8")
    return path


def test_ours() -> None:
    prompts = PromptFiles().of(["制度"])
    assert prompts.answer["zh"].count("{passages}") == prompts.answer["en"].count("{passages}") == 1
    assert "{refusal}" in prompts.answer["zh"]
    assert "{" not in prompts.chat["zh"] + prompts.chat["en"]


def test_by_knowledge_base(tmp_path: Path) -> None:
    files = PromptFiles(
        {
            "*": _folder(tmp_path / "all", answer_zh="共用 {passages}"),
            "法务": _folder(tmp_path / "legal", answer_zh="法务 {passages} {refusal}", chat_en="Be brief."),
        }
    )
    assert files.of(["制度"]).answer["zh"] == "共用 {passages}"
    assert files.of(["制度"]).answer["en"].startswith("You answer questions")
    assert files.of(["法务"]).answer["zh"] == "法务 {passages} {refusal}"
    assert files.of(["法务"]).chat["en"] == "Be brief."
    assert files.of(["法务", "制度"]).answer["zh"] == "共用 {passages}"
    assert files.of([]).answer["zh"] == "共用 {passages}"


def test_stored_with_a_knowledge_base(tmp_path: Path) -> None:
    files = PromptFiles({"法务": _folder(tmp_path / "p", answer_zh="法务 {passages}", chat_en="Be brief.")})
    own = files.of(["法务"], {"法务": "自己的 {passages}"})
    assert (own.answer["zh"], own.answer["en"]) == ("自己的 {passages}", "自己的 {passages}")
    assert own.chat["en"] == "Be brief."
    shared = {"制度": "同 {passages}", "人事": "同 {passages}"}
    assert files.of(["制度", "人事"], shared).answer["zh"] == "同 {passages}"
    assert files.of(["制度", "财务"], shared) == PromptFiles().of([])
    check_prompt("{passages} {refusal}")
    with pytest.raises(PromptError) as caught:
        check_prompt("{passages} {question}")
    assert caught.value.details == {
        "reason": "has {question}, which means nothing; known: {passages}, {refusal}"
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [("没有变量", "lacks {passages}"), ("{passages} {context}", "has {context}, which means nothing")],
)
def test_wrong_variables(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(SettingsError) as caught:
        PromptFiles({"法务": _folder(tmp_path / "p", answer_zh=text)})
    assert reason in str(caught.value)
    assert "answer.zh.txt" in str(caught.value)


def test_a_folder_without_prompts(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"holds none of answer\.zh\.txt"):
        PromptFiles({"法务": _folder(tmp_path / "p")})
    with pytest.raises(SettingsError, match="is no folder"):
        PromptFiles({"法务": tmp_path / "missing"})


def test_they_are_checked_at_the_start(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "p", answer_en="No variable")
    settings = load_settings({"data_dir": tmp_path / "data", "answering": {"prompts": {"*": folder}}})
    with pytest.raises(SettingsError, match=r"answer\.en\.txt lacks"):
        build_service(settings)
