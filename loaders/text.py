"""Plain text in any common encoding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from loaders.base import Loader, LoadOptions
from loaders.cleaning import clean, glue
from loaders.document import Block, Page
from loaders.encodings import decode, encoding_problems, is_text
from loaders.markdown import markdown_blocks
from loaders.signatures import signature

_NUMERAL = "[0-9０-９一二三四五六七八九十百零〇两]"
_HEADINGS: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(r"#{1,6}[ \t]+(?=\S)"), 0),
    (re.compile(rf"第{_NUMERAL}{{1,5}}[编篇部卷編]"), 1),
    (re.compile(rf"第{_NUMERAL}{{1,5}}章"), 2),
    (re.compile(rf"第{_NUMERAL}{{1,5}}[节節]"), 3),
    (re.compile(r"[一二三四五六七八九十]{1,3}、"), 4),
)
_MARKDOWN_HEADING = re.compile(r"^(#{1,6}) \S", re.MULTILINE)
_SENTENCE_END = "。！？；…，：,;:.!?"


class TextLoader(Loader):
    """Paragraphs and headings of plain text. The last resort for whatever decodes as text."""

    format = "text"
    suffixes = (".txt", ".text", ".log")
    media_type = "text/plain"

    def recognises(self, head: bytes, path: Path, name: str) -> bool:  # noqa: ARG002
        """Whether the content is text."""
        return signature(head) in (None, "executable") and is_text(head)

    def pages(self, path: Path, options: LoadOptions) -> Iterator[Page]:
        """One page without a number."""
        options.check_cancelled()
        decoded = decode(path.read_bytes())
        # Much Markdown is kept under .txt.
        blocks = markdown_blocks if _looks_like_markdown(decoded.text) else text_blocks
        options.page_done(1, 1)
        yield Page(None, tuple(blocks(decoded.text)), encoding_problems(decoded))


def _looks_like_markdown(text: str) -> bool:
    levels = [len(mark) for mark in _MARKDOWN_HEADING.findall(text)]
    return len(levels) >= 3 and max(levels) >= 2


def text_blocks(text: str) -> Iterator[Block]:
    """Headings and paragraphs; lines between blank ones belong together."""
    for group in re.split(r"\n[ \t\u3000]*(?=\n)", clean(text)):
        lines = [line.strip() for line in group.split("\n") if line.strip()]
        pending: list[str] = []
        for line in lines:
            level = heading_level(line)
            if not level:
                pending.append(line)
                continue
            if pending:
                yield Block(_join(pending))
                pending = []
            yield Block(line.lstrip("# \t") if line.startswith("#") else line, "heading", level)
        if pending:
            yield Block(_join(pending))


def heading_level(line: str) -> int:
    """1 to 6 where a line of plain text looks like a heading (# …, 第一章 …, 一、…), else 0."""
    if len(line) > 60:
        return 0
    for pattern, level in _HEADINGS:
        match = pattern.match(line)
        if match:
            if line[-1] in _SENTENCE_END and level:
                return 0
            return level or len(match.group().rstrip())
    return 0


def _join(lines: list[str]) -> str:
    """Join the lines of a paragraph if it was wrapped at a fixed width, else keep them."""
    widths = [sum(2 if c > "\u2e7f" else 1 for c in line) for line in lines]
    longest = max(widths)
    wrapped = (
        len(lines) > 2
        and 40 <= longest <= 120
        and all(width >= longest * 0.8 for width in widths[:-1])
        and sum(line[-1] in "。！？.!?：:" for line in lines[:-1]) * 2 < len(lines)
    )
    if not wrapped:
        return "\n".join(lines)
    text = lines[0]
    for line in lines[1:]:
        drop, joint = glue(text, line)
        text = text[: len(text) - drop] + joint + line
    return text
