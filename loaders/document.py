"""What a parsed file is made of: pages, blocks, lines with their places, and chunks.

A loader yields `Page`s; `loaders.assemble` joins them into one `ParsedDocument`
whose `text` every later stage points into by character offsets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

BlockKind = Literal["heading", "paragraph", "list", "table", "faq", "code"]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a page, as fractions of its width and height.

    (0, 0) is the top left corner and (1, 1) the bottom right one, so a box fits
    a picture of the page at any resolution. `page` counts from 1.
    """

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Line:
    """A run of a block's text (`text[start:end]`) that stands in one box on the page."""

    start: int
    end: int
    box: Box

    def cut(self, start: int, end: int) -> Line | None:
        """The part of the line within `text[start:end]`, offsets counted from `start`; None outside.

        A line partly covered is cut in proportion along its longer side.
        """
        low, high = max(self.start, start), min(self.end, end)
        if low >= high:
            return None
        box = self.box
        if low > self.start or high < self.end:
            first = (low - self.start) / (self.end - self.start)
            last = (high - self.start) / (self.end - self.start)
            width, height = box.x1 - box.x0, box.y1 - box.y0
            if height > 2 * width:  # a column of vertical text
                box = Box(box.page, box.x0, box.y0 + first * height, box.x1, box.y0 + last * height)
            else:
                box = Box(box.page, box.x0 + first * width, box.y0, box.x0 + last * width, box.y1)
        return Line(low - start, high - start, box)


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph, heading, list, table or FAQ pair, in reading order.

    A table's `text` holds one row a line, cells joined with " | ", without the header row,
    which stands in `header` so that every chunk of the table can repeat it. A FAQ pair's
    `text` is the answer and `question` is what gets embedded.
    """

    text: str
    kind: BlockKind = "paragraph"
    level: int = 0
    """1 to 6 for headings, else 0."""
    lines: tuple[Line, ...] = ()
    header: str = ""
    question: str = ""
    confidence: float | None = None
    """Mean confidence in [0, 1] where the text was recognised from a picture."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read, and where.

    `code` names the message shown to users, which `details` fill (plain values only, as they are
    stored); where another error is behind it, `details["cause"]` is that one's code. `message` is for
    programmers and logs.
    """

    code: str
    message: str
    page: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def caused(cls, code: str, error: Exception, page: int | None = None, **details: object) -> Problem:
        """The problem `code` that `error` made, with its code and details; `details` are added to them."""
        given = {**getattr(error, "details", {}), "cause": getattr(error, "code", "damaged_file"), **details}
        return cls(code, str(error)[:300], page, plain_details(given))

    def stored(self) -> dict[str, Any]:
        """As it stands in the catalogue; `Problem(**stored)` is the problem again."""
        return asdict(self)


def plain_details(details: Mapping[str, object]) -> dict[str, Any]:
    """Those details of an error that can be stored and shown."""
    return {key: value for key, value in details.items() if isinstance(value, str | int | float)}


@dataclass(frozen=True, slots=True)
class Page:
    """The blocks of one page. Formats without pages yield a single page with `number` None.

    `heading_path` holds headings known from outside the blocks (bookmarks, a sheet's name),
    outermost first; headings among the blocks are appended to it by `assemble`.
    """

    number: int | None
    blocks: tuple[Block, ...] = ()
    problems: tuple[Problem, ...] = ()
    heading_path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A block's place in the document: `document.text[start:end]` is its text."""

    start: int
    end: int
    block: Block
    page: int | None
    heading_path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A whole file as text, with the place that each part of it came from."""

    text: str
    sections: tuple[Section, ...]
    pages: int
    """Number of pages; 1 for formats without pages."""
    problems: tuple[Problem, ...] = ()
    format: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document, small enough to be embedded and cited.

    `text == document.text[start:end]` always holds. `header` (a table's header row),
    `question` (FAQ) and `heading_path` give it context without changing its span.
    """

    start: int
    end: int
    text: str
    page: int | None = None
    heading_path: tuple[str, ...] = ()
    kind: BlockKind = "paragraph"
    header: str = ""
    question: str = ""
    lines: tuple[Line, ...] = field(default=(), repr=False)
    """Places of the text; offsets count from the start of the chunk."""

    @property
    def search_text(self) -> str:
        """What is embedded and matched: the question of a FAQ pair, else the text in its context."""
        if self.question:
            return self.question
        context = " > ".join(self.heading_path)
        return "\n".join(part for part in (context, self.header, self.text) if part)
