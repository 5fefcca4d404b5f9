"""PowerPoint slides: text in reading order, tables, charts, diagrams, pictures, speaker notes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loaders.base import Loader, LoadOptions
from loaders.document import Block, Page, Problem
from loaders.errors import LoaderError, LoadInterruptedError
from loaders.layout import TextLine, regions
from loaders.package import open_package, parser_errors
from loaders.paragraphs import PageFrame
from loaders.signatures import is_package
from loaders.slide_pictures import SlidePictures
from loaders.slide_shapes import chart_blocks, diagram_texts, table_rows, text_blocks
from loaders.tabular import table_blocks

_DEPTH = 20  # of groups within groups
_UNREAD_PLACEHOLDERS = frozenset({"DATE", "FOOTER", "SLIDE_NUMBER", "HEADER"})
_TITLES = frozenset({"TITLE", "CENTER_TITLE", "VERTICAL_TITLE"})
_BODIES = frozenset({"BODY", "OBJECT", "VERTICAL_BODY", "VERTICAL_OBJECT"})


class PptxLoader(Loader):
    """A page per slide, hidden slides too."""

    format = "pptx"
    suffixes = (".pptx", ".pptm", ".ppsx", ".ppsm", ".potx", ".potm")
    media_type = "application/vnd.openxmlformats-officedocument.presentationml.presentation"

    def recognises(self, head: bytes, path: Path, name: str) -> bool:
        """Whether the file is a package that holds a presentation."""
        return is_package(head, path, "ppt/presentation.xml", self.suffixes, name)

    def pages(self, path: Path, options: LoadOptions) -> Iterator[Page]:
        """Yield the slides in order; one that cannot be read has a problem instead of text."""
        with open_package(path, options.limits) as archive, parser_errors():
            from pptx.package import Package

            presentation = Package.open(archive.fp).presentation_part.presentation
            slides = list(presentation.slides._sldIdLst)
            options.check_pages(len(slides))
            width = float(presentation.slide_width or 12192000)
            height = float(presentation.slide_height or 6858000)
            pictures = SlidePictures(options)
            for number, identifier in enumerate(slides, 1):
                if number < options.first_page:
                    continue
                options.check_cancelled()
                frame = PageFrame(number=number, width=max(width, 1.0), height=max(height, 1.0))
                try:
                    slide = presentation.part.related_slide(identifier.rId)
                    page = _SlideReader(frame, pictures).read(slide)
                except (LoadInterruptedError, MemoryError):
                    raise
                except Exception as error:
                    reason = f"The slide cannot be read: {type(error).__name__}: {error}"[:300]
                    page = Page(number, (), (Problem("damaged_page", reason, number),))
                options.page_done(number, len(slides))
                yield page


@dataclass(frozen=True, slots=True)
class _Place:
    """From a group's own coordinates to those of the slide."""

    scale_x: float = 1.0
    scale_y: float = 1.0
    left: float = 0.0
    top: float = 0.0

    def rectangle(self, shape: Any, frame: PageFrame) -> tuple[float, float, float, float]:
        values = (shape.left, shape.top, shape.width, shape.height)
        if any(value is None for value in values):
            return 0.0, frame.height, frame.width, frame.height
        left, top, width, height = map(float, values)
        x0, y0 = self.left + left * self.scale_x, self.top + top * self.scale_y
        return x0, y0, x0 + width * self.scale_x, y0 + height * self.scale_y

    def inside(self, group: Any) -> _Place:
        found = group._element.xpath("./p:grpSpPr/a:xfrm")
        if not found or any(not found[0].xpath(f"./a:{name}") for name in ("off", "ext", "chOff", "chExt")):
            return self
        off, ext, child_off, child_ext = (
            found[0].xpath(f"./a:{n}")[0] for n in ("off", "ext", "chOff", "chExt")
        )
        scale_x = float(ext.get("cx", 1)) / max(1.0, float(child_ext.get("cx", 1)))
        scale_y = float(ext.get("cy", 1)) / max(1.0, float(child_ext.get("cy", 1)))
        left = float(off.get("x", 0)) - float(child_off.get("x", 0)) * scale_x
        top = float(off.get("y", 0)) - float(child_off.get("y", 0)) * scale_y
        return _Place(
            self.scale_x * scale_x,
            self.scale_y * scale_y,
            self.left + left * self.scale_x,
            self.top + top * self.scale_y,
        )


class _SlideReader:
    def __init__(self, frame: PageFrame, pictures: SlidePictures) -> None:
        self._frame = frame
        self._pictures = pictures
        self._title: list[Block] = []
        self._placed: list[TextLine] = []
        self._problems: list[Problem] = []
        self._unread_pictures = 0

    def read(self, slide: Any) -> Page:
        self._read_shapes(slide.shapes, _Place(), 0)
        blocks = list(self._title)
        for region in regions(self._placed):
            for line in sorted(region, key=lambda item: (item.y0, item.x0)):
                blocks.extend(line.blocks)
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            blocks.extend(text_blocks(slide.notes_slide.notes_text_frame, None))
        if self._unread_pictures and not blocks:
            message = "The slide holds only pictures; it needs OCR."
            self._problems.append(Problem("needs_ocr", message, self._frame.number))
        return Page(self._frame.number, tuple(blocks), tuple(self._problems))

    def _read_shapes(self, shapes: Any, place: _Place, depth: int) -> None:
        for shape in shapes:
            try:
                if hasattr(shape, "shapes"):
                    if depth < _DEPTH:
                        self._read_shapes(shape.shapes, place.inside(shape), depth + 1)
                else:
                    self._read_shape(shape, place.rectangle(shape, self._frame))
            except (LoadInterruptedError, MemoryError):
                raise
            except LoaderError as error:
                self._problems.append(Problem.caused("unreadable_picture", error, self._frame.number))
            except Exception as error:
                reason = f"A shape cannot be read: {type(error).__name__}: {error}"[:300]
                self._problems.append(Problem("damaged_shape", reason, self._frame.number))

    def _read_shape(self, shape: Any, rectangle: tuple[float, float, float, float]) -> None:
        kind = shape.placeholder_format.type.name if shape.is_placeholder else ""
        if kind in _UNREAD_PLACEHOLDERS:
            return
        box = self._frame.box(*rectangle)
        if kind in _TITLES and shape.has_text_frame:
            text = " ".join(shape.text_frame.text.split())
            if text:
                (block,) = text_blocks(shape.text_frame, box, whole=True)
                self._title.append(Block(block.text, "heading", 1, block.lines))
        elif getattr(shape, "has_table", False):
            self._place(rectangle, tuple(table_blocks(table_rows(shape.table))))
        elif getattr(shape, "has_chart", False):
            self._place(rectangle, tuple(chart_blocks(shape.chart)))
        elif shape._element.tag.endswith("}pic"):
            found = self._pictures.read(shape.image.blob, self._frame, rectangle)
            if found is None:
                self._unread_pictures += 1
            else:
                self._place(rectangle, found[0])
                self._problems.extend(found[1])
        elif shape.has_text_frame:
            self._place(rectangle, text_blocks(shape.text_frame, box, items=kind in _BODIES))
        elif texts := diagram_texts(shape):
            self._place(rectangle, (Block("\n".join(texts), "list"),))

    def _place(self, rectangle: tuple[float, float, float, float], blocks: tuple[Block, ...]) -> None:
        if blocks:
            x0, y0, x1, y1 = rectangle
            self._placed.append(TextLine(text="", x0=x0, y0=y0, x1=x1, y1=y1, size=1.0, blocks=blocks))
