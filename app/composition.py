"""The one place where the service is put together from the settings."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from app.answering.answerer import ChatModel
from app.service import Parts, Service
from app.settings import Settings
from knowledge_base.catalogue import Catalogue
from knowledge_base.database import Database
from knowledge_base.files import FileStore
from knowledge_base.indexes import IndexCache
from knowledge_base.ingestion import Ingestor
from knowledge_base.job_queue import JobQueue
from knowledge_base.retrieval import Retriever
from loaders.base import LoadOptions, TextRecogniser
from loaders.document import ParsedDocument
from loaders.registry import find_loader, parse_file, read_pages
from loaders.splitter import ChineseTextSplitter
from models.errors import ModelNotFoundError
from models.registry import load_chat_model, load_embedder
from vectorstore.calibration import Calibration
from vectorstore.hybrid import HybridIndex

_Value = TypeVar("_Value")


class Lazy(Generic[_Value]):
    """A value made at its first use, once, whichever thread comes first."""

    def __init__(self, make: Callable[[], _Value]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._value: _Value | None = None

    def __call__(self) -> _Value:
        """The value; a failure to make it is raised and tried again at the next call."""
        if self._value is None:
            with self._lock:
                if self._value is None:
                    self._value = self._make()
        return self._value


class FileParser:
    """The loaders, with the limits and the recogniser of the settings."""

    def __init__(self, settings: Settings, *, ocr: TextRecogniser | None) -> None:
        self._limits = settings.limits.for_loaders()
        self._ocr = ocr
        self.fingerprint = f"parser-1;ocr={settings.ocr.enabled}"

    def parse(
        self,
        path: Path,
        *,
        name: str,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> ParsedDocument:
        """Read the file at `path`, which the user called `name`. Raises a `LoaderError`."""
        options = LoadOptions(ocr=self._ocr, limits=self._limits, progress=progress, cancelled=cancelled)
        return parse_file(path, name=name, options=options)

    def check(self, path: Path, name: str) -> None:
        """Recognise the file and read its first page, without recognition of pictures."""
        loader = find_loader(path, name, limits=self._limits)
        next(iter(read_pages(loader, path, name=name, options=LoadOptions(limits=self._limits))), None)


def build_service(settings: Settings, *, model_folder: Path | None = None) -> Service:
    """Make the service. Fast: models are loaded at their first use.

    `model_folder` holds the converted models when they are not to lie in the data folder.
    """
    folder = settings.data_dir
    cache = model_folder or folder / "models"
    database = Database(folder / "catalogue.db")
    catalogue = Catalogue(database)
    files = FileStore(folder / "files")
    calibration = Calibration.default()
    indexes = IndexCache(
        database,
        folder / "indexes",
        make=lambda dimension: HybridIndex(dimension, calibration=calibration),
        load=lambda path: HybridIndex.load(path, calibration=calibration),
    )
    embedder = Lazy(
        lambda: load_embedder(
            settings.embedder.name,
            cache_dir=cache,
            device=settings.embedder.device,
            threads=settings.embedder.threads,
        )
    )
    parser = FileParser(settings, ocr=None)
    splitter = ChineseTextSplitter(chunk_size=settings.splitter.chunk_size, overlap=settings.splitter.overlap)
    return Service(
        Parts(
            settings=settings,
            catalogue=catalogue,
            files=files,
            indexes=indexes,
            ingestor=Ingestor(catalogue, files, indexes, parser=parser, splitter=splitter, embedder=embedder),
            retriever=Retriever(catalogue, indexes, embedder=embedder),
            jobs=JobQueue(catalogue, files, max_waiting=settings.limits.waiting_jobs),
            embedder=embedder,
            chat_model=_ChatModels(settings),
            check_file=parser.check,
            default_threshold=calibration.threshold,
            close=database.close,
        )
    )


class _ChatModels:
    """The chat models that the settings name, each loaded at its first use."""

    def __init__(self, settings: Settings) -> None:
        self._models = {
            name: Lazy(
                lambda name=name, spec=spec: ChatModel(  # type: ignore[misc]
                    name=name, model=load_chat_model(spec), context_characters=spec.context_tokens
                )
            )
            for name, spec in settings.answering.models.items()
        }

    def __call__(self, name: str) -> ChatModel:
        if name not in self._models:
            raise ModelNotFoundError(f"no chat model is called {name!r} in the settings", name=name)
        return self._models[name]()
