"""Tables of questions and answers: one pair is one block, whose question is what gets embedded."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from loaders.base import FaqColumns, Limits, Loader, LoadOptions
from loaders.cleaning import clean, clean_line
from loaders.delimited import DelimitedLoader, find_delimiter, parse_rows, read_rows
from loaders.document import Block, Page, Problem
from loaders.encodings import decode
from loaders.errors import LoaderError
from loaders.tabular import SEPARATOR, table_blocks
from loaders.xlsx import XlsxLoader, first_rows, read_sheets

QUESTION_COLUMNS = (
    "问题", "问", "提问", "标准问", "标准问题", "常见问题", "问题内容", "问题描述", "用户问题",
    "問題", "問", "提問",
    "question", "questions", "q",
)  # fmt: skip
ANSWER_COLUMNS = (
    "答案", "回答", "答", "答复", "解答", "标准答案", "标准回答", "答案内容",
    "回答内容", "回复", "回复内容", "答覆", "回覆",
    "answer", "answers", "a", "reply", "response",
)  # fmt: skip
_HEADER_WITHIN = 5  # rows; titles may stand above the header
_LISTED_ROWS = 10
_DECORATION = re.compile(r"[（(\[【].*?[)）\]】]|[\s:：*＊?？]+")


@dataclass(frozen=True, slots=True)
class _Columns:
    header: int
    question: int
    answer: int


class FaqLoader(Loader):
    """CSV and XLSX files with a column of questions and a column of answers.

    The columns are found by their names; others than the usual ones can be given. Sheets of a
    workbook without such columns are read as plain tables.
    """

    format = "faq"
    suffixes = (".csv", ".tsv", ".xlsx")
    media_type = "text/csv"

    def __init__(
        self,
        columns: FaqColumns | None = None,
    ) -> None:
        columns = columns or FaqColumns()
        self._questions = frozenset(map(column_name, (*QUESTION_COLUMNS, *columns.questions)))
        self._answers = frozenset(map(column_name, (*ANSWER_COLUMNS, *columns.answers)))
        self._delimited = DelimitedLoader()
        self._workbook = XlsxLoader()

    def recognises(self, head: bytes, path: Path, name: str) -> bool:
        """Whether the file is a table that has both columns."""
        try:
            if self._delimited.recognises(head, path, name):
                text = decode(head).text
                rows = list(parse_rows(text, find_delimiter(text)))
                return self._find_columns(rows[:_HEADER_WITHIN]) is not None
            if self._workbook.recognises(head, path, name):
                rows = list(first_rows(path, Limits(), count=_HEADER_WITHIN))
                return any(self._find_columns([row]) is not None for row in rows)
        except LoaderError:
            return False
        return False

    def pages(self, path: Path, options: LoadOptions) -> Iterator[Page]:
        """Yield a page per sheet, or the only page of a delimited file."""
        with path.open("rb") as file:
            packed = file.read(2) == b"PK"
        if not packed:
            options.check_cancelled()
            rows, problems = read_rows(path, options.limits)
            blocks, incomplete = self._blocks(rows, None)
            yield Page(None, blocks, problems + incomplete)
            options.page_done(1, 1)
            return
        for number, total, sheet in read_sheets(path, options):
            blocks, incomplete = self._blocks(sheet.rows, number)
            options.page_done(number, total)
            yield Page(number, blocks, sheet.problems + incomplete, (sheet.name,))

    def _find_columns(self, rows: Sequence[Sequence[str]]) -> _Columns | None:
        for index, row in enumerate(rows[:_HEADER_WITHIN]):
            names = [column_name(cell) for cell in row]
            question = next((column for column, name in enumerate(names) if name in self._questions), None)
            answer = next((column for column, name in enumerate(names) if name in self._answers), None)
            if question is not None and answer is not None:
                return _Columns(index, question, answer)
        return None

    def _blocks(
        self, rows: Sequence[Sequence[str]], page: int | None
    ) -> tuple[tuple[Block, ...], tuple[Problem, ...]]:
        columns = self._find_columns(rows)
        if columns is None:
            return tuple(table_blocks(rows)), ()
        blocks = list(table_blocks(rows[: columns.header]))
        names = [clean_line(cell) for cell in rows[columns.header]]
        incomplete = []
        for number, row in enumerate(rows[columns.header + 1 :], columns.header + 2):
            cells = [clean(cell).strip() for cell in row] + [""] * (len(names) - len(row))
            question, answer = " ".join(cells[columns.question].split()), cells[columns.answer]
            if question and answer:
                blocks.append(Block(answer, "faq", header=_context(names, cells, columns), question=question))
            elif any(cells):
                incomplete.append(number)
                blocks.append(Block(SEPARATOR.join(filter(None, cells))))
        return tuple(blocks), _incomplete_problem(incomplete, page)


def with_columns(loaders: Sequence[Loader], columns: FaqColumns) -> tuple[Loader, ...]:
    """The loaders, of which that of FAQ tables knows these columns as well."""
    if columns == FaqColumns():
        return tuple(loaders)
    return tuple(FaqLoader(columns) if isinstance(loader, FaqLoader) else loader for loader in loaders)


def _context(names: Sequence[str], cells: Sequence[str], columns: _Columns) -> str:
    """The row's other cells, each under its column's name."""
    others = []
    for column, cell in enumerate(cells):
        if cell and column not in (columns.question, columns.answer):
            name = names[column] if column < len(names) else ""
            others.append(f"{name}: {clean_line(cell)}" if name else clean_line(cell))
    return SEPARATOR.join(others)


def _incomplete_problem(rows: Sequence[int], page: int | None) -> tuple[Problem, ...]:
    if not rows:
        return ()
    listed = ", ".join(map(str, rows[:_LISTED_ROWS])) + (", …" if len(rows) > _LISTED_ROWS else "")
    message = f"Rows without a question or without an answer: {listed}."
    return (Problem("faq_incomplete", message, page, {"rows": listed}),)


def column_name(cell: str) -> str:
    """What a header cell is compared by: without decoration, width and case."""
    return _DECORATION.sub("", unicodedata.normalize("NFKC", cell)).casefold()
