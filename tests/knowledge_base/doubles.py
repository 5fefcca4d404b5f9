"""Stand-ins for the models, and a whole knowledge base on a folder, as the application wires it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from knowledge_base import searched_chunks
from knowledge_base.catalogue import Catalogue, KnowledgeBaseKey
from knowledge_base.chunk_editing import ChunkEditor
from knowledge_base.chunk_embedding import ChunkEmbedding
from knowledge_base.database import Database
from knowledge_base.embedders import Embedders
from knowledge_base.files import FileStore, StoredFile
from knowledge_base.indexes import IndexCache
from knowledge_base.ingestion import IngestedFile, Ingestor
from knowledge_base.job_queue import JobQueue
from knowledge_base.job_runner import JobRunner
from knowledge_base.lifecycle import DocumentLifecycle
from knowledge_base.page_log import PageLogs
from knowledge_base.rebuilding import Rebuilder
from knowledge_base.retrieval import Retriever
from knowledge_base.stage_times import StageTimes
from knowledge_base.types import Hit
from loaders.base import LoadOptions
from loaders.document import ParsedDocument
from loaders.errors import DamagedFileError
from loaders.isolation import ReadPages
from loaders.registry import parse_file
from loaders.splitter import ChineseTextSplitter
from models.embedder import Embedder
from models.errors import ModelNotFoundError, ModelUnavailableError
from tests.catalogues import lay_empty_catalogue
from vectorstore.calibration import Calibration
from vectorstore.hybrid import HybridIndex

MAX_BYTES = 1_000_000


class BigramEmbedder(Embedder):
    """Hashes pairs of characters into a unit vector: texts that share pairs are near each other."""

    def __init__(self, *, name: str = "bigrams", dimension: int = 64) -> None:
        self._name = name
        self._dimension = dimension
        self.embedded: list[str] = []
        """The documents' texts embedded so far."""
        self.available = True

    @property
    def fingerprint(self) -> str:
        return f"{self._name}/{self._dimension}"

    @property
    def dimension(self) -> int:
        return self._dimension

    def encode_documents(self, texts: Sequence[str]) -> np.ndarray:
        if not self.available:
            raise ModelUnavailableError("the embedder is down")
        self.embedded.extend(texts)
        return np.stack([self.encode_query(text) for text in texts])

    def encode_query(self, text: str) -> np.ndarray:
        vector = np.zeros(self._dimension, dtype=np.float32)
        for first, second in zip(" " + text, text + " ", strict=True):
            digest = hashlib.blake2b((self._name + first + second).encode("utf-8", "replace")).digest()
            vector[digest[0] % self._dimension] += 1.0
        return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


class InProcessParser:
    """The loaders without their processes. A file whose text holds "DAMAGED" cannot be read."""

    def __init__(self, *, fingerprint: str = "loaders-1") -> None:
        self.fingerprint = fingerprint
        self.before: Callable[[str], None] = lambda _name: None
        """Called with a file's name before it is read."""

    def parse(
        self,
        path: Path,
        *,
        name: str,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        kept: ReadPages | None = None,
    ) -> ParsedDocument:
        self.before(name)
        if path.exists() and b"DAMAGED" in path.read_bytes():
            raise DamagedFileError(f"{name} is damaged", name=name)
        options = LoadOptions(progress=progress, cancelled=cancelled)
        options.check_cancelled()
        return parse_file(path, name=name, options=options)


@dataclass
class Home:
    """Everything over one data folder. `close` and `open_home` again is what a restart is."""

    folder: Path
    database: Database
    catalogue: Catalogue
    files: FileStore
    indexes: IndexCache
    parser: InProcessParser
    embedder: BigramEmbedder
    ingestor: Ingestor
    retriever: Retriever
    queue: JobQueue
    lifecycle: DocumentLifecycle
    editor: ChunkEditor
    rebuilder: Rebuilder

    def close(self) -> None:
        self.database.close()

    def store(self, name: str, text: str | bytes) -> StoredFile:
        content = text if isinstance(text, bytes) else text.encode()
        return self.files.put(name, [content], max_bytes=MAX_BYTES)

    def add(self, knowledge_base: str, texts: Mapping[str, str | bytes]) -> list[IngestedFile]:
        """Store and ingest texts by file name."""
        stored = [self.store(name, text) for name, text in texts.items()]
        key = self.catalogue.ensure(knowledge_base)
        try:
            return self.ingestor.ingest(key, stored)
        finally:
            self.let_go(stored)

    def submit(self, knowledge_base: str, texts: Mapping[str, str | bytes]) -> str:
        """Store texts by file name and queue their ingestion; the job's id."""
        stored = [self.store(name, text) for name, text in texts.items()]
        try:
            return self.queue.submit(self.catalogue.ensure(knowledge_base).id, stored).id
        finally:
            self.let_go(stored)

    def let_go(self, stored: Iterable[StoredFile]) -> None:
        for file in stored:
            self.files.release(file.sha256)
            self.sweep({file.sha256})

    def sweep(self, digests: set[str]) -> None:
        self.files.remove(digests, unreferenced=self.catalogue.unreferenced)

    def delete(self, knowledge_base: str, document_id: str) -> None:
        key = self.key(knowledge_base)
        sha256 = self.catalogue.stored_sha256(key.id, document_id)
        self.catalogue.delete_document(key.id, document_id)
        self.sweep({sha256})

    def runner(self, *, at_once: int = 1) -> JobRunner:
        return JobRunner(
            self.catalogue,
            self.queue,
            self.ingestor,
            locks=self.folder / "runners",
            swept=self.sweep,
            at_once=at_once,
        )

    def key(self, knowledge_base: str) -> KnowledgeBaseKey:
        return self.catalogue.key(knowledge_base)

    def search(
        self,
        query: str,
        *knowledge_bases: str,
        top_k: int = 5,
        threshold: float = 0.0,
        document_ids: Sequence[str] | None = None,
    ) -> list[Hit]:
        return self.retriever.search(
            query, knowledge_bases, top_k=top_k, threshold=threshold, document_ids=document_ids
        ).hits

    def found(self, query: str, *knowledge_bases: str, top_k: int = 5) -> set[str]:
        """Names of the documents with a chunk that holds `query` word by word."""
        return {
            hit.document for hit in self.search(query, *knowledge_bases, top_k=top_k) if query in hit.text
        }

    def texts(self, knowledge_base: str) -> dict[str, list[str]]:
        """The chunks in the catalogue, by document name."""
        with self.database.read() as connection:
            return {
                info.name: [row.text for row in searched_chunks.document_chunks(connection, info.id)]
                for info in self.catalogue.documents(self.key(knowledge_base).id)
            }


def open_home(
    folder: Path,
    *,
    embedder: BigramEmbedder | None = None,
    parser: InProcessParser | None = None,
    former: Sequence[BigramEmbedder] = (),
) -> Home:
    """Open the data in `folder`. `former` embedders can be loaded by their fingerprints."""
    database = Database(lay_empty_catalogue(folder))
    catalogue = Catalogue(database)
    files = FileStore(folder / "files")
    calibration = Calibration.default()
    indexes = IndexCache(
        database,
        folder / "indexes",
        make=lambda dimension, _: HybridIndex(dimension, calibration=calibration),
        load=lambda path, _: HybridIndex.load(path, calibration=calibration),
    )
    parser = parser or InProcessParser()
    embedder = embedder or BigramEmbedder()

    def load(name: str) -> Embedder:
        for one in former:
            if one.fingerprint == name:
                return one
        raise ModelNotFoundError(f"there is no {name}", name=name)

    embedders = Embedders(database, lambda: embedder, name=embedder.fingerprint, load=load)
    times = StageTimes()
    embedding = ChunkEmbedding(database, embedders, times=times)
    ingestor = Ingestor(
        catalogue,
        files,
        indexes,
        parser=parser,
        splitter=ChineseTextSplitter(chunk_size=60, overlap=0),
        embedding=embedding,
        page_logs=PageLogs(folder / "pages"),
        times=times,
    )
    retriever = Retriever(catalogue, indexes, embedders=embedders)
    queue = JobQueue(catalogue, files, max_waiting=10)
    lifecycle = DocumentLifecycle(
        catalogue,
        embed=embedding.embed,
        embedders=embedders,
        swept=lambda digests: files.remove(digests, unreferenced=catalogue.unreferenced),
    )
    editor = ChunkEditor(catalogue, embed=embedding.embed, embedders=embedders)
    return Home(
        folder,
        database,
        catalogue,
        files,
        indexes,
        parser,
        embedder,
        ingestor,
        retriever,
        queue,
        lifecycle,
        editor,
        Rebuilder(catalogue, files, indexes, ingestor, embedders),
    )


def sections(*bodies: str) -> str:
    """A Markdown text with one section, and so one chunk, for each body."""
    return "\n\n".join(f"# 第{number}节\n\n{body}" for number, body in enumerate(bodies, 1))
