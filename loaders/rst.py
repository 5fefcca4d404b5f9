"""reStructuredText: headings, paragraphs, lists, tables and code, without running directives.

The grammar is that of the reStructuredText specification; what a directive would include from
elsewhere is not read.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from loaders.base import Loader, LoadOptions
from loaders.cleaning import clean, glue
from loaders.document import Block, Page
from loaders.encodings import decode, encoding_problems, is_text
from loaders.signatures import signature
from loaders.tabular import table_block

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*")
_ITEM = re.compile(r"(?:[-*+•]|(?:\d{1,3}|#|[a-zA-Z])[.)]|\((?:\d{1,3}|#|[a-zA-Z])\))\s+")
_GRID = re.compile(r"\+(?:[-=]+\+)+\s*")
_SIMPLE = re.compile(r"=+(?:\s+=+)+\s*")
_EXPLICIT = re.compile(r"\.\.(?:\s|$)")
_DIRECTIVE = re.compile(r"\.\.\s+(?:\|[^|]+\|\s+)?([\w:.+-]+)::\s*(.*)")
_OPTION = re.compile(r"\s*:[\w -]+:")
_DEPTH = 20
_CODE = frozenset(
    {"code", "code-block", "sourcecode", "literalinclude", "parsed-literal", "math", "highlight"}
)
_SILENT = frozenset({"raw", "image", "include", "toctree", "contents", "index", "meta", "default-role"})
_ROLE = re.compile(r":[\w:.+-]+:`([^`<]*?)\s*(?:<[^`>]*>)?`")
_LINK = re.compile(r"`([^`<]+?)\s*<[^`>]*>`__?")
_MARKED = re.compile(r"(\*\*|``|\*|`)(?=\S)(.+?)(?<=\S)\1(__?)?")


class RstLoader(Loader):
    """One page without a number. The format has no signature, so the name must say it."""

    format = "rst"
    suffixes = (".rst", ".rest")
    media_type = "text/x-rst"

    def recognises(self, head: bytes, path: Path, name: str) -> bool:  # noqa: ARG002
        """Whether the content is text under a name of reStructuredText."""
        return name.lower().endswith(self.suffixes) and signature(head) is None and is_text(head)

    def pages(self, path: Path, options: LoadOptions) -> Iterator[Page]:
        """Yield the only page."""
        options.check_cancelled()
        decoded = decode(path.read_bytes())
        yield Page(None, tuple(rst_blocks(decoded.text)), encoding_problems(decoded))
        options.page_done(1, 1)


def rst_blocks(text: str) -> Iterator[Block]:
    """The blocks of a reStructuredText. Heading levels follow the order in which adornments appear."""
    return _Reader(clean(text).expandtabs(4).split("\n")).blocks()


class _Reader:
    def __init__(self, lines: list[str], *, depth: int = 0) -> None:
        self._depth = depth
        self._lines = [line.rstrip() for line in lines]
        self._at = 0
        self._styles: list[str] = []
        self._literal = False

    def blocks(self) -> Iterator[Block]:
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if not line:
                self._at += 1
            elif self._literal and line[0] == " ":
                self._literal = False
                yield Block("\n".join(self._indented()), "code")
            else:
                self._literal = False
                yield from self._next(line)

    def _next(self, line: str) -> Iterator[Block]:
        if (heading := self._heading()) is not None:
            yield heading
        elif _EXPLICIT.match(line):
            yield from self._explicit(line)
        elif _GRID.fullmatch(line):
            yield from _table(_grid_rows(self._group()))
        elif _SIMPLE.fullmatch(line):
            yield from _table(_simple_rows(self._simple_table()))
        elif _ITEM.match(line.lstrip()):
            yield self._list()
        else:
            yield from self._paragraph()

    def _line(self, offset: int) -> str:
        return self._lines[self._at + offset] if self._at + offset < len(self._lines) else ""

    def _heading(self) -> Block | None:
        """A title with a line under it, and perhaps the same line above it."""
        first, second, third = self._line(0), self._line(1), self._line(2)
        if _ADORNMENT.fullmatch(first):
            if second.strip() and third and third[0] == first[0] and _ADORNMENT.fullmatch(third):
                self._at += 3
                return self._titled(second.strip(), first[0] * 2)
            if not second:  # a transition between paragraphs
                self._at += 1
                return Block("")
        elif not first.startswith(" ") and _ADORNMENT.fullmatch(second) and len(second) * 2 >= _width(first):
            self._at += 2
            return self._titled(first, second[0])
        return None

    def _titled(self, text: str, style: str) -> Block:
        if style not in self._styles:
            self._styles.append(style)
        return Block(inline(text), "heading", min(6, self._styles.index(style) + 1))

    def _group(self) -> list[str]:
        """The lines up to the next blank one."""
        start = self._at
        while self._at < len(self._lines) and self._lines[self._at]:
            self._at += 1
        return self._lines[start : self._at]

    def _indented(self) -> list[str]:
        """The indented lines that follow, without their common indent and the blank lines around."""
        start = self._at
        while self._at < len(self._lines) and (not self._lines[self._at] or self._lines[self._at][0] == " "):
            self._at += 1
        lines = self._lines[start : self._at]
        indent = min((len(line) - len(line.lstrip()) for line in lines if line), default=0)
        return "\n".join(line[indent:] for line in lines).strip("\n").split("\n")

    def _simple_table(self) -> list[str]:
        """The lines of a simple table: up to its third border, or its second where it has no header."""
        start, borders = self._at, 0
        while self._at < len(self._lines):
            line = self._lines[self._at]
            self._at += 1
            if _SIMPLE.fullmatch(line):
                borders += 1
                if borders == 3 or (borders == 2 and not self._line(0)):
                    break
        return self._lines[start : self._at]

    def _explicit(self, line: str) -> Iterator[Block]:
        """A directive's text is read, a comment and a target are not."""
        directive = _DIRECTIVE.match(line)
        self._at += 1
        body = self._indented()
        if directive is None:
            return
        name, argument = directive[1].lower(), directive[2].strip()
        while body and _OPTION.match(body[0]):
            body.pop(0)
        text = "\n".join(body).strip("\n")
        if name in _SILENT:
            return
        if name in _CODE or self._depth >= _DEPTH:
            if text:
                yield Block(text, "code")
            return
        if argument and name != "figure":
            yield Block(inline(argument))
        if text:
            # Directives inside directives: their own lines are fewer each time, so this ends.
            yield from _Reader(body, depth=self._depth + 1).blocks()

    def _list(self) -> Block:
        lines: list[str] = []
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if not line:
                follower = self._line(1)
                if not (follower.startswith(" ") or _ITEM.match(follower)):
                    break
            elif _ITEM.match(line.lstrip()):
                lines.append(line)
            elif line[0] == " " and lines:
                lines[-1] = _join(lines[-1], line.strip())
            else:
                break
            self._at += 1
        return Block("\n".join(inline(line) for line in lines), "list")

    def _paragraph(self) -> Iterator[Block]:
        text = ""
        start = self._at
        while self._at < len(self._lines) and self._lines[self._at]:
            # Line blocks keep their lines.
            line = self._lines[self._at].strip()
            text = f"{text}\n{line[1:].strip()}" if line.startswith("| ") else _join(text, line)
            self._at += 1
            if self._at > start and self._heading_follows():
                break
        if text.endswith("::"):
            self._literal = True
            text = text[:-2].rstrip() if text[:-2].endswith((" ", "\n")) or text == "::" else text[:-1]
        text = inline(text.strip())
        if text:
            yield Block(text)

    def _heading_follows(self) -> bool:
        return bool(_ADORNMENT.fullmatch(self._line(1)) and self._line(0) and not self._line(0)[0].isspace())


def _table(rows: list[list[str]]) -> Iterator[Block]:
    rows = [row for row in rows if any(row)]
    if rows:
        yield table_block(rows)


def inline(text: str) -> str:
    """Text without the marks of emphasis, literals, roles and links."""
    text = _ROLE.sub(lambda match: match[1], text)
    text = _LINK.sub(lambda match: match[1], text)
    return _MARKED.sub(lambda match: match[2], text)


def _join(before: str, after: str) -> str:
    drop, joint = glue(before, after)
    return before[: len(before) - drop] + joint + after


def _width(text: str) -> int:
    """Columns that a text takes in a terminal, in which reStructuredText measures tables."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _cut(line: str, start: int, end: int | None) -> str:
    """The part of a line between two columns."""
    column, found = 0, []
    for character in line:
        if column >= start and (end is None or column < end):
            found.append(character)
        column += _width(character)
    return "".join(found).strip()


def _grid_rows(lines: list[str]) -> list[list[str]]:
    borders = [index for index, character in enumerate(lines[0]) if character == "+"]
    rows: list[list[str]] = [[""] * (len(borders) - 1)]
    for line in lines[1:]:
        if line.startswith("+"):
            rows.append([""] * (len(borders) - 1))
            continue
        for column, (start, end) in enumerate(itertools.pairwise(borders)):
            rows[-1][column] = _join(rows[-1][column], inline(_cut(line, start + 1, end).strip("| ")))
    return rows


def _simple_rows(lines: list[str]) -> list[list[str]]:
    starts = [match.start() for match in re.finditer(r"=+", lines[0])]
    rows: list[list[str]] = []
    for line in lines[1:]:
        if not line or _SIMPLE.fullmatch(line) or set(line) <= {"-", " "}:
            continue
        cells = [_cut(line, start, end) for start, end in zip(starts, [*starts[1:], None], strict=True)]
        if rows and not cells[0]:
            rows[-1] = [_join(before, inline(cell)) for before, cell in zip(rows[-1], cells, strict=True)]
        else:
            rows.append([inline(cell) for cell in cells])
    return rows
