"""The one place where the service is put together from the settings."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import cache as cache_results
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from app.answering.prompt_files import PromptFiles
from app.chat_models import ChatModels
from app.file_parser import FileParser, recogniser
from app.operations import Operations
from app.parts import Parts
from app.service import Service
from app.settings import Settings, SplitterSettings
from app.splitting import SplitterTrials
from app.synonyms import read_synonyms
from knowledge_base.catalogue import Catalogue
from knowledge_base.chunk_editing import ChunkEditor
from knowledge_base.chunk_embedding import ChunkEmbedding
from knowledge_base.database import Database
from knowledge_base.embedders import Embedders
from knowledge_base.exporting import Exporter
from knowledge_base.files import FileStore
from knowledge_base.indexes import IndexCache
from knowledge_base.ingestion import Ingestor
from knowledge_base.integrity import Integrity
from knowledge_base.job_queue import JobQueue
from knowledge_base.lifecycle import DocumentLifecycle
from knowledge_base.page_log import PageLogs
from knowledge_base.rebuilding import Rebuilder
from knowledge_base.retrieval import Retriever
from knowledge_base.stage_times import StageTimes
from loaders.splitter import ChineseTextSplitter, Splitter
from models.answerability import AnswerabilityReader
from models.embedder import Embedder
from models.errors import ModelError
from models.registry import (
    DEFAULT_EMBEDDERS,
    load_answerability_reader,
    load_chat_model,
    load_embedder,
)
from models.reranker import CrossEncoderReranker
from vectorstore.calibration import Calibration, Calibrations
from vectorstore.evidence import AnswerabilityEvidence
from vectorstore.hybrid import HybridIndex

logger = logging.getLogger(__name__)

_Value = TypeVar("_Value")


class Lazy(Generic[_Value]):
    """A value made at its first use, once, whichever thread comes first."""

    def __init__(self, make: Callable[[], _Value]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._value: _Value | None = None

    @property
    def made(self) -> bool:
        """Whether it was made already."""
        return self._value is not None

    def __call__(self) -> _Value:
        """The value; a failure to make it is raised and tried again at the next call."""
        if self._value is None:
            with self._lock:
                if self._value is None:
                    self._value = self._make()
        return self._value


def build_service(
    settings: Settings,
    *,
    model_folder: Path | None = None,
    embedder: Embedder | None = None,
    weights: tuple[float, float] = (1.0, 1.0),
) -> Service:
    """Make the service. Fast: models are loaded at their first use.

    `model_folder` holds the converted models when they are not to lie in the data folder. An
    `embedder` at hand is taken instead of the one that the settings name. `weights` multiply those
    of the dense and of the keyword arm, to try what each contributes.
    """
    folder = settings.data_dir
    cache = model_folder or settings.models_folder
    database = Database(folder / "catalogue.db")
    catalogue = Catalogue(database)
    files = FileStore(folder / "files")
    page_logs = PageLogs(folder / "pages")

    def load(name: str) -> Embedder:
        return load_embedder(
            name, cache_dir=cache, device=settings.embedder.device, threads=settings.embedder.threads
        )

    name = embedder_name(settings.embedder.name)
    chosen = Lazy(lambda: embedder or load(name))
    embedders = Embedders(
        database,
        chosen,
        name=None if embedder else name,
        load=load,
    )

    @cache_results
    def calibration(fingerprint: str) -> Calibration:
        return calibrations(cache).of(fingerprint).weighted(*weights)

    @cache_results
    def reader() -> AnswerabilityReader | None:
        try:
            return load_answerability_reader(cache, threads=settings.embedder.threads)
        except (ModelError, OSError) as error:  # weights that are not installed, a full disk
            logger.warning("passages that stay unsure are not read with the question: %s", error)
            return None

    def answerability(fingerprint: str) -> AnswerabilityEvidence | None:
        return calibration(fingerprint).answerability if settings.retrieval.reading else None

    synonyms = read_synonyms(settings.retrieval.synonyms)
    indexes = IndexCache(
        database,
        folder / "indexes",
        make=lambda dimension, of: HybridIndex(dimension, calibration=calibration(of), synonyms=synonyms),
        load=lambda path, of: HybridIndex.load(path, calibration=calibration(of), synonyms=synonyms),
    )
    parser = FileParser(settings, model_folder=cache.absolute())
    splitter = make_splitter(settings.splitter)
    reranker = CrossEncoderReranker(settings.retrieval.reranker) if settings.retrieval.reranker else None

    models = ChatModels(
        settings.answering.models,
        default=settings.answering.model,
        load=partial(load_chat_model, cache_dir=cache.absolute()),
    )

    def swept(digests: set[str]) -> None:
        files.remove(digests, unreferenced=catalogue.unreferenced)

    def close() -> None:
        models.close()
        parser.close()
        indexes.save_all()
        database.close()

    times = StageTimes()
    embedding = ChunkEmbedding(database, embedders, times=times, patience=settings.jobs.patience_seconds)
    ingestor = Ingestor(
        catalogue,
        files,
        indexes,
        parser=parser,
        splitter=splitter,
        embedding=embedding,
        page_logs=page_logs,
        times=times,
    )
    return Service(
        Parts(
            settings=settings,
            catalogue=catalogue,
            files=files,
            indexes=indexes,
            ingestor=ingestor,
            times=times,
            page_logs=page_logs,
            integrity=Integrity(database, files),
            retriever=Retriever(
                catalogue,
                indexes,
                embedders=embedders,
                default_threshold=lambda of: calibration(of).threshold,
                evidence=lambda of: calibration(of).sentences,
                answerability=answerability,
                reader=Lazy(reader),
                synonyms=synonyms,
                reranker=reranker,
                diversity=settings.retrieval.diversity,
            ),
            jobs=JobQueue(catalogue, files, max_waiting=settings.limits.waiting_jobs),
            embedder=embedders,
            models=models,
            prompts=PromptFiles(settings.answering.prompts),
            lifecycle=DocumentLifecycle(catalogue, embed=embedding.embed, embedders=embedders, swept=swept),
            chunks=ChunkEditor(catalogue, embed=embedding.embed, embedders=embedders),
            rebuilds=Rebuilder(catalogue, files, indexes, ingestor, embedders),
            splitting=SplitterTrials(catalogue, files, parse=parser.parse, make=make_splitter),
            exports=Exporter(catalogue, files, swept=swept),
            operations=Operations(database, folder, models_loaded=lambda: chosen.made),
            check_file=parser.check,
            renderer=parser.renderer,
            default_threshold=lambda: calibration(embedders().fingerprint).threshold,
            close=close,
        )
    )


def embedder_name(name: str) -> str:
    """The name by which an embedder is loaded again from another working folder too."""
    folder = Path(name).expanduser()
    return str(folder.resolve()) if folder.is_dir() else name


def calibrations(model_folder: Path) -> Calibrations:
    """The calibrations of embedders, which lie beside the models."""
    return Calibrations(model_folder / "calibrations")


def prepare_models(settings: Settings) -> None:
    """Make the models that the settings need, so that no start has to; what is there already stays."""
    cache = settings.models_folder
    load_embedder(settings.embedder.name, cache_dir=cache, device="cpu", threads=settings.embedder.threads)
    if settings.embedder.name in DEFAULT_EMBEDDERS and settings.retrieval.reading:
        load_answerability_reader(cache)
    if settings.ocr.enabled:
        recogniser(settings.ocr, cache.absolute()).load()


def make_splitter(settings: SplitterSettings) -> Splitter:
    """The splitter of the settings."""
    if settings.name == "recursive":
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        from loaders.langchain import LangChainSplitter

        return LangChainSplitter(
            RecursiveCharacterTextSplitter(
                chunk_size=settings.chunk_size,
                chunk_overlap=settings.overlap,
                separators=["\n\n", "\n", "。", "！", "？", "；", "，", " ", ""],
            )
        )
    return ChineseTextSplitter(chunk_size=settings.chunk_size, overlap=settings.overlap)
