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
from app.messages import LANGUAGES, Language, error_text, text_language, translate
from knowledge_base.errors import KnowledgeBaseNotFoundError
from loaders.document import Problem
from loaders.errors import LimitExceededError, LoaderError
from models.errors import ModelError

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
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            at = {"Problem": 0, "_refused": 1}.get(node.func.id)
            if at is not None and at < len(node.args) and isinstance(node.args[at], ast.Constant):
                found.add(str(node.args[at].value))  # type: ignore[attr-defined]
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


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "code", sorted({*PROBLEMS, *(k.code for base in (LoaderError, ModelError) for k in _family(base))})
)
def test_every_problem_has_a_text_without_gaps(code: str, language: Language) -> None:
    text = problem_text(Problem(code, "<which>"), language, name="<name>")
    assert text != "<which>"
    assert "…" not in text
    assert text_language(text) == language


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("rows_left_out", "Rows after the first 100 were left out."),
        ("unreadable_member", "a/b.pdf: It is damaged."),
        ("limit_exceeded", "The file has 9000 pages; the limit is 5000."),
        ("model_not_found", "There is no folder m."),
    ],
)
def test_a_problem_says_which_part(code: str, message: str) -> None:
    for language in LANGUAGES:
        assert message in problem_text(Problem(code, message), language, name="甲.xlsx")


def test_the_file_is_not_taken_for_the_model() -> None:
    text = problem_text(Problem("model_not_found", "There is no folder m."), "en", name="a.pdf")
    assert text == (
        "A model needed for reading or embedding is not here; a.pdf was not stored. There is no folder m."
    )


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
