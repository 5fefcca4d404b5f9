"""Word documents (DOCX), body in reading order; headers and footers are left out."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loaders.base import Loader, LoadOptions
from loaders.cleaning import clean_line
from loaders.delimited import rows_left_out
from loaders.document import Block, Page, Problem
from loaders.docx_numbering import Numbering
from loaders.docx_text import MC, R, Styles, V, W, is_bold, is_centred, paragraph_text, text_boxes
from loaders.errors import LimitExceededError, LoaderError
from loaders.ocr_pages import read_picture
from loaders.package import open_package, parser_errors
from loaders.paragraphs import is_header
from loaders.signatures import is_package
from loaders.tabular import Spanned, row_text, spans_all, table_header
from loaders.text import heading_level

_DEEPEST = 40
_SMALLEST_PICTURE = (40, 16)
_HEADING_BY_TEXT = 30
_ARTICLE = re.compile(r"第[一二三四五六七八九十百零〇0-9]{1,4}[条條]")
_NOTES = ("footnote", "endnote", "comment")


class DocxLoader(Loader):
    """Headings, paragraphs, numbered lists, tables, text boxes, notes, comments, pictures."""

    format = "docx"
    suffixes = (".docx", ".docm", ".dotx")
    media_type = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

    def recognises(self, head: bytes, path: Path, name: str) -> bool:
        """Whether the file is a package that holds a Word document."""
        return is_package(head, path, "word/document.xml", self.suffixes, name)

    def pages(self, path: Path, options: LoadOptions) -> Iterator[Page]:
        """One page without a number: where pages break is known only to the program that prints."""
        import docx

        options.check_cancelled()
        with open_package(path, options.limits), parser_errors():
            document = docx.Document(str(path))
            body = _Body(document, options)
            blocks = tuple(body.blocks())
        options.page_done(1, 1)
        yield Page(None, blocks, tuple(body.problems))


class _Body:
    """Walks the body of one document."""

    def __init__(self, document: Any, options: LoadOptions) -> None:
        self._part = document.part
        self._root = document.element.body
        self._options = options
        self._styles = Styles(document)
        self._numbering = Numbering(document)
        self._notes = _notes(document)
        self._seen: set[str] = set()
        self.problems: list[Problem] = []

    def blocks(self) -> Iterator[Block]:
        yield from self._container(self._root, 0)

    def _container(self, element: Any, depth: int) -> Iterator[Block]:
        if depth > _DEEPEST:
            return
        for child in element.iterchildren():
            if child.tag == f"{W}p":
                yield from self._paragraph(child, depth)
            elif child.tag == f"{W}tbl":
                yield from self._table(child, depth)
            elif child.tag in (f"{W}sdt", f"{W}sdtContent", f"{W}customXml", f"{W}smartTag", f"{W}ins"):
                yield from self._container(child, depth + 1)

    def _paragraph(self, element: Any, depth: int) -> Iterator[Block]:
        text = paragraph_text(element)
        if text:
            style = self._styles.of(element)
            number = self._numbering.label(element, style.numbering)
            level = style.level or self._level_by_text(text, number) or self._level_by_look(element, text)
            if level:
                yield Block(f"{number} {text}".strip(), "heading", min(6, level))
            else:
                yield Block(f"{number} {text}" if number else text, "list" if number else "paragraph")
        for reference in element.iter(*(f"{W}{kind}Reference" for kind in _NOTES)):
            note = self._notes.get((reference.tag, reference.get(f"{W}id")), "")
            if note:
                yield Block(note)
        for box in text_boxes(element):
            yield from self._container(box, depth + 1)
        yield from self._pictures(element)

    def _level_by_text(self, text: str, number: str) -> int:
        """The level of a heading that was only typed like one (第一章 …), 0 for other text."""
        if number or len(text) > _HEADING_BY_TEXT or "，" in text or "。" in text:
            return 0
        level = heading_level(text)
        return level + self._styles.deepest if 0 < level <= 3 else 0

    def _level_by_look(self, element: Any, text: str) -> int:
        """The level of a heading that was only made bold: a title in the middle, an article of a contract."""
        if len(text) > _HEADING_BY_TEXT or text[-1] in "。，；：" or not is_bold(element):
            return 0
        if _ARTICLE.match(text):
            return self._styles.deepest + 2
        return 1 if is_centred(element) and not self._styles.deepest else 0

    def _pictures(self, element: Any) -> Iterator[Block]:
        if self._options.ocr is None:
            return
        for found in element.iter(
            "{http://schemas.openxmlformats.org/drawingml/2006/main}blip", f"{V}imagedata"
        ):
            if any(parent.tag in (f"{MC}Fallback", f"{W}txbxContent") for parent in found.iterancestors()):
                continue
            reference = found.get(f"{R}embed") or found.get(f"{R}id")
            part = self._part.related_parts.get(reference) if reference else None
            # The same picture again, such as a logo, says nothing new.
            if part is None or str(part.partname) in self._seen:
                continue
            self._seen.add(str(part.partname))
            self._options.check_cancelled()
            try:
                yield from picture_blocks(part.blob, self._options)
            except LimitExceededError as error:
                self.problems.append(Problem.caused("unreadable_picture", error))

    def _table(self, element: Any, depth: int) -> Iterator[Block]:
        rows = [self._row(row, depth) for row in _descend(element, f"{W}tr")]
        if len(rows) > self._options.limits.table_rows:
            del rows[self._options.limits.table_rows :]
            self.problems.append(rows_left_out(self._options.limits, None))
        above: list[str] = []
        texts: list[list[str]] = []
        for cells in rows:
            values = [
                above[i] if cell is None and i < len(above) else cell or "" for i, cell in enumerate(cells)
            ]
            above = values
            if any(values):
                texts.append(values)
        if not texts:
            pass
        elif max(len(values) for values in texts) == 1:
            # A frame around text, not a table.
            for values in texts:
                yield Block(values[0])
        else:
            first = element.find(f"{W}tr/{W}trPr/{W}tblHeader")
            marked = first is not None and first.get(f"{W}val") not in ("0", "false")
            while len(texts) > 1 and spans_all(texts[0]):
                yield Block(row_text(texts.pop(0)))
            columns = max(len(values) for values in texts)
            header, used = table_header(texts)
            if not used and len(texts) > 1 and (marked or is_header(texts[0], columns=columns)):
                header, used = row_text(texts[0]), 1
            yield Block("\n".join(map(row_text, texts[used:])), "table", header=header)
        for cell in _descend(element, f"{W}tc"):
            for paragraph in cell.iterchildren(f"{W}p"):
                yield from self._pictures(paragraph)

    def _row(self, row: Any, depth: int) -> list[str | None]:
        """The texts of a row's cells; None where a cell goes on from the row above."""
        cells: list[str | None] = []
        for cell in _descend(row, f"{W}tc"):
            merged = cell.find(f"{W}tcPr/{W}vMerge")
            span = cell.find(f"{W}tcPr/{W}gridSpan")
            width = span.get(f"{W}val", "1") if span is not None else "1"
            further = min(int(width), 64) - 1 if width.isdigit() else 0
            if merged is not None and merged.get(f"{W}val", "continue") == "continue":
                cells.extend([None] * (1 + further))
            else:
                text = self._cell(cell, depth)
                cells.extend([text, *[Spanned(text)] * further])
        return cells

    def _cell(self, cell: Any, depth: int) -> str:
        if depth > _DEEPEST:
            return ""
        parts: list[str] = []
        for child in _children(cell):
            if child.tag == f"{W}p":
                text = paragraph_text(child)
                number = self._numbering.label(child, self._styles.of(child).numbering) if text else ""
                parts.append(f"{number} {text}" if number else text)
                parts.extend(
                    paragraph_text(inner) for box in text_boxes(child) for inner in box.iter(f"{W}p")
                )
            elif child.tag == f"{W}tbl":
                rows = (self._row(row, depth + 1) for row in _descend(child, f"{W}tr"))
                parts.extend(" ".join(text for text in row if text) for row in rows)
        return clean_line(" ".join(part for part in parts if part)).replace(" | ", " ¦ ")


def _descend(element: Any, tag: str) -> Iterator[Any]:
    """Children of a tag, also those wrapped in content controls."""
    for child in _children(element):
        if child.tag == tag:
            yield child
        elif tag == f"{W}tc" and child.tag == f"{W}tr":
            yield from _descend(child, tag)


def _children(element: Any, depth: int = 0) -> Iterator[Any]:
    for child in element.iterchildren():
        if child.tag in (f"{W}sdt", f"{W}sdtContent", f"{W}customXml") and depth < _DEEPEST:
            yield from _children(child, depth + 1)
        else:
            yield child


def _notes(document: Any) -> dict[tuple[str, str | None], str]:
    """Texts of footnotes, endnotes and comments by the tag that refers to them and their id."""
    from lxml import etree

    found: dict[tuple[str, str | None], str] = {}
    for relation in document.part.rels.values():
        for kind in _NOTES:
            if not relation.is_external and relation.reltype.endswith(f"/{kind}s"):
                parser = etree.XMLParser(resolve_entities=False, no_network=True)
                root = etree.fromstring(relation.target_part.blob, parser)
                for note in root.iter(f"{W}{kind}"):
                    text = " ".join(filter(None, (paragraph_text(p) for p in note.iter(f"{W}p"))))
                    if kind == "comment" and text:
                        # Not the document's own words, which a reader must see.
                        text = f"批注（{clean_line(note.get(f'{W}author', ''))}）：{text}"
                    found[f"{W}{kind}Reference", note.get(f"{W}id")] = text
    return found


def picture_blocks(data: bytes, options: LoadOptions) -> Iterator[Block]:
    """The text recognised in an embedded picture; none where it cannot be read.

    Boxes are left out: they would count from the picture, not from a page. Raises
    `LimitExceededError` for a picture that is too large.
    """
    from loaders.image import open_image, to_rgb

    if options.ocr is None:
        return
    try:
        with open_image(io.BytesIO(data)) as image:
            width, height = image.size
            options.check_pixels(width, height)
            if max(width, height) < _SMALLEST_PICTURE[0] or min(width, height) < _SMALLEST_PICTURE[1]:
                return
            pixels = to_rgb(image)
    except LimitExceededError:
        raise
    except (LoaderError, OSError, ValueError, SyntaxError):
        return  # a drawing in a format of its own, or broken: the text around it is what counts
    for block in read_picture(pixels, options.ocr, page=1).blocks:
        kind = "paragraph" if block.kind == "heading" else block.kind
        yield Block(block.text, kind, header=block.header, confidence=block.confidence)
