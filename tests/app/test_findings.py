"""What is found in model folders is told in both languages, with all that the texts name."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import app
import models
from app.failures import Failure
from app.messages import LANGUAGES
from models.errors import CheckpointError

PACKAGE = Path(models.__file__).parent / "checkpoints"
MESSAGES = Path(app.__file__).parent / "messages"
NAMES = ("CheckpointError", "Finding")


def raised() -> Iterator[tuple[str, set[str], str]]:
    """Codes in the sources with the details that they are given."""
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or not node.args:
                continue
            code = node.args[0]
            if node.func.id in NAMES and isinstance(code, ast.Constant):
                given = {keyword.arg for keyword in node.keywords if keyword.arg}
                for value in node.args:
                    if isinstance(value, ast.Dict):
                        given |= {str(key.value) for key in value.keys if isinstance(key, ast.Constant)}
                yield str(code.value), given, f"{path.name}:{node.lineno}"


def test_every_finding_has_a_text_and_its_details() -> None:
    found = list(raised())
    assert len(found) > 20
    for code, given, where in found:
        for language in LANGUAGES:
            named = set(re.findall(r"\{(\w+)\}", _template(code, language)))
            assert named <= given, where


def _template(code: str, language: str) -> str:
    texts: dict[str, str] = json.loads((MESSAGES / f"{language}.json").read_text(encoding="utf-8"))
    return texts[f"finding.{code}"]


def test_an_error_tells_its_finding() -> None:
    error = CheckpointError("tokenizer_missing", "tokenizer.model is missing", file="tokenizer.model")
    assert Failure.of(error, "zh").message == "这个模型文件夹不能使用。缺少分词器文件 tokenizer.model。"
    assert (
        Failure.of(error, "en").message
        == "This model folder cannot be used. The tokenizer's file tokenizer.model is missing."
    )
