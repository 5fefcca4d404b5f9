"""Markdown: headings, paragraphs, lists, tables and code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from loaders.base import Loader, LoadOptions
from loaders.cleaning import clean, clean_line, glue
from loaders.document import Block, Page, Problem
from loaders.encodings import decode, encoding_problems, is_text
from loaders.signatures import signature

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?P<body>(?:[^\n]*\n){0,200}?)(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_TITLE = re.compile(r"^title:[ \t]*['\"]?(?P<title>[^\n]*?)['\"]?[ \t]*$", re.MULTILINE)
_TAG = re.compile(r"<!--.*?(?:-->|\Z)|</?[a-zA-Z][^<>]{0,2000}>", re.DOTALL)
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_LONGEST_HEADING = 120


class MarkdownLoader(Loader):
    """CommonMark with tables. Links keep their text, pictures their description."""

    format = "markdown"
    suffixes = (".md", ".markdown", ".mdown", ".mkd")
    media_type = "text/markdown"

    def recognises(self, head: bytes, path: Path, name: str) -> bool:  # noqa: ARG002
        """Text with a suffix of Markdown, which has no signature."""
        return (
            name.lower().endswith(self.suffixes) and signature(head) in (None, "executable") and is_text(head)
        )

    def pages(self, path: Path, options: LoadOptions) -> Iterator[Page]:
        """One page without a number."""
        options.check_cancelled()
        decoded = decode(path.read_bytes())
        blocks = tuple(markdown_blocks(decoded.text))
        problems = encoding_problems(decoded)
        if not blocks and decoded.text.strip():
            # What is nested deeper than the parser goes is lost to it.
            blocks = (Block(clean(decoded.text).strip()),)
            problems += (Problem("nested_too_deeply", "The text was read without its structure."),)
        options.page_done(1, 1)
        yield Page(None, blocks, problems)


def markdown_blocks(text: str) -> Iterator[Block]:
    """The blocks of a Markdown text. A title in its front matter becomes a heading."""
    text = clean(text)
    front = _FRONT_MATTER.match(text)
    if front:
        text = text[front.end() :]
        title = _TITLE.search(front["body"])
        if title and title["title"] and not re.search(r"^# ", text, re.MULTILINE):
            yield Block(title["title"], "heading", 1)
    yield from _Walk(_parser().parse(text)).blocks()


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"maxNesting": 60}).enable(["table", "strikethrough"])


class _Walk:
    """Turns the flat list of block tokens into blocks."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def blocks(self) -> Iterator[Block]:
        while self._at < len(self._tokens):
            token = self._next()
            if token.type == "heading_open":
                text = _inline(self._next()).replace("\n", " ").strip()
                if len(text) <= _LONGEST_HEADING:
                    yield Block(text, "heading", int(token.tag[1]))
                else:  # a paragraph that a rule underlines
                    yield Block(text)
            elif token.type == "inline":
                yield Block(_inline(token))
            elif token.type in ("fence", "code_block"):
                yield Block(token.content.strip("\n"), "code")
            elif token.type == "html_block":
                yield Block(_without_tags(token.content))
            elif token.type == "table_open":
                yield self._table()
            elif token.type in ("bullet_list_open", "ordered_list_open"):
                yield Block("\n".join(self._list(token, 0)), "list")

    def _next(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _list(self, opening: Token, depth: int) -> list[str]:
        """The lines of a list, those of inner lists indented."""
        lines: list[str] = []
        number = int(opening.attrGet("start") or 1)
        closing = opening.type.replace("open", "close")
        marker = ""
        while (token := self._next()).type != closing:
            if token.type == "list_item_open":
                marker = f"{number}. " if closing.startswith("ordered") else "- "
                number += 1
                continue
            if token.type in ("bullet_list_open", "ordered_list_open"):
                lines.extend(self._list(token, depth + 1))
                continue
            if token.type == "table_open":
                table = self._table()
                found = [table.header, *table.text.split("\n")]
            elif token.type == "inline":
                found = _inline(token).split("\n")
            elif token.type in ("fence", "code_block"):
                found = token.content.strip("\n").split("\n")
            elif token.type == "html_block":
                found = _without_tags(token.content).split("\n")
            else:
                continue
            for line in found:
                lines.append("  " * depth + (marker or "  ") + line)
                marker = ""
        return lines

    def _table(self) -> Block:
        rows: list[str] = []
        header = ""
        cells: list[str] = []
        while (token := self._next()).type != "table_close":
            if token.type == "tr_open":
                cells = []
            elif token.type == "inline":
                cells.append(clean_line(_inline(token)))
            elif token.type == "tr_close":
                rows.append(" | ".join(cells))
            elif token.type == "thead_close":
                header = rows.pop() if rows else ""
        return Block("\n".join(rows), "table", header=header if header.strip(" |") else "")


def _inline(token: Token) -> str:
    """The text of an inline token, without markup."""
    text = ""
    hidden = 0
    for child in token.children or ():
        if child.type in ("text", "code_inline", "text_special") or child.type == "image":
            text += child.content
        elif child.type == "softbreak":
            hidden = len(text)
        elif child.type == "hardbreak":
            text = text.rstrip() + "\n"
        elif child.type == "html_inline":
            text += _BREAK.sub("\n", child.content) if _BREAK.match(child.content) else ""
        if hidden and len(text) > hidden:
            before, after = text[:hidden], text[hidden:]
            drop, joint = glue(before, after)
            text = before[: len(before) - drop] + joint + after
            hidden = 0
    return text.strip()


def _without_tags(html: str) -> str:
    from html import unescape

    lines = (clean_line(line) for line in unescape(_TAG.sub("", _BREAK.sub("\n", html))).split("\n"))
    return "\n".join(line for line in lines if line)
