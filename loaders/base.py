"""What a loader is, and what it is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from loaders.document import Page
from loaders.errors import LimitExceededError, LoadingCancelledError

if TYPE_CHECKING:
    import numpy as np


class RecognisedLine(Protocol):
    """One line of text found in a picture."""

    @property
    def text(self) -> str:
        """The line's characters."""
        ...

    @property
    def confidence(self) -> float:
        """In [0, 1]."""
        ...

    @property
    def polygon(self) -> tuple[tuple[float, float], ...]:
        """Four corners in pixels, clockwise from the text's own top left."""
        ...


class TextRecogniser(Protocol):
    """Optical character recognition, as the loaders use it."""

    def recognise(self, image: np.ndarray) -> Sequence[RecognisedLine]:
        """Find the lines of text in an RGB picture of shape (height, width, 3), uint8.

        Loaders may call it from several threads.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds that keep one file from taking the machine down."""

    file_bytes: int = 200 * 1024 * 1024
    pages: int = 5_000
    picture_pixels: int = 60_000_000
    archive_ratio: int = 200
    archive_depth: int = 2
    archive_files: int = 2_000
    table_rows: int = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FaqColumns:
    """Names of columns of questions and of answers, besides the usual ones."""

    questions: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What the caller gives a loader besides the file."""

    ocr: TextRecogniser | None = None
    limits: Limits = field(default_factory=Limits)
    faq: FaqColumns = field(default_factory=FaqColumns)
    first_page: int = 1
    """Pages before this one are skipped, so that an interrupted load can go on."""
    progress: Callable[[int, int], None] | None = None
    """Called after each page with its number and the number of pages."""
    cancelled: Callable[[], bool] | None = None
    """Asked between pages; True ends the load with `LoadingCancelledError`."""

    def check_cancelled(self) -> None:
        """Raise `LoadingCancelledError` when the caller has cancelled; loaders call it before a page."""
        if self.cancelled is not None and self.cancelled():
            raise LoadingCancelledError("The load was cancelled.")

    def page_done(self, number: int, total: int) -> None:
        """Tell the caller that page `number` of `total` has been read; loaders call it after a page."""
        if self.progress is not None:
            self.progress(number, total)

    def check_pages(self, total: int) -> None:
        """Raise `LimitExceededError` when a file has more pages than the limit."""
        if total > self.limits.pages:
            raise LimitExceededError(
                f"The file has {total} pages; the limit is {self.limits.pages}.",
                limit="pages",
                value=total,
                maximum=self.limits.pages,
            )

    def check_pixels(self, width: int, height: int) -> None:
        """Raise `LimitExceededError` when a picture is larger than the limit, before it is decoded."""
        if width * height > self.limits.picture_pixels:
            raise LimitExceededError(
                f"The picture has {width} x {height} pixels; the limit is {self.limits.picture_pixels}.",
                limit="picture_pixels",
                value=width * height,
                maximum=self.limits.picture_pixels,
            )


class Loader(ABC):
    """Reads one format. Stateless: one instance serves every file, from any thread."""

    format: ClassVar[str]
    """The name of the format, such as "pdf"."""
    suffixes: ClassVar[tuple[str, ...]]
    media_type: ClassVar[str]
    resumes: ClassVar[bool] = True
    """Whether `first_page` saves the reading of the pages before it."""

    @abstractmethod
    def recognises(self, head: bytes, path: Path, name: str) -> bool:
        """Tell by content (`head` is the first 8 KiB) whether this loader reads the file.

        `name` is the name the user gave; only formats without a signature (text, Markdown, CSV)
        may look at its suffix, and none may open a file whose content contradicts it.
        """

    @abstractmethod
    def pages(self, path: Path, options: LoadOptions) -> Iterator[Page]:
        """Yield the file's pages in order.

        Raises a `LoaderError` when nothing can be read; a page that fails alone is yielded
        with a problem instead.
        """

    def finish(self, pages: Sequence[Page]) -> Sequence[Page]:
        """Mend what only shows over all pages, such as running headers."""
        return pages
