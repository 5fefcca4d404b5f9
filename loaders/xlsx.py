"""Excel workbooks: every sheet, hidden ones too, its cells as Excel shows them."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loaders.base import Limits, Loader, LoadOptions
from loaders.delimited import rows_left_out
from loaders.document import Page, Problem
from loaders.errors import DamagedFileError
from loaders.number_format import displayed
from loaders.package import open_package, parser_errors
from loaders.signatures import is_package
from loaders.tabular import Spanned, table_blocks

_LAST_ROW = 1_048_576  # Excel's own limit; a greater row number is an attack
_SCAN_BYTES = 256 * 1024
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\b[^>]{0,200}?\bref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"')
_NO_VALUE = re.compile(
    rb"(?:</(?:\w+:)?f>|<(?:\w+:)?f\b[^>]{0,300}/>)\s*(?:<(?:\w+:)?v\s*/>|<v>\s*</v>)?\s*</(?:\w+:)?c>"
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet's rows of displayed text; merged cells are filled, see `loaders.tabular.Spanned`."""

    name: str
    rows: tuple[tuple[str, ...], ...]
    problems: tuple[Problem, ...] = ()


class XlsxLoader(Loader):
    """A page per sheet, under the sheet's name."""

    format = "xlsx"
    suffixes = (".xlsx", ".xlsm", ".xltx", ".xltm")
    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

    def recognises(self, head: bytes, path: Path, name: str) -> bool:
        """Whether the file is a package that holds a workbook."""
        return is_package(head, path, "xl/workbook.xml", self.suffixes, name)

    def pages(self, path: Path, options: LoadOptions) -> Iterator[Page]:
        """Yield sheets in the workbook's order."""
        for number, total, sheet in read_sheets(path, options):
            page = Page(number, tuple(table_blocks(sheet.rows)), sheet.problems, (sheet.name,))
            options.page_done(number, total)
            yield page


def read_sheets(path: Path, options: LoadOptions) -> Iterator[tuple[int, int, Sheet]]:
    """Sheets from `options.first_page` on, each with its number and the number of sheets."""
    with open_package(path, options.limits) as archive, parser_errors():
        workbook = _open_workbook(archive)
        total = len(workbook.worksheets)
        options.check_pages(total)
        for number, sheet in enumerate(workbook.worksheets, 1):
            if number < options.first_page:
                continue
            options.check_cancelled()
            yield number, total, _read_sheet(archive, sheet, number, options.limits)


def first_rows(path: Path, limits: Limits, *, count: int) -> Iterator[list[str]]:
    """The first rows of every sheet, to tell what kind of table a workbook holds."""
    with open_package(path, limits) as archive, parser_errors():
        for sheet in _open_workbook(archive).worksheets:
            sheet.reset_dimensions()
            for index, row in enumerate(sheet.iter_rows(values_only=True), 1):
                yield [displayed(value) for value in row]
                if index >= count:
                    break


def _open_workbook(archive: zipfile.ZipFile) -> Any:
    from openpyxl import load_workbook

    # openpyxl warns of every feature that it does not carry over, such as data validation.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"openpyxl\.")
    return load_workbook(archive.fp, read_only=True, data_only=True, keep_links=False)


def _read_sheet(archive: zipfile.ZipFile, sheet: Any, number: int, limits: Limits) -> Sheet:
    """One sheet; where it is damaged, the rows before, with the problem."""
    problems: list[Problem] = []
    rows: list[tuple[str, ...]] = []
    try:
        with parser_errors():
            _read_rows(archive, sheet, number, limits, rows, problems)
    except DamagedFileError as error:
        reason = error.details.get("reason", error)
        message = f"The sheet is damaged; rows after {len(rows)} were not read: {reason}"
        problems.append(Problem("damaged_sheet", message, number, {"rows": len(rows)}))
    return Sheet(sheet.title, tuple(rows), tuple(problems))


def _read_rows(
    archive: zipfile.ZipFile,
    sheet: Any,
    number: int,
    limits: Limits,
    rows: list[tuple[str, ...]],
    problems: list[Problem],
) -> None:
    spans, unsaved = _scan(archive, sheet._worksheet_path)
    if unsaved:
        problems.append(
            Problem(
                "formulas_without_values",
                f"{unsaved} formulas hold no stored value; open and save the workbook in Excel.",
                number,
                {"count": unsaved},
            )
        )
    # The size that a file states is often wrong, and openpyxl would cut the sheet to it.
    sheet.reset_dimensions()
    used = 0
    filler = _Filler(spans)
    for index, cells in enumerate(sheet.iter_rows(), 1):
        if index > _LAST_ROW:
            break
        row = filler.fill(index, [displayed(c.value, c.number_format or "General") for c in cells])
        filled = any(row)
        if not filled and rows and not rows[-1]:
            continue
        rows.append(tuple(row) if filled else ())
        used += filled
        if used > limits.table_rows:
            rows.pop()
            problems.append(rows_left_out(limits, number))
            break


@dataclass(frozen=True, slots=True)
class _Span:
    first_row: int
    last_row: int
    first_column: int
    last_column: int


class _Filler:
    """Repeats a merged cell's text in every cell it covers, row after row."""

    def __init__(self, spans: list[_Span]) -> None:
        self._waiting = sorted(spans, key=lambda span: span.first_row, reverse=True)
        self._open: list[tuple[_Span, str]] = []

    def fill(self, index: int, row: list[str]) -> list[str]:
        self._open = [item for item in self._open if item[0].last_row >= index]
        while self._waiting and self._waiting[-1].first_row <= index:
            span = self._waiting.pop()
            text = row[span.first_column - 1] if span.first_column <= len(row) else ""
            if text and span.first_row == index:
                self._open.append((span, text))
        for span, text in self._open:
            # A merge may reach over whole rows of the sheet; text beyond the used columns says nothing.
            row.extend([""] * (min(span.last_column, span.first_column + 255) - len(row)))
            for column in range(span.first_column, min(span.last_column, len(row)) + 1):
                row[column - 1] = text if column == span.first_column else Spanned(text)
        return row


def _scan(archive: zipfile.ZipFile, member: str) -> tuple[list[_Span], int]:
    """What openpyxl's reader of large files leaves out: merged cells, formulas without a value."""
    spans: list[_Span] = []
    unsaved = 0
    with archive.open(member.lstrip("/")) as stream:
        tail = b""
        while piece := stream.read(_SCAN_BYTES):
            window = tail + piece
            end = 0
            for pattern in (_MERGED, _NO_VALUE):
                for match in pattern.finditer(window):
                    end = max(end, match.end())
                    if pattern is _NO_VALUE:
                        unsaved += 1
                    else:
                        spans.append(_span(*(part.decode() for part in match.groups())))
            tail = window[max(end, len(window) - 512) :]
    return [span for span in spans if span.first_row <= span.last_row], unsaved


def _span(first_column: str, first_row: str, last_column: str, last_row: str) -> _Span:
    return _Span(int(first_row), int(last_row), _column(first_column), _column(last_column))


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number
