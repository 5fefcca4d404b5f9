"""What the service is put together from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.answering.prompt_files import PromptFiles
from app.chat_models import ChatModels
from app.operations import Operations
from app.settings import Settings
from app.splitting import SplitterTrials
from knowledge_base.catalogue import Catalogue
from knowledge_base.chunk_editing import ChunkEditor
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
from loaders.isolated_rendering import IsolatedRenderer


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Made by `app.composition`, and by it alone."""

    settings: Settings
    catalogue: Catalogue
    files: FileStore
    indexes: IndexCache
    ingestor: Ingestor
    times: StageTimes
    page_logs: PageLogs
    integrity: Integrity
    retriever: Retriever
    jobs: JobQueue
    embedder: Embedders
    models: ChatModels
    prompts: PromptFiles
    lifecycle: DocumentLifecycle
    operations: Operations
    chunks: ChunkEditor
    rebuilds: Rebuilder
    exports: Exporter
    splitting: SplitterTrials
    check_file: Callable[[Path, str], None]
    """Raises a `LoaderError` for what shows at the start of a file."""
    renderer: IsolatedRenderer
    default_threshold: Callable[[], float]
    close: Callable[[], None]
