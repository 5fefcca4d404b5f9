"""What a loader is, and what it is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from loaders.document import Page

if TYPE_CHECKING:
    import numpy as np


class RecognisedLine(Protocol):
    """One line of text found in a picture."""

    @property
    def text(self) -> str: ...
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
        """Find the lines of text in an RGB picture of shape (height, width, 3), uint8."""
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
class LoadOptions:
    """What the caller gives a loader besides the file."""

    ocr: TextRecogniser | None = None
    limits: Limits = field(default_factory=Limits)
    first_page: int = 1
    """Pages before this one are skipped, so that an interrupted load can go on."""
    progress: Callable[[int, int], None] | None = None
    """Called after each page with its number and the number of pages."""
    cancelled: Callable[[], bool] | None = None
    """Asked between pages; True ends the load with `LoadingCancelledError`."""


class Loader(ABC):
    """Reads one format. Stateless: one instance serves every file, from any thread."""

    format: ClassVar[str]
    """The name of the format, such as "pdf"."""
    suffixes: ClassVar[tuple[str, ...]]
    media_type: ClassVar[str]

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
