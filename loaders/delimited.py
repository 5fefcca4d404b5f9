"""Comma- and tab-separated tables, whatever their delimiter and encoding."""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from loaders.base import Limits, Loader, LoadOptions
from loaders.document import Page, Problem
from loaders.encodings import decode, encoding_problems, is_text
from loaders.signatures import signature
from loaders.tabular import table_blocks

DELIMITERS = (",", "\t", ";", "|", "，")
_SAMPLE_CHARACTERS = 20_000
_SAMPLE_ROWS = 100
# A quoted cell with more lines than this comes from a quotation mark that was never closed.
_CELL_LINES = 200


class DelimitedLoader(Loader):
    """One page without a number. The format has no signature, so the name must say CSV or TSV."""

    format = "csv"
    suffixes = (".csv", ".tsv", ".tab")
    media_type = "text/csv"

    def recognises(self, head: bytes, path: Path, name: str) -> bool:  # noqa: ARG002
        """Whether the content is text and the name that of a table."""
        return name.lower().endswith(self.suffixes) and signature(head) is None and is_text(head)

    def pages(self, path: Path, options: LoadOptions) -> Iterator[Page]:
        """Yield the only page."""
        options.check_cancelled()
        rows, problems = read_rows(path, options.limits)
        yield Page(None, tuple(table_blocks(rows)), problems)
        options.page_done(1, 1)


def read_rows(path: Path, limits: Limits) -> tuple[list[list[str]], tuple[Problem, ...]]:
    """All rows of a delimited file, and what was wrong with it."""
    decoded = decode(path.read_bytes())
    problems = list(encoding_problems(decoded))
    rows: list[list[str]] = []
    delimiter = find_delimiter(decoded.text)
    for row in parse_rows(decoded.text, delimiter):
        if any("\n" in cell and cell.count("\n") > _CELL_LINES for cell in row):
            message = f"A quotation mark is never closed, from row {len(rows) + 1} on."
            problems.append(Problem("unclosed_quote", message, details={"row": len(rows) + 1}))
            rows = list(parse_rows(decoded.text, delimiter, quoted=False))
            break
        rows.append(row)
        if len(rows) > limits.table_rows:
            break
    if len(rows) > limits.table_rows:
        del rows[limits.table_rows :]
        problems.append(rows_left_out(limits, None))
    return rows, tuple(problems)


def rows_left_out(limits: Limits, page: int | None) -> Problem:
    """The problem of a table that is longer than the limit."""
    message = f"Rows after the first {limits.table_rows} were left out (table_rows)."
    return Problem("rows_left_out", message, page, {"maximum": limits.table_rows})


def find_delimiter(text: str) -> str:
    """The delimiter that parts most rows into the same number of cells, a comma where none does."""
    sample = text[:_SAMPLE_CHARACTERS]
    if len(text) > len(sample):
        sample = sample[: sample.rfind("\n") + 1] or sample
    best, delimiter = 0.0, ","
    for candidate in DELIMITERS:
        widths = Counter[int]()
        for index, row in enumerate(parse_rows(sample, candidate)):
            if index >= _SAMPLE_ROWS:
                break
            if any(row):
                widths[len(row)] += 1
        if not widths:
            continue
        width, agreeing = max(widths.items(), key=lambda item: (item[0] > 1, item[1], item[0]))
        score = agreeing / widths.total() if width > 1 else 0.0
        if score > best + 0.01:
            best, delimiter = score, candidate
    return delimiter


def parse_rows(text: str, delimiter: str, *, quoted: bool = True) -> Iterator[list[str]]:
    """Split text into rows of cells."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # the file's own size is the bound
    # A lone carriage return inside a line is no row end to `csv`, and an error.
    lines = io.StringIO(text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n"), newline="\n")
    if quoted:
        yield from csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    else:
        yield from csv.reader(lines, delimiter=delimiter, skipinitialspace=True, quoting=csv.QUOTE_NONE)
