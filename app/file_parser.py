"""The loaders as the service uses them: in processes of their own, with what the settings say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from app.settings import OcrSettings, Settings
from loaders.base import FaqColumns, Limits
from loaders.document import ParsedDocument
from loaders.isolated_rendering import IsolatedRenderer
from loaders.isolation import IsolatedParser, ReadPages
from models.ocr import PaddleOcrEngine
from models.ocr_models import OcrModels

PARSER_VERSION = "parser-5"
"""To be raised when the loaders read more or otherwise, so that files already known are read again."""

_CUTTING_LIMITS = ("table_rows", "picture_pixels", "archive_ratio", "archive_depth", "archive_files")


class FileParser:
    """The loaders, in processes of their own, with the limits and the recogniser of the settings."""

    def __init__(self, settings: Settings, *, model_folder: Path) -> None:
        self._limits = settings.limits.for_loaders()
        self._faq = settings.faq.for_loaders()
        ocr = partial(recogniser, settings.ocr, model_folder) if settings.ocr.enabled else None
        self._isolated = IsolatedParser(
            ocr,
            memory_bytes=settings.limits.parser_memory_bytes,
            page_seconds=settings.limits.page_seconds,
            workers=settings.jobs.readers,
        )
        # A process of its own, so that an upload need not wait for what is being read.
        self._checker = IsolatedParser(page_seconds=settings.limits.page_seconds)
        self.renderer = IsolatedRenderer(memory_bytes=settings.limits.parser_memory_bytes)
        self.fingerprint = f"{PARSER_VERSION};ocr={settings.ocr.enabled}"
        if self._faq != FaqColumns():
            self.fingerprint += f";faq={self._faq.questions},{self._faq.answers}"
        # Beyond a limit a part of a file is left out: another limit reads otherwise.
        for name in _CUTTING_LIMITS:
            if getattr(self._limits, name) != getattr(Limits(), name):
                self.fingerprint += f";{name}={getattr(self._limits, name)}"

    def parse(
        self,
        path: Path,
        *,
        name: str,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        kept: ReadPages | None = None,
        most_pages: int | None = None,
    ) -> ParsedDocument:
        """Read the file at `path`, which the user called `name`. Raises a `LoaderError`."""
        return self._isolated.parse(
            path,
            name=name,
            limits=self._limits,
            faq=self._faq,
            progress=progress,
            cancelled=cancelled,
            kept=kept,
            most_pages=most_pages,
        )

    def check(self, path: Path, name: str) -> None:
        """Raise a `LoaderError` for what shows on the first page, its pictures unread."""
        for _ in self._checker.pages(path, name=name, limits=self._limits, faq=self._faq, one_page=True):
            pass

    def close(self) -> None:
        """End the processes."""
        self._isolated.close()
        self._checker.close()
        self.renderer.close()


def recogniser(settings: OcrSettings, model_folder: Path) -> PaddleOcrEngine:
    """The OCR engine; called inside the process that reads files."""
    models = None
    if settings.detection_model and settings.recognition_model:
        models = OcrModels(settings.detection_model, settings.recognition_model)
    return PaddleOcrEngine(cache_dir=model_folder, models=models)
