"""What shows only over all pages: running headers and footers, and text that a page break cut."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import replace
from itertools import pairwise

from loaders.cleaning import glue
from loaders.document import Block, Line, Page
from loaders.sentences import split_sentences

_TOP = 0.13
_BOTTOM = 0.87
_DIGITS = re.compile(r"[0-9０-９]+|[Ⅰ-Ⅻⅰ-ⅻ]+|[ivxlIVXL]+(?![a-zA-Z])|[一二三四五六七八九十百〇]+(?=页|頁)")
_PAGE_NUMBER = re.compile(
    r"(第\s*#\s*[页頁])?[\s,，/／|]*(共\s*#\s*[页頁])?|[-–—~·\s]*#[-–—~·\s]*|(page|p\.?)\s*#(\s*(of|/)\s*#)?|#\s*[/／]\s*#",
    re.IGNORECASE,
)
_ENDS = "。！？；…：.!?;:”’」』"


def drop_running_lines(pages: Sequence[Page]) -> list[Page]:
    """Pages without the headers, footers and page numbers that repeat over them."""
    edges = [_edges(page) for page in pages]
    places: dict[tuple[str, str], set[int]] = defaultdict(set)
    for place, page_edges in enumerate(edges):
        for key in page_edges.values():
            places[key].add(place)
    running = {key for key, found in places.items() if _is_number(key[1]) or _runs(found, len(pages))}
    found = []
    for page, page_edges in zip(pages, edges, strict=True):
        kept = tuple(block for index, block in enumerate(page.blocks) if page_edges.get(index) not in running)
        found.append(page if len(kept) == len(page.blocks) else replace(page, blocks=kept))
    return found


def _runs(places: Set[int], total: int) -> bool:
    """Whether a text on these of all pages, counted from 0, is a header or footer."""
    if total == 1:
        return False
    needed = 2 if total <= 4 else max(3, round(0.2 * total))
    side = min(places) % 2
    if all(place % 2 == side for place in places):
        # Books have a header for left and one for right pages; the first page of either may go without.
        needed = min(needed, max(2, len(range(side, total, 2)) - 1))
    return len(places) >= needed


def _edges(page: Page) -> dict[int, tuple[str, str]]:
    """Short blocks at the page's top and bottom by index, as their edge and text without numbers.

    Headings keep their numbers: two annexes are not one header.
    """
    found: dict[int, tuple[str, str]] = {}
    for index, block in enumerate(page.blocks):
        if not block.lines or len(block.text) > 120 or len(block.lines) > 3:
            continue
        if all(line.box.y1 < _TOP for line in block.lines):
            edge = "top"
        elif all(line.box.y0 > _BOTTOM for line in block.lines):
            edge = "bottom"
        else:
            continue
        text = _DIGITS.sub("#", block.text)
        if block.kind == "heading" and not _is_number(text):
            text = block.text
        found[index] = (edge, " ".join(text.split()))
    return found


def _is_number(text: str) -> bool:
    return "#" in text and _PAGE_NUMBER.fullmatch(text) is not None


def join_across_pages(pages: Sequence[Page]) -> list[Page]:
    """Pages whose last paragraph holds the rest of it from the next page, and tables their header.

    The lines that moved keep the page that their boxes name.
    """
    blocks = [list(page.blocks) for page in pages]
    cut: dict[int, list[Block]] = {}
    """The parts of a paragraph by the page that it begins on; joined at once, as it may be long."""
    begins, moved = 0, False
    for index, (upper, lower) in enumerate(pairwise(pages)):
        if not moved or len(upper.blocks) > 1:
            begins = index
        moved = False
        if not upper.blocks or not lower.blocks:
            continue
        last, first = upper.blocks[-1], lower.blocks[0]
        if last.kind == first.kind == "paragraph" and goes_on(last, first):
            cut.setdefault(begins, [last]).append(first)
            del blocks[index + 1][0]
            moved = True
        elif last.kind == first.kind == "table" and _same_table(last, first):
            blocks[index + 1][0] = _with_header(first, last.header)
    for index, parts in cut.items():
        blocks[index][-1] = join_blocks(*parts)
    return [replace(page, blocks=tuple(kept)) for page, kept in zip(pages, blocks, strict=True)]


def goes_on(last: Block, first: Block) -> bool:
    """Whether a paragraph that a page or a column cut goes on with the next one."""
    if not last.lines or not first.lines or len(last.text) < 12 or last.text[-1] in _ENDS:
        return False
    if len(last.lines) > 1:
        # A full last line: the paragraph was cut by the page, not by its author.
        right = max(line.box.x1 for line in last.lines)
        return last.lines[-1].box.x1 > right - 0.08
    return last.lines[-1].box.x1 > 0.75 and len(split_sentences(first.text)) > 0


def join_blocks(*parts: Block) -> Block:
    """One paragraph of several; their lines keep their places."""
    texts: list[str] = []
    lines: list[Line] = []
    length = 0
    for part, following in zip(parts, (*parts[1:], None), strict=True):
        drop, joint = glue(part.text, following.text) if following else (0, "")
        lines += [replace(line, start=line.start + length, end=line.end + length) for line in part.lines]
        lines[-1] = replace(lines[-1], end=lines[-1].end - drop)
        texts += (part.text[: len(part.text) - drop], joint)
        length += len(part.text) - drop + len(joint)
    return replace(parts[0], text="".join(texts), lines=tuple(lines))


def _same_table(last: Block, first: Block) -> bool:
    if not last.lines or not first.lines or not last.header:
        return False
    one, other = last.lines[-1].box, first.lines[0].box
    columns = last.header.count(" | ")
    return (
        columns == first.text.split("\n")[0].count(" | ")
        and abs(one.x0 - other.x0) < 0.02
        and abs(one.x1 - other.x1) < 0.02
        and one.y1 > 0.7
        and other.y0 < 0.3
    )


def _with_header(block: Block, header: str) -> Block:
    """The rest of a table under the header of its beginning; what looked like its own is a row."""
    if block.header == header:
        return block
    if not block.header:
        return replace(block, header=header)
    shift = len(block.header) + 1
    box = block.lines[0].box
    lines = (
        Line(0, len(block.header), replace(box, y0=max(0.0, box.y0 - (box.y1 - box.y0)), y1=box.y0)),
        *(Line(line.start + shift, line.end + shift, line.box) for line in block.lines),
    )
    return replace(block, text=f"{block.header}\n{block.text}", header=header, lines=lines)
