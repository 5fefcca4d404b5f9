"""JSON, and JSON with one record a line: records as lines of `key: value`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loaders.base import Limits, Loader, LoadOptions
from loaders.cleaning import clean
from loaders.document import Block, Page, Problem
from loaders.encodings import decode, encoding_problems, is_text
from loaders.errors import DamagedFileError
from loaders.signatures import signature

_KEYS_SHOWN = 4  # of the keys that lead to a value, the innermost
_LISTED_LINES = 10
_OPENINGS = ("{", "[")


class JsonLoader(Loader):
    """One page without a number. A record is a paragraph; what an object names is a heading."""

    format = "json"
    suffixes = (".json", ".jsonl", ".ndjson")
    media_type = "application/json"

    def recognises(self, head: bytes, path: Path, name: str) -> bool:  # noqa: ARG002
        """Whether the content is text that begins as JSON does, under a name of JSON."""
        if not name.lower().endswith(self.suffixes) or signature(head) is not None or not is_text(head):
            return False
        return decode(head).text.lstrip("\ufeff \t\r\n").startswith((*_OPENINGS, '"'))

    def pages(self, path: Path, options: LoadOptions) -> Iterator[Page]:
        """Yield the only page."""
        options.check_cancelled()
        decoded = decode(path.read_bytes())
        problems = list(encoding_problems(decoded))
        try:
            blocks = list(_document_blocks(_parse(decoded.text), options.limits, problems))
        except ValueError as error:
            blocks = list(_lines_blocks(decoded.text, error, options.limits, problems))
        except RecursionError as error:
            if not any(map(str.isalnum, decoded.text)):
                raise DamagedFileError("The JSON is nested too deeply.", reason="nesting") from error
            blocks = [Block(clean(decoded.text).strip())]
            problems.append(Problem("nested_too_deeply", "The text was read without its structure."))
        yield Page(None, tuple(blocks), tuple(problems))
        options.page_done(1, 1)


def _parse(text: str) -> Any:
    # Numbers stay as they are written: 1.10 is not 1.1, and a long one is not a float.
    return json.loads(text.lstrip("\ufeff"), parse_float=str, parse_int=str, parse_constant=str)


def _document_blocks(value: Any, limits: Limits, problems: list[Problem]) -> Iterator[Block]:
    if isinstance(value, list):
        yield from _list_blocks(value, limits, problems)
        return
    if not isinstance(value, dict):
        yield Block(_scalar(value))
        return
    plain = {key: item for key, item in value.items() if not isinstance(item, (dict, list)) or not item}
    if plain:
        yield Block(record_text(plain))
    for key, item in value.items():
        if isinstance(item, (dict, list)) and item:
            yield Block(clean(key).strip() or "…", "heading", 1)
            if isinstance(item, list):
                yield from _list_blocks(item, limits, problems)
            else:
                yield Block(record_text(item))


def _list_blocks(items: list[Any], limits: Limits, problems: list[Problem]) -> Iterator[Block]:
    if len(items) > limits.table_rows:
        message = f"Records after the first {limits.table_rows} were left out (table_rows)."
        problems.append(Problem("rows_left_out", message, details={"maximum": limits.table_rows}))
        items = items[: limits.table_rows]
    if not any(isinstance(item, (dict, list)) for item in items):
        yield Block("\n".join(filter(None, map(_scalar, items))), "list")
        return
    for item in items:
        text = record_text(item)
        if text:
            yield Block(text)


def record_text(value: Any) -> str:
    """A value as lines of `key: value`; keys inside keys are joined by dots, nulls left out.

    Walks the value without recursion, so that its depth does not matter.
    """
    lines: list[str] = []
    waiting: list[tuple[tuple[str, ...], Any]] = [((), value)]
    while waiting:
        keys, item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(
                ((*keys[1 - _KEYS_SHOWN :], str(key)), inner) for key, inner in reversed(item.items())
            )
        elif isinstance(item, list):
            if any(isinstance(inner, (dict, list)) for inner in item):
                waiting.extend((keys, inner) for inner in reversed(item))
            elif found := ", ".join(filter(None, map(_scalar, item))):
                lines.append(_line(keys, found))
        elif found := _scalar(item):
            lines.append(_line(keys, found))
    return "\n".join(lines)


def _line(keys: tuple[str, ...], text: str) -> str:
    return f"{'.'.join(keys)}: {text}" if keys else text


def _scalar(value: Any) -> str:
    if value is None or isinstance(value, (dict, list)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return clean(str(value)).strip()


def _lines_blocks(text: str, error: ValueError, limits: Limits, problems: list[Problem]) -> Iterator[Block]:
    """Records of JSON lines; lines that are none are kept as they are, with a problem."""
    bad: list[int] = []
    blocks: list[Block] = []
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip("\ufeff \t\r\x00")
        if not stripped:
            continue
        if len(blocks) >= limits.table_rows:
            message = f"Records after the first {limits.table_rows} were left out (table_rows)."
            problems.append(Problem("rows_left_out", message, details={"maximum": limits.table_rows}))
            break
        try:
            value = _parse(stripped) if stripped.startswith(_OPENINGS) else None
        except (ValueError, RecursionError):
            value = None
        if value is None:
            bad.append(number)
            blocks.append(Block(clean(stripped)))
        else:
            blocks.append(Block(record_text(value)))
    if not blocks or len(bad) * 2 > len(blocks):
        reason = (
            f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        )
        raise DamagedFileError(f"The JSON is cut short or wrong: {error}.", reason=reason) from error
    if bad:
        listed = ", ".join(map(str, bad[:_LISTED_LINES])) + (", …" if len(bad) > _LISTED_LINES else "")
        problems.append(
            Problem("bad_lines", f"Lines that are not JSON: {listed}.", details={"lines": listed})
        )
    yield from (block for block in blocks if block.text)
