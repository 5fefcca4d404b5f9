"""Joins pages into one text, and gives every block its place and its heading path."""

from __future__ import annotations

import re
from collections.abc import Iterable

from loaders.cleaning import squeeze
from loaders.document import Block, Page, ParsedDocument, Problem, Section

# Characters that cannot be stored as UTF-8 or that end text early; one for one, so that the
# offsets of a block's lines hold.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def assemble(pages: Iterable[Page], *, format: str = "") -> ParsedDocument:
    """Make one document of pages in order. Blocks stand one below the other, without blank ones.

    A heading block ends the headings of its own and deeper levels; a page's own `heading_path`
    stands before them, and a new one starts them afresh. A title that is repeated, as below a cover,
    stands in a path once.
    """
    parts: list[str] = []
    sections: list[Section] = []
    problems: list[Problem] = []
    headings: list[tuple[int, str]] = []
    outer: tuple[str, ...] = ()
    offset = 0
    count = 0
    for page in pages:
        count += 1
        problems.extend(page.problems)
        if page.heading_path != outer:
            outer, headings = page.heading_path, []
        for block in page.blocks:
            block = _storable(block)
            if not block.text.strip():
                continue
            if block.kind == "heading":
                level = block.level or 1
                headings = [item for item in headings if item[0] < level]
                headings.append((level, " ".join(block.text.split())))
            path = _unique((*outer, *(text for _, text in headings)))
            end = offset + len(block.text)
            sections.append(Section(offset, end, block, page.number, path))
            parts.append(block.text)
            offset = end + 1
    return ParsedDocument("\n".join(parts), tuple(sections), max(1, count), tuple(problems), format)


def _unique(path: Iterable[str]) -> tuple[str, ...]:
    """The titles without those that say, but for spaces and capitals, what one above them says."""
    found: dict[str, str] = {}
    for title in path:
        found.setdefault(squeeze(title), title)
    return tuple(found.values())


def _storable(block: Block) -> Block:
    """A block fit to be stored; a table of a header only, or an unanswered question, keeps its text."""
    text = block.text
    if not text.strip():
        text = block.header or block.question
        if not text.strip():
            return Block("")
        return Block(_UNSTORABLE.sub("\ufffd", text), "paragraph")
    if not _UNSTORABLE.search(text + block.header + block.question):
        return block
    return Block(
        _UNSTORABLE.sub("\ufffd", text),
        block.kind,
        block.level,
        block.lines,
        _UNSTORABLE.sub("\ufffd", block.header),
        _UNSTORABLE.sub("\ufffd", block.question),
        block.confidence,
    )
