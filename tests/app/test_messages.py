"""Every code that a user may meet has a text in both languages, and a status."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

import app
import knowledge_base
import loaders
import models
import vectorstore
from app.failures import KNOWN, STATUS, Failure, problem_text, terminal_language
from app.messages import LANGUAGES, error_text, text_language, translate
from knowledge_base.errors import KnowledgeBaseNotFoundError
from loaders.document import Problem
from loaders.errors import EncryptedFileError, LimitExceededError, LoaderError

FOLDER = Path(app.__file__).parent / "messages"
TEXTS: dict[str, dict[str, str]] = {
    language: json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8")) for language in LANGUAGES
}
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
# Where errors are defined; other modules may need packages that only some have.
_WITH_ERRORS = re.compile(r"errors$|legacy_office$")


def _error_codes() -> set[str]:
    for package in (app, knowledge_base, loaders, models, vectorstore):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if _WITH_ERRORS.search(module.name):
                importlib.import_module(module.name)
    return {kind.code for base in KNOWN for kind in _family(base)}


def _family(kind: Any) -> Iterator[Any]:
    yield kind
    for child in kind.__subclasses__():
        if not child.__module__.startswith("tests."):
            yield from _family(child)


def _problem_codes() -> set[str]:
    """The codes that the loaders give to problems, read from their source."""
    found = set()
    for path in Path(loaders.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            if ast.unparse(node.func) in {"Problem", "Problem.caused"}:
                found.add(str(node.args[0].value))
    return found


ERRORS = sorted(_error_codes())
PROBLEMS = sorted(_problem_codes())


def test_the_codes_are_found() -> None:
    assert {"invalid_setting", "queue_full", "damaged_file", "model_unavailable", "index_files"} <= set(
        ERRORS
    )
    assert "libreoffice_missing" in ERRORS
    assert {"rows_left_out", "unsafe_member", "mixed_encodings", "low_confidence"} <= set(PROBLEMS)


def test_both_languages_have_the_same_keys_in_the_same_order() -> None:
    assert list(TEXTS["zh"]) == list(TEXTS["en"])


@pytest.mark.parametrize("key", TEXTS["zh"])
def test_both_languages_fill_the_same_places(key: str) -> None:
    places = [sorted(_PLACEHOLDER.findall(TEXTS[language][key])) for language in LANGUAGES]
    assert places[0] == places[1]


@pytest.mark.parametrize("key", TEXTS["zh"])
def test_each_text_is_in_its_language(key: str) -> None:
    assert text_language(TEXTS["zh"][key]) == "zh"
    assert text_language(TEXTS["en"][key]) == "en"


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_has_a_text_and_a_status(code: str) -> None:
    assert f"error.{code}" in TEXTS["zh"]
    assert 400 <= HTTPStatus(STATUS[code]) < 600


def test_no_status_is_of_a_code_that_is_gone() -> None:
    assert set(STATUS) <= set(ERRORS)


@pytest.mark.parametrize("code", PROBLEMS)
def test_every_problem_has_a_text(code: str) -> None:
    assert f"problem.{code}" in TEXTS["zh"]


def _calls() -> Iterator[tuple[str, ast.Call]]:
    """Where our packages make an error or a problem."""
    for package in (app, knowledge_base, loaders, models, vectorstore):
        for path in sorted(Path(package.__file__ or "").parent.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                    yield f"{path.parent.name}/{path.name}:{node.lineno}", node


def _given(call: ast.Call) -> set[str] | None:
    """The names of a call's details; None where they are not written out."""
    if any(keyword.arg is None for keyword in call.keywords):
        return None
    given = {str(keyword.arg) for keyword in call.keywords}
    dictionaries = [*call.args[1:], *(k.value for k in call.keywords if k.arg == "details")]
    for value in dictionaries:
        if isinstance(value, ast.Dict):
            given |= {str(key.value) for key in value.keys if isinstance(key, ast.Constant)}
    return given


def test_errors_are_raised_with_what_their_texts_name() -> None:
    codes = {kind.__name__: kind.code for base in KNOWN for kind in _family(base)}
    # The registry adds the file's name to whatever a loader raises.
    named = {kind.__name__ for kind in _family(LoaderError)}
    gaps = []
    for where, call in _calls():
        assert isinstance(call.func, ast.Name)
        given = _given(call)
        if call.func.id == "Problem" and isinstance(call.args[0], ast.Constant):
            key = f"problem.{call.args[0].value!s}"
        elif call.func.id in codes:
            key = f"error.{codes[call.func.id]}"
        else:
            continue
        if given is not None:
            wanted = set(_PLACEHOLDER.findall(TEXTS["zh"][key])) - given
            if call.func.id in named:
                wanted.discard("name")
            gaps += [f"{where} {key}: {name}" for name in sorted(wanted)]
    assert gaps == [], "\n".join(gaps)


@pytest.mark.parametrize(
    ("problem", "zh", "en"),
    [
        (
            Problem("rows_left_out", "x", 1, {"maximum": 100}),
            "表格超过 100 行，其余的行没有读取。可在设置 limits.table_rows 中调整。",
            "The table is longer than 100 rows; the others were not read. The setting is limits.table_rows.",
        ),
        (
            Problem("faq_incomplete", "x", None, {"rows": "3, 7"}),
            "这些行缺少问题或答案：3, 7。",
            "These rows lack a question or an answer: 3, 7.",
        ),
        (
            Problem.caused(
                "unreadable_member", EncryptedFileError("x"), name="密.txt", member="外.zip/密.txt"
            ),
            "外.zip/密.txt: 包内文件无法读取：文件 密.txt 有密码保护。请去除密码后重新上传。",
            "外.zip/密.txt: A file inside cannot be read: "
            "The file 密.txt asks for a password. Remove the password and upload it again.",
        ),
        (
            Problem("limit_exceeded", "x", None, {"limit": "pages", "maximum": 5000}),
            "文件 甲.pdf 超过上限 pages（5000）。可在设置 limits.pages 中调整。",
            "The file 甲.pdf exceeds the limit pages (5000). It can be changed in the setting limits.pages.",
        ),
        (
            Problem("model_not_found", "x", None, {"name": "m3e"}),
            "找不到模型 m3e。请在设置中指定本机上的模型文件夹，或服务器上已有的模型名。",
            "The model m3e is not here. In the settings, name a model folder on this machine, or a model "
            "that the server has.",
        ),
    ],
)
def test_a_problem_is_told_in_one_language(problem: Problem, zh: str, en: str) -> None:
    assert problem_text(problem, "zh", name="甲.pdf") == zh
    assert problem_text(problem, "en", name="甲.pdf") == en


def test_a_problem_of_an_unknown_code_says_what_it_is() -> None:
    assert problem_text(Problem("new_code", "What happened."), "zh", name="a") == "What happened."


def test_details_fill_the_text() -> None:
    assert error_text("knowledge_base_not_found", "zh", "", name="{name}") == (
        "没有名为“{name}”的知识库。请先新建，或检查名称。"
    )
    assert error_text("knowledge_base_not_found", "en", "") == (
        'There is no knowledge base called "…". Make it first, or check the name.'
    )
    assert error_text("no_such_code", "zh", "as it was") == "as it was"
    assert translate("refusal", "en").startswith("The documents do not answer this question.")


def test_a_known_error_becomes_a_failure() -> None:
    failure = Failure.of(KnowledgeBaseNotFoundError("x", name="制度", path=Path("/secret")), "zh")
    assert failure.status == 404
    assert failure.body() == {
        "code": "knowledge_base_not_found",
        "message": "没有名为“制度”的知识库。请先新建，或检查名称。",
        "details": {"name": "制度"},
    }
    assert Failure.of(LimitExceededError("x", limit="pages", maximum=3), "zh").status == 413


def test_an_unknown_error_tells_nothing() -> None:
    failure = Failure.of(OSError(2, "no such file", "/home/someone/secret"), "en")
    assert (failure.status, failure.body()) == (
        500,
        {"code": "internal_error", "message": "Internal error. The service's log says more.", "details": {}},
    )


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({}, "zh"),
        ({"LANG": "C.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "zh_TW.UTF-8"}, "zh"),
    ],
)
def test_language_of_the_terminal(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], language: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert terminal_language() == language
    assert terminal_language("en") == "en"
    assert terminal_language("zh") == "zh"
