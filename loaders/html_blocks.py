"""The blocks of an HTML tree: main text, headings, lists, tables, code.

Shared by the formats that are made of HTML: web pages, saved pages, e-books, mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from loaders.cleaning import CJK, clean, clean_line
from loaders.document import Block
from loaders.tabular import Spanned, table_blocks


def _tags(names: str) -> frozenset[str]:
    return frozenset(names.split())


_NEVER = _tags(
    "script style noscript template head iframe object embed svg math canvas audio video map select button"
    " input textarea datalist rt rp"
)
_FRAME = _tags("nav footer aside")
_FRAME_ROLES = _tags("navigation banner contentinfo search complementary")
_BLOCKS = _tags(
    "address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure"
    " footer form header hgroup hr legend main nav p section summary ul ol li table tr td th caption"
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_BROKEN_LINE = re.compile(rf"(?<=[{CJK}])[ \t]*\n\s*(?=[{CJK}])")
_LAYOUT_CELL = 1_000  # characters; a table with such cells arranges the page
_MAX_SPAN = 100
_SILENT = re.compile(r"<(script|style|template|noscript)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_BREAKING = re.compile(r"</?(?:p|div|tr|li|h[1-6]|br|table|section)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<!--.*?(?:-->|\Z)|</?[a-zA-Z!][^<>]*>", re.DOTALL)
_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")


def parse_html(text: str) -> tuple[Any, bool]:
    """The tree of an HTML text, None when it has no element, and whether it was nested too deeply."""
    from lxml import etree, html

    # The limits that this lifts are on size and depth; entities of HTML hold no others.
    parser = html.HTMLParser(huge_tree=True, no_network=True, remove_comments=True, remove_pis=True)
    try:
        tree = html.document_fromstring(_XML_DECLARATION.sub("", clean(text)), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, AssertionError):
        return None, False
    deep = any("depth" in entry.message for entry in parser.error_log)
    return tree, deep


def bare_text(text: str) -> Iterator[Block]:
    """The lines of an HTML text whose tree cannot be built, without its tags."""
    import html

    plain = _TAG.sub("", _BREAKING.sub("\v", _SILENT.sub("", text)))
    found = tidy(html.unescape(plain))
    if found:
        yield Block(found)


def html_blocks(tree: Any, *, whole: bool = False, title: bool = True) -> Iterator[Block]:
    """The blocks of a page's main part; of all of it where `whole` or where no main part shows.

    With `title`, the page's title becomes a heading where the text has none of the first level.
    """
    blocks = [] if whole else list(_Walk(_main_part(tree), whole=False).blocks())
    if not any(block.text for block in blocks):
        blocks = list(_Walk(tree, whole=True).blocks())
    name = clean_line(tree.findtext(".//title") or "") if title else ""
    if name and not any(block.kind == "heading" and block.level == 1 for block in blocks):
        yield Block(name, "heading", 1)
    yield from blocks


def _main_part(tree: Any) -> Any:
    found = tree.xpath("//main | //*[@role='main']") or tree.xpath("//article")
    if len(found) == 1:
        part, rest = len(found[0].text_content()), len(tree.text_content())
        if part >= 200 or part * 3 >= rest:
            return found[0]
    return tree


class _Walk:
    """Reads a tree in document order, without recursion, so that no depth can exhaust the stack."""

    def __init__(self, root: Any, *, whole: bool) -> None:
        self._root = root
        self._whole = whole
        self._text: list[str] = []
        self._items: list[str] = []
        self._lists: list[list[Any]] = []
        self._marker = ""
        self._preformatted = 0
        self._done: list[Block] = []

    def blocks(self) -> Iterator[Block]:
        from lxml import etree

        walk = etree.iterwalk(self._root, events=("start", "end"))
        skipped = None
        for event, element in walk:
            if event == "start":
                if self._skips(element):
                    skipped = element
                    walk.skip_subtree()
                elif element.tag == "table" and _is_data(element):
                    self._flush()
                    self._add_table(element)
                    skipped = element
                    walk.skip_subtree()
                else:
                    self._open(element)
            else:
                if element is skipped:
                    skipped = None
                else:
                    self._close(element)
                if element is not self._root and element.tail:
                    self._text.append(element.tail)
            if self._done:
                yield from self._done
                self._done = []
        self._flush()
        self._end_list()
        yield from self._done

    def _skips(self, element: Any) -> bool:
        if element.tag in _NEVER:
            return True
        if element.get("hidden") is not None or _HIDDEN_STYLE.search(element.get("style") or ""):
            return True
        if self._whole or element is self._root:
            return False
        if element.tag in _FRAME or element.get("role") in _FRAME_ROLES:
            return True
        # A page's banner; the header of an article holds its title.
        return bool(
            element.tag == "header" and element.find(".//h1") is None and element.find(".//h2") is None
        )

    def _open(self, element: Any) -> None:
        tag = element.tag
        if tag == "br":
            self._text.append("\n" if self._preformatted else "\v")
        elif tag in _HEADINGS or tag in _BLOCKS or tag == "pre":
            self._flush()
        if tag in ("ul", "ol"):
            self._lists.append([tag, _start(element)])
        elif tag == "li":
            self._marker = "- "
            if self._lists:
                kind, number = self._lists[-1]
                self._marker = f"{number}. " if kind == "ol" else "- "
                self._lists[-1][1] = number + 1
        elif tag == "pre":
            self._preformatted += 1
        if element.text:
            self._text.append(element.text)

    def _close(self, element: Any) -> None:
        tag = element.tag
        if tag in _HEADINGS:
            text = self._take()
            if text:
                self._end_list()
                self._done.append(Block(text.replace("\n", " "), "heading", _HEADINGS[tag]))
        elif tag == "pre":
            code = "".join(self._text).replace("\v", "\n").strip("\n")
            self._text = []
            self._preformatted -= 1
            if code.strip():
                self._end_list()
                self._done.append(Block(code, "code"))
        elif tag in _BLOCKS:
            self._flush()
        elif tag in ("td", "th"):
            self._text.append(" ")
        if tag == "li":
            self._marker = ""
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()
            if not self._lists:
                self._end_list()

    def _take(self) -> str:
        text = tidy("".join(self._text))
        self._text = []
        return text

    def _flush(self) -> None:
        """End the paragraph or the list item that was being gathered."""
        if self._preformatted:
            return
        text = self._take()
        if not text:
            return
        if self._lists or self._marker:
            indent = "  " * max(0, len(self._lists) - 1)
            for line in text.split("\n"):
                self._items.append(indent + (self._marker or "  ") + line)
                self._marker = ""
        else:
            self._end_list()
            self._done.append(Block(text))

    def _end_list(self) -> None:
        if self._items:
            self._done.append(Block("\n".join(self._items), "list"))
            self._items = []

    def _add_table(self, table: Any) -> None:
        self._end_list()
        caption = table.find("caption")
        if caption is not None and (text := tidy(caption.text_content())):
            self._done.append(Block(text.replace("\n", " ")))
        self._done.extend(table_blocks(_rows(table)))


def tidy(text: str) -> str:
    """Collapse white space as a browser does; `\\v` stands for a line break that is meant."""
    text = _BROKEN_LINE.sub("", text)
    lines = (clean_line(line) for line in text.split("\v"))
    return "\n".join(line for line in lines if line)


def _start(element: Any) -> int:
    start = element.get("start") or "1"
    return int(start) if start.isascii() and start.isdigit() and len(start) < 10 else 1


def _is_data(table: Any) -> bool:
    """Whether a table holds data; a table may also only arrange the page."""
    if (
        table.find(".//table") is not None
        or table.find(".//h1") is not None
        or table.find(".//h2") is not None
    ):
        return False
    cells = table.xpath(".//td | .//th")
    return bool(cells) and all(len(cell.text_content()) <= _LAYOUT_CELL for cell in cells)


def _rows(table: Any) -> list[list[str]]:
    """The cells of a table, those that span repeated in each row, and marked in each column."""
    rows: list[list[str]] = []
    pending: dict[int, tuple[int, str]] = {}
    for row in table.iter("tr"):
        cells: list[str] = []
        for cell in row:
            if cell.tag not in ("td", "th"):
                continue
            _take_pending(pending, cells)
            text = tidy(_cell_text(cell)).replace("\n", " ")
            down, across = _span(cell, "rowspan"), _span(cell, "colspan")
            for offset in range(across):
                shown = Spanned(text) if offset else text
                if down > 1:
                    pending[len(cells)] = (down - 1, shown)
                cells.append(shown)
        _take_pending(pending, cells)
        rows.append(cells or [""])
    # Blank rows of a web page part nothing.
    return [row for row in rows if any(row)]


def _take_pending(pending: dict[int, tuple[int, str]], cells: list[str]) -> None:
    while len(cells) in pending:
        left, text = pending.pop(len(cells))
        if left > 1:
            pending[len(cells)] = (left - 1, text)
        cells.append(text)


def _cell_text(cell: Any) -> str:
    parts = []
    for element in cell.iter():
        if element.tag in _NEVER:
            continue
        if element.tag in _BLOCKS or element.tag == "br":
            parts.append("\v")
        parts.append(element.text or "")
        if element is not cell:
            parts.append(element.tail or "")
    return "".join(parts)


def _span(cell: Any, name: str) -> int:
    value = cell.get(name) or "1"
    return max(1, min(_MAX_SPAN, int(value))) if value.isascii() and value.isdigit() and len(value) < 6 else 1
