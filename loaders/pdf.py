"""PDF: the text layer where it is good, recognition where it is not, page by page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from loaders.ahead import Unfinished, in_order
from loaders.base import Loader, LoadOptions
from loaders.cleaning import squeeze
from loaders.document import Page, Problem
from loaders.errors import DamagedFileError, EncryptedFileError
from loaders.layout import TextLine
from loaders.ocr_pages import OcrResult, move_block, read_picture
from loaders.paragraphs import HeadingRule, PageFrame, build_blocks
from loaders.pdf_drawing import Picture
from loaders.pdf_headings import Bookmark, HeadingStyle, path_at, titles_by_page
from loaders.pdf_quality import garbled, pictures_to_read, wants_ocr
from loaders.pdf_rendering import PageRenderer
from loaders.pdf_text import PDFIUM_LOCK, PageContent, read_content
from loaders.running import drop_running_lines, join_across_pages
from loaders.signatures import signature

_AHEAD = 3
"""Pages that are begun, and drawn, while one is recognised."""
_SAMPLED_PAGES = 12
_MOST_BOOKMARKS = 5_000
_TAIL = 8 * 1024


class PdfLoader(Loader):
    """Pages with numbers, boxes, headings and tables."""

    format = "pdf"
    suffixes = (".pdf",)
    media_type = "application/pdf"

    def recognises(self, head: bytes, path: Path, name: str) -> bool:  # noqa: ARG002
        """Whether the file begins like a PDF."""
        return signature(head) == "pdf"

    def pages(self, path: Path, options: LoadOptions) -> Iterator[Page]:
        """The pages from `options.first_page` on; one that cannot be read has a problem."""
        _check_end(path)
        document = _open(path)
        try:
            with PDFIUM_LOCK:
                total = len(document)
            options.check_pages(total)
            begun = _PageReader(document, options).begin(range(options.first_page, total + 1))
            with closing(in_order(begun, ahead=_AHEAD)) as pages:
                for number, page in enumerate(pages, options.first_page):
                    options.page_done(number, total)
                    yield page
        finally:
            with PDFIUM_LOCK:
                document.close()

    def finish(self, pages: Sequence[Page]) -> Sequence[Page]:
        """Drop running headers, footers and page numbers; join what a page break cut."""
        return join_across_pages(drop_running_lines(pages))


def _check_end(path: Path) -> None:
    """pdfium reads what it finds in a file cut short; the missing end must be told instead."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL))
        if b"%%EOF" not in file.read():
            raise DamagedFileError("The PDF is cut short: its end is missing.", format="pdf")


def _open(path: Path) -> Any:
    import pypdfium2 as pdfium
    import pypdfium2.raw as raw

    try:
        with PDFIUM_LOCK:
            return pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD:
            raise EncryptedFileError("The PDF asks for a password.", format="pdf") from error
        raise DamagedFileError(f"The PDF cannot be opened: {error}", format="pdf") from error


@dataclass(slots=True)
class _Outline:
    """The bookmarks, and whether their titles stand in the text, where they then mark headings."""

    bookmarks: list[Bookmark]
    inline: bool


class _PageReader:
    """Reads the pages of one open document, one at a time; what is recognised comes later."""

    def __init__(self, document: Any, options: LoadOptions) -> None:
        self._document = document
        self._options = options
        self._renderer = PageRenderer(document, most_pixels=options.limits.picture_pixels)
        self._seen: set[tuple[int, ...]] = set()
        bookmarks = self._bookmarks()
        # What was read to learn the style is not read again.
        self._sampled = self._sample(bookmarks)
        self._style = HeadingStyle(line for content in self._sampled.values() for line in content.lines)
        self._titles = titles_by_page(bookmarks)
        self._outline = _Outline(bookmarks, self._found_inline())

    def begin(self, numbers: Iterable[int]) -> Iterator[Page | Unfinished]:
        """Pages, those with something to recognise unfinished; finishing needs no open document."""
        for number in numbers:
            self._options.check_cancelled()
            yield self._begin(number)

    def _begin(self, number: int) -> Page | Unfinished:
        """One page, with a problem instead of its text where it cannot be read."""
        path = () if self._outline.inline else path_at(self._outline.bookmarks, number)
        try:
            content = self._sampled.pop(number, None) or self._content(number)
        except Exception as error:
            return Page(number, problems=(_damaged(number, error),), heading_path=path)
        frame = PageFrame(number=number, width=content.width, height=content.height)
        if wants_ocr(content):
            return self._recognise(content, frame, path)
        lines = [*content.outside, *(table.stand_in(frame) for table in content.tables)]
        ocr = self._options.ocr
        pictures = self._new_pictures(content) if ocr is not None else []
        if ocr is None or not pictures:
            return self._page(lines, frame, path, ())
        try:
            images = self._renderer.pictures(number, content, pictures)
        except Exception as error:
            return self._page(lines, frame, path, [_damaged(number, error)])

        def finish(results: Sequence[OcrResult]) -> Page:
            problems = [problem for result in results for problem in result.problems(number)]
            found = [
                _stand_in(picture, result.blocks, frame)
                for picture, result in zip(pictures, results, strict=True)
                if result.blocks
            ]
            return self._page([*lines, *found], frame, path, problems)

        # Large pictures on a page of good text, each of which becomes one stand-in line.
        return Unfinished([partial(read_picture, image, ocr, page=number) for image in images], finish)

    def _page(
        self, lines: Sequence[TextLine], frame: PageFrame, path: tuple[str, ...], problems: Sequence[Problem]
    ) -> Page:
        blocks = build_blocks(lines, frame, heading=self._rule(frame.number))
        return Page(frame.number, tuple(blocks), tuple(problems), path)

    def _content(self, number: int) -> PageContent:
        with PDFIUM_LOCK:
            page = self._document[number - 1]
            try:
                return read_content(page)
            finally:
                page.close()

    def _rule(self, number: int) -> HeadingRule:
        titles = self._titles.get(number, {}) if self._outline.inline else {}

        def level(text: str, size: float, bold: bool) -> int:
            marked = titles.get(squeeze(text), 0)
            if marked or self._outline.inline:
                # Bookmarks know better than sizes; what they leave out lies below them.
                found = 0 if marked else self._style.level(text, size, bold)
                return marked or (min(6, found + 3) if found else 0)
            return self._style.level(text, size, bold)

        return level

    def _recognise(self, content: PageContent, frame: PageFrame, path: tuple[str, ...]) -> Page | Unfinished:
        number, ocr = frame.number, self._options.ocr
        if ocr is None:
            kept = [] if garbled(content) else build_blocks(content.lines, frame, heading=self._rule(number))
            problem = Problem(
                "needs_ocr", "The page is a picture or its text is garbled; it needs OCR.", number
            )
            return Page(number, tuple(kept), (problem,), path)
        try:
            image = self._renderer.page(number, content)
        except Exception as error:
            return Page(number, problems=(_damaged(number, error),), heading_path=path)

        def finish(results: Sequence[OcrResult]) -> Page:
            (result,) = results
            return Page(number, result.blocks, result.problems(number), path)

        return Unfinished([partial(read_picture, image, ocr, page=number)], finish)

    def _new_pictures(self, content: PageContent) -> list[Picture]:
        """Those to read that no page before had in the same place, as letterheads are."""
        found = []
        for picture in pictures_to_read(content):
            place = (round(side) for side in (picture.x0, picture.y0, picture.x1, picture.y1))
            key = (*place, *picture.pixels)
            if key not in self._seen:
                self._seen.add(key)
                found.append(picture)
        return found

    def _bookmarks(self) -> list[Bookmark]:
        found: list[Bookmark] = []
        try:
            with PDFIUM_LOCK:
                for mark in self._document.get_toc(max_depth=8):
                    target = mark.get_dest()
                    index = target.get_index() if target is not None else None
                    title = " ".join((mark.get_title() or "").split())
                    if index is not None and title:
                        found.append(Bookmark(title=title, level=mark.level + 1, page=index + 1))
                    if len(found) >= _MOST_BOOKMARKS:
                        break
        except Exception:
            return []
        return found if all(a.page <= b.page for a, b in pairwise(found)) else []

    def _sample(self, bookmarks: Sequence[Bookmark]) -> dict[int, PageContent]:
        """What stands on some pages, spread over the document, to learn its style from."""
        total = len(self._document)
        step = max(1, total // _SAMPLED_PAGES)
        numbers = set(range(1, total + 1, step)) | {mark.page for mark in bookmarks[:4]}
        found: dict[int, PageContent] = {}
        for number in sorted(numbers)[: _SAMPLED_PAGES + 4]:
            try:
                found[number] = self._content(number)
            except Exception:  # noqa: S112  told when the page itself is read
                continue
        return found

    def _found_inline(self) -> bool:
        titles = [(number, title) for number in self._sampled for title in self._titles.get(number, {})]
        texts = {
            number: {squeeze(line.text) for line in page.lines} for number, page in self._sampled.items()
        }
        return bool(titles) and 2 * sum(title in texts[number] for number, title in titles) >= len(titles)


def _damaged(number: int, error: Exception) -> Problem:
    return Problem("damaged_page", f"The page cannot be read: {error}", number)


def _stand_in(picture: Picture, blocks: Sequence[Any], frame: PageFrame) -> TextLine:
    def place(x: float, y: float) -> tuple[float, float]:
        return (
            (picture.x0 + x * (picture.x1 - picture.x0)) / frame.width,
            (picture.y0 + y * (picture.y1 - picture.y0)) / frame.height,
        )

    moved = tuple(
        # What looks large inside a picture heads nothing on the page.
        replace(
            move_block(block, frame.number, place),
            kind="paragraph" if block.kind == "heading" else block.kind,
            level=0,
        )
        for block in blocks
    )
    return TextLine(
        text="", x0=picture.x0, y0=picture.y0, x1=picture.x1, y1=picture.y1, size=10.0, blocks=moved
    )
