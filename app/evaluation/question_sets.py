"""Question sets: SQuAD files with their passages, and tables of question, answer and source."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import knowledge_base
from app.errors import EvaluationFileError
from app.evaluation.squad import Passage, read_squad
from loaders.delimited import find_delimiter, parse_rows
from loaders.encodings import decode
from loaders.faq import ANSWER_COLUMNS, QUESTION_COLUMNS, column_name

SOURCE_COLUMNS = (
    "来源", "出处", "文档", "文件", "文档名", "文件名", "來源", "出處", "文件名稱",
    "source", "sources", "document", "documents", "file", "filename",
)  # fmt: skip
_TABLES = frozenset({".csv", ".tsv"})
_SAMPLES = Path(knowledge_base.__path__[0]) / "sample_questions.json"


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its accepted answers, and the names of the documents that answer it.

    With neither answers nor sources it must be refused. Without sources, a hit that holds an
    answer counts as right.
    """

    text: str
    answers: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def answerable(self) -> bool:
        """Whether anything is said to answer it."""
        return bool(self.answers or self.sources)


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Questions, with the documents they are asked about where the set brings them itself."""

    name: str
    digest: str
    """SHA-256 of the file."""
    questions: tuple[Question, ...]
    documents: Mapping[str, str] | None = field(default=None, repr=False)
    """Texts by name; None where the questions are about documents of a knowledge base."""
    passages: int = 0
    """How many the file holds, the repeated ones counted too."""
    empty: int = 0
    """Rows without a question, which were passed over."""


def read_question_set(path: Path, *, limit: int | None = None) -> QuestionSet:
    """Read a set: CSV and JSONL of question, answer and source by their suffix, else JSON.

    JSON is SQuAD, or has objects as in JSONL in a list `questions`. `limit` bounds the passages of
    SQuAD and the questions of the others. The columns of a table are found by their names, Chinese
    or English, as those of FAQ files. Raises `EvaluationFileError`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EvaluationFileError(str(error), name=path.name, reason=error.strerror or "") from error
    suffix = path.suffix.lower()
    if suffix in _TABLES:
        rows = list(_table(path, decode(content).text))
    elif suffix == ".jsonl":
        rows = list(_lines(path, decode(content).text))
    elif (entries := _listed(content)) is not None:
        rows = [_question(path, number, entry) for number, entry in enumerate(entries, start=1)]
    else:
        passages, empty = read_squad(path)
        return _of_passages(path, passages[:limit], empty)
    questions = tuple(question for question in rows if question.text)[:limit]
    if not questions:
        raise EvaluationFileError(f"{path} holds no questions", name=path.name, reason="no questions")
    empty = sum(not question.text for question in rows)
    return QuestionSet(path.name, _digest(content), questions, empty=empty)


def sample_set() -> QuestionSet:
    """The questions over the sample documents."""
    return read_question_set(_SAMPLES)


def _of_passages(path: Path, passages: list[Passage], empty: int) -> QuestionSet:
    names: dict[str, str] = {}
    for number, passage in enumerate(passages):
        names.setdefault(passage.text, f"{number:06d}.txt")
    questions = tuple(
        Question(text, answers, (names[passage.text],))
        for passage in passages
        for text, answers in passage.questions
    )
    documents = {name: text for text, name in names.items()}
    return QuestionSet(path.name, _digest(path.read_bytes()), questions, documents, len(passages), empty)


def _listed(content: bytes) -> list[Any] | None:
    """The list `questions` of a JSON file; None where there is none."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return None
    entries = data.get("questions") if isinstance(data, dict) else None
    return entries if isinstance(entries, list) else None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _table(path: Path, text: str) -> Iterator[Question]:
    rows = iter(parse_rows(text, find_delimiter(text)))
    names = [column_name(cell) for cell in next(rows, [])]

    def column(known: tuple[str, ...]) -> int | None:
        wanted = {column_name(name) for name in known}
        return next((at for at, name in enumerate(names) if name in wanted), None)

    question, answer, source = map(column, (QUESTION_COLUMNS, ANSWER_COLUMNS, SOURCE_COLUMNS))
    if question is None or (answer is None and source is None):
        reason = "no columns question, answer, source / 缺少列：问题、答案、来源"
        raise EvaluationFileError(f"{path}: {reason}", name=path.name, reason=reason)
    for row in rows:

        def cell(at: int | None, row: list[str] = row) -> tuple[str, ...]:
            found = row[at].strip() if at is not None and at < len(row) else ""
            return (found,) if found else ()

        if any(part.strip() for part in row):
            yield Question("".join(cell(question)), cell(answer), cell(source))


def _lines(path: Path, text: str) -> Iterator[Question]:
    # Only a line feed ends a line: JSON may hold U+2028 and its like as they are.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _bad_line(path, number, str(error)) from error
        yield _question(path, number, entry)


def _question(path: Path, number: int, entry: Any) -> Question:
    if not isinstance(entry, dict):
        raise _bad_line(path, number, "no object")
    named = {column_name(key): value for key, value in entry.items()}

    def texts(known: tuple[str, ...]) -> tuple[str, ...]:
        value = next((named[name] for name in map(column_name, known) if name in named), None)
        values = value if isinstance(value, list) else [] if value is None else [value]
        if not all(isinstance(one, str) for one in values):
            raise _bad_line(path, number, f"{known[-1]}: {value!r} is no text")
        return tuple(stripped for one in values if (stripped := one.strip()))

    return Question("".join(texts(QUESTION_COLUMNS)[:1]), texts(ANSWER_COLUMNS), texts(SOURCE_COLUMNS))


def _bad_line(path: Path, number: int, reason: str) -> EvaluationFileError:
    reason = f"line {number}: {reason}"
    return EvaluationFileError(f"{path}: {reason}", name=path.name, reason=reason)
