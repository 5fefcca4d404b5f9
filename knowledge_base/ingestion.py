"""From files to retrievable documents: parse, split, embed, commit, index."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from knowledge_base.batches import Batches
from knowledge_base.catalogue import Catalogue, KnowledgeBaseKey
from knowledge_base.chunk_embedding import ChunkEmbedding
from knowledge_base.document_rows import PreparedDocument
from knowledge_base.errors import DocumentExistsError, EmbedderChangedError
from knowledge_base.files import FileStore, StoredFile
from knowledge_base.indexes import IndexCache
from knowledge_base.page_log import PageLogs
from knowledge_base.stage_times import StageTimes
from knowledge_base.types import DocumentInfo
from loaders.document import Chunk, ParsedDocument, Problem, plain_details
from loaders.errors import LoaderError, LoadingCancelledError
from loaders.isolation import ReadPages
from loaders.splitter import Splitter
from models.errors import ModelError

logger = logging.getLogger(__name__)

COMMIT_CHUNKS = 256
"""Documents are committed together once they hold this many chunks."""

_Parsed = tuple[int, StoredFile, ParsedDocument, list[Chunk]]
"""A file's place among those given, the file, and what was read from it."""


class Parser(Protocol):
    """Reads a file into a `ParsedDocument`. Raises a `LoaderError`."""

    @property
    def fingerprint(self) -> str:
        """Names everything that changes what is read from the same bytes."""
        ...

    def parse(
        self,
        path: Path,
        *,
        name: str,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        kept: ReadPages | None = None,
    ) -> ParsedDocument:
        """Read the file at `path`, which the user called `name`.

        Pages in `kept` are not read again, and those read now are added to it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an ingestion stands: file `file` of `files`, and `done` of `total` in its stage."""

    file: int
    files: int
    name: str
    stage: Literal["parse", "embed", "commit", "rebuild", "check", "import"]
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class IngestedFile:
    """What became of one file."""

    name: str
    state: Literal["ready", "ready_with_problems", "failed", "unchanged"]
    document: DocumentInfo | None
    problems: tuple[Problem, ...]
    retryable: bool = False
    """True when the failure lay outside the file, so that trying again may succeed."""


class Ingestor:
    """Brings files into knowledge bases. Safe to be called from several threads at once."""

    def __init__(
        self,
        catalogue: Catalogue,
        files: FileStore,
        indexes: IndexCache,
        *,
        parser: Parser,
        splitter: Splitter,
        embedding: ChunkEmbedding,
        page_logs: PageLogs,
        times: StageTimes,
    ) -> None:
        self._catalogue = catalogue
        self._files = files
        self._indexes = indexes
        self._parser = parser
        self._splitter = splitter
        self.embedding = embedding
        self._page_logs = page_logs
        self._times = times
        self.pipeline = f"{parser.fingerprint};{splitter.fingerprint}"

    def ingest(
        self,
        key: KnowledgeBaseKey,
        files: Sequence[StoredFile],
        *,
        progress: Callable[[Progress], None] = lambda _: None,
        finished: Callable[[int, IngestedFile], None] = lambda _i, _f: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> list[IngestedFile]:
        """Ingest `files`; each one's failure stays its own.

        `finished` is told a file's position and outcome as soon as it is committed. Raises
        `LoadingCancelledError` when cancelled (what was committed until then stays), and
        `EmbedderChangedError` when the knowledge base's embedder cannot be loaded any more.
        """
        self.embedding.embedder_of(key)
        results: dict[int, IngestedFile] = {}

        def finish(position: int, result: IngestedFile) -> None:
            results[position] = result
            if result.document is not None:
                logger.info("document %s", result.state, extra={"document": result.document.id})
            self._forget_pages(files[position], result)
            finished(position, result)

        def store(batch: Sequence[_Parsed]) -> None:
            stored = self._commit(key, batch, len(files), progress, stopped)
            for (position, *_), result in zip(batch, stored, strict=True):
                finish(position, result)

        def stopped() -> bool:
            return batches.abandoned or cancelled()

        seen: set[tuple[str, str]] = set()
        with Batches(store, weight=lambda parsed: len(parsed[3]), limit=COMMIT_CHUNKS) as batches:
            for position, file in enumerate(files):
                same_bytes = any(parsed[1].sha256 == file.sha256 for parsed in batches.unfinished())
                if (file.sha256, file.name) in seen or same_bytes:
                    batches.finish()  # so that the same bytes twice in one batch are recognised too
                seen.add((file.sha256, file.name))
                waiting = {parsed[1].name for parsed in batches.unfinished()}
                try:
                    same = self._catalogue.recognise(key.id, file, self.pipeline)
                    if same is not None and not waiting.isdisjoint({same.name, *same.other_names}):
                        batches.finish()  # that document is about to be another
                        same = self._catalogue.recognise(key.id, file, self.pipeline)
                except DocumentExistsError as error:
                    finish(position, failed(file.name, error))
                    continue
                if same is not None:
                    finish(position, IngestedFile(file.name, "unchanged", same, same.problems))
                    continue

                def page_read(done: int, total: int, at: int = position, name: str = file.name) -> None:
                    progress(Progress(at, len(files), name, "parse", done, total))
                    batches.check()

                try:
                    with self._times.of("parse"):
                        document, chunks = self._read(file, page_read, cancelled)
                except LoadingCancelledError:
                    raise
                except LoaderError as error:
                    finish(position, failed(file.name, error, retryable=error.retryable))
                    continue
                batches.add((position, file, document, chunks))
            batches.finish()
        self.bring_up_to_date(key)
        return [results[position] for position in sorted(results)]

    def _read(
        self,
        file: StoredFile,
        progress: Callable[[int, int], None],
        cancelled: Callable[[], bool],
    ) -> tuple[ParsedDocument, list[Chunk]]:
        """The file's text and chunks; pages that an earlier try has read are not read again."""
        with self._page_logs.open(*self._page_log(file)) as kept:
            document = self._parser.parse(
                file.path, name=file.name, progress=progress, cancelled=cancelled, kept=kept
            )
        return document, self._splitter.split(document)

    def _forget_pages(self, file: StoredFile, result: IngestedFile) -> None:
        if not result.retryable:
            self._page_logs.remove(*self._page_log(file))

    def _page_log(self, file: StoredFile) -> tuple[str, str]:
        """What the log of a file's pages goes by: the name's ending has a say in the format."""
        return file.sha256, f"{self._parser.fingerprint};{Path(file.name).suffix.lower()}"

    def read(self, file: StoredFile, *, cancelled: Callable[[], bool]) -> tuple[ParsedDocument, list[Chunk]]:
        """The file's text and chunks, read anew. Raises a `LoaderError`."""
        found = self._read(file, lambda _done, _total: None, cancelled)
        self._page_logs.remove(*self._page_log(file))
        return found

    def _commit(
        self,
        key: KnowledgeBaseKey,
        batch: Sequence[_Parsed],
        files: int,
        progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> Iterable[IngestedFile]:
        chunks = [chunk for *_, document_chunks in batch for chunk in document_chunks]
        at, name = batch[-1][0], batch[-1][1].name
        for _, file, _, document_chunks in batch:
            chunks.extend(self._catalogue.edited(key.id, file, document_chunks))
        replaced = self._catalogue.digests(key.id, [file for _, file, *_ in batch])

        def stored() -> list[DocumentInfo]:
            embedder = self.embedding.embedder_of(self._catalogue.present(key))
            vectors = self.embedding.embed(
                chunks,
                embedder=embedder,
                progress=lambda done: progress(Progress(at, files, name, "embed", done, len(chunks))),
                cancelled=cancelled,
            )
            progress(Progress(at, files, name, "commit", len(chunks), len(chunks)))
            prepared = [prepared_document(file, document, read, vectors) for _, file, document, read in batch]
            return self._catalogue.commit(
                key, prepared, pipeline=self.pipeline, embedder=embedder.fingerprint
            )

        try:
            try:
                infos = stored()
            except EmbedderChangedError:  # a rebuild ended while this was embedded
                infos = stored()
        except ModelError as error:
            return [failed(file.name, error, retryable=True) for _, file, *_ in batch]
        self.bring_up_to_date(key, save=False)
        self._files.remove(replaced, unreferenced=self._catalogue.unreferenced)
        return [
            IngestedFile(file.name, "ready_with_problems" if info.problems else "ready", info, info.problems)
            for (_, file, *_), info in zip(batch, infos, strict=True)
        ]

    def bring_up_to_date(self, key: KnowledgeBaseKey, *, save: bool = True) -> None:
        """Let the index take in what was committed."""
        current = self._catalogue.present(key)
        if not current.embedder:
            return
        with self._times.of("index"):
            self._indexes.index(current, dimension=self.embedding.embedder_of(current).dimension)
            if save:
                self._indexes.save(current)


def failed(name: str, error: Exception, *, retryable: bool = False) -> IngestedFile:
    """The outcome of a file that could not be ingested."""
    code = getattr(error, "code", "internal_error")
    logger.info("file failed: %s", code)
    details = getattr(error, "details", {})
    problem = Problem(code, str(error), details=plain_details(details))
    # Where no page gave text, the pages say why.
    return IngestedFile(name, "failed", None, (problem, *details.get("problems", ())), retryable)


def prepared_document(
    file: StoredFile, document: ParsedDocument, chunks: Sequence[Chunk], vectors: Mapping[bytes, np.ndarray]
) -> PreparedDocument:
    """What was made of a file, put together."""
    return PreparedDocument(
        file=file,
        format=document.format,
        pages=document.pages,
        problems=document.problems,
        chunks=chunks,
        vectors=vectors,
    )
