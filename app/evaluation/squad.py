"""Question sets in SQuAD format: every passage becomes a document of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from app.errors import EvaluationFileError


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of the question set, with its questions and their accepted answers."""

    text: str
    questions: tuple[tuple[str, tuple[str, ...]], ...]


def read_squad(path: Path) -> tuple[list[Passage], int]:
    """The passages of a SQuAD file, and how many empty questions were passed over.

    P. Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text" (2016).
    Raises `EvaluationFileError`.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        paragraphs = [paragraph for article in data["data"] for paragraph in article["paragraphs"]]
        passages, empty = [], 0
        for paragraph in paragraphs:
            questions = []
            for qa in paragraph["qas"]:
                if qa["question"].strip():
                    answers = tuple(_string(answer["text"]) for answer in qa.get("answers", ()))
                    questions.append((qa["question"].strip(), answers))
                else:
                    empty += 1
            passages.append(Passage(_string(paragraph["context"]), tuple(questions)))
    except OSError as error:
        raise EvaluationFileError(str(error), name=path.name, reason=error.strerror or "") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise EvaluationFileError(f"{path} is not SQuAD: {reason}", name=path.name, reason=reason) from error
    if not any(passage.questions for passage in passages):
        raise EvaluationFileError(f"{path} holds no questions", name=path.name, reason="no questions")
    return passages, empty


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
