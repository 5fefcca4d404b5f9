"""The one object behind the command line, the HTTP interface and the pages."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple
from pathlib import Path

from app.answering.prompt_files import check_prompt
from app.conversation_files import ConversationFiles
from app.parts import Parts
from app.questions import Questions
from knowledge_base import chunk_changes, chunk_values, searched_chunks
from knowledge_base.api_keys import ApiKeys
from knowledge_base.backups import Backups
from knowledge_base.catalogue import KnowledgeBaseKey
from knowledge_base.disk_reserve import DiskReserve
from knowledge_base.document_listing import DocumentListing
from knowledge_base.errors import KnowledgeBaseError
from knowledge_base.files import StoredFile
from knowledge_base.import_jobs import KIND as IMPORT
from knowledge_base.import_jobs import ImportJobs
from knowledge_base.importing import Importer
from knowledge_base.indexes import IndexReport
from knowledge_base.ingestion import IngestedFile, Progress
from knowledge_base.job_runner import JobControl, JobRunner
from knowledge_base.names import document_name
from knowledge_base.sessions import SessionStore
from knowledge_base.types import DocumentInfo, JobEvent, JobInfo, KnowledgeBaseInfo
from knowledge_base.unreachable_sessions import UnreachableSessions
from loaders.document import Chunk
from loaders.errors import LoaderError

logger = logging.getLogger(__name__)

_PAGE_WIDTH = 1200
"""Pixels of a page's picture: readable on a large screen, small enough to send."""


class Service(Questions):
    """Everything that a user can do. Safe to be called from several threads at once."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.integrity = parts.integrity
        self._reserve = DiskReserve(parts.settings.data_dir / "reserve")
        self.conversation_files = ConversationFiles(parts.catalogue, delete=self.delete_knowledge_base)
        self.keys = ApiKeys(parts.catalogue)
        self.sessions = SessionStore(parts.catalogue.database, deleted=self.conversation_files.delete)
        self.unreachable_sessions = UnreachableSessions(
            parts.catalogue.database, swept=self.conversation_files.sweep
        )
        self.operations = parts.operations
        self.lifecycle = parts.lifecycle
        self.listing = DocumentListing(parts.catalogue)
        self.chunks = parts.chunks
        self.rebuilds = parts.rebuilds
        self.exports = parts.exports
        self.splitting = parts.splitting
        self.backups = Backups(parts.catalogue, parts.files, parts.settings.data_dir)
        self.imports = Importer(
            parts.catalogue,
            parts.files,
            parts.ingestor,
            locks=parts.settings.data_dir / "runners",
            delete=self.delete_knowledge_base,
            swept=self._remove_unreferenced,
            check_prompt=check_prompt,
        )
        self.import_jobs = ImportJobs(
            parts.catalogue,
            self.imports,
            parts.files,
            parts.jobs,
            swept=self._remove_unreferenced,
            wake=self._wake,
        )
        self._runner: JobRunner | None = None

    # -- life ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Clean up after a killed process and begin to work through the jobs."""
        self._reserve.keep()
        self.imports.clear_left()
        self.conversation_files.sweep()
        self._parts.files.sweep(self._parts.catalogue.referenced())
        self._runner = JobRunner(
            self._parts.catalogue,
            self._parts.jobs,
            self._parts.ingestor,
            locks=self.settings.data_dir / "runners",
            swept=self._tidy_up,
            at_once=self.settings.jobs.at_once,
            others={"rebuild": self._rebuild, "rollback": self._roll_back, IMPORT: self.import_jobs.work},
        )
        self._runner.start()
        threading.Thread(target=self._open_indexes, name="open-indexes", daemon=False).start()

    def warm_up(self) -> None:
        """Load what the first question needs, so that nobody waits for it."""
        self._parts.embedder()
        self._parts.retriever.make_reader()
        try:
            self._parts.embedder.remember()
        except KnowledgeBaseError as error:  # a folder that cannot be written to can be searched
            logger.warning("the embedder's name is not kept: %s", error.code)

    def close(self) -> None:
        """Stop the jobs between two pages and let go of everything."""
        if self._runner is not None:
            self._runner.stop()
        self._parts.close()

    # -- knowledge bases ------------------------------------------------------------------------

    def knowledge_bases(self) -> list[KnowledgeBaseInfo]:
        """All knowledge bases by name."""
        return self._parts.catalogue.knowledge_bases()

    def knowledge_base(self, name: str) -> KnowledgeBaseInfo:
        """One knowledge base."""
        return self._parts.catalogue.knowledge_base(name)

    def key(self, name: str) -> KnowledgeBaseKey:
        """How the inside names a knowledge base."""
        return self._parts.catalogue.key(name)

    def create_knowledge_base(self, name: str, description: str = "") -> KnowledgeBaseInfo:
        """Make an empty knowledge base."""
        return self.knowledge_base(self._parts.catalogue.create(name, description).name)

    def ensure_knowledge_base(self, name: str) -> None:
        """Make a knowledge base when it is missing."""
        self._parts.catalogue.ensure(name)

    def update_knowledge_base(
        self,
        name: str,
        *,
        new_name: str | None = None,
        description: str | None = None,
        prompt: str | None = None,
    ) -> KnowledgeBaseInfo:
        """Rename or describe a knowledge base, or give it a prompt of its own; an empty one takes that away.

        Raises `PromptError` for a prompt without its variables.
        """
        if prompt:
            check_prompt(prompt)
        return self.knowledge_base(
            self._parts.catalogue.update(name, new_name=new_name, description=description, prompt=prompt)
        )

    def delete_knowledge_base(self, name: str) -> None:
        """Delete a knowledge base with its documents, its index and the files that only it used."""
        key, digests = self._reserve.spend(lambda: self._parts.catalogue.delete(name))
        self._parts.indexes.drop(key.id)
        self._remove_unreferenced(digests)
        self._give_back_space()

    def rebuild_knowledge_base(
        self, name: str, *, progress: Callable[[Progress], None] = lambda _: None
    ) -> KnowledgeBaseInfo:
        """Parse, split and embed all documents again; the old state serves until that is done."""
        self.rebuilds.rebuild(self._parts.catalogue.key(name), progress=progress)
        return self.knowledge_base(name)

    def submit_rebuild(self, name: str, *, back: bool = False) -> JobInfo:
        """Queue a rebuild, or going `back` to what was before the last one."""
        kind = "rollback" if back else "rebuild"
        job = self._parts.jobs.submit(self._parts.catalogue.key(name).id, (), kind=kind)
        self._wake()
        return job

    def _rebuild(self, control: JobControl) -> None:
        key = self._parts.catalogue.key(control.job.knowledge_base)
        self.rebuilds.rebuild(key, progress=control.progress, cancelled=control.cancelled)

    def _roll_back(self, control: JobControl) -> None:
        self.rebuilds.rollback(self._parts.catalogue.key(control.job.knowledge_base))

    # -- documents --------------------------------------------------------------------------------

    def store(self, name: str, blocks: Iterable[bytes], *, check: bool = True) -> StoredFile:
        """Take in a file's bytes, to be given to `submit`, `ingest` or `discard`.

        With `check`, a file that cannot be read is refused at once, not only by its job. Raises
        a `LoaderError`, `InvalidNameError` or `DataFolderError`; nothing remains then.
        """
        name = document_name(name)
        maximum = self.settings.limits.file_bytes
        file = self._parts.files.put(name, blocks, max_bytes=maximum)
        try:
            if check:
                self._parts.check_file(file.path, name)
        except Exception:
            self.discard([file])
            raise
        return file

    def discard(self, files: Iterable[StoredFile]) -> None:
        """Let go of stored files; those that no document needs are deleted."""
        for file in files:
            self._parts.files.release(file.sha256)
            self._remove_unreferenced({file.sha256})

    def submit(self, knowledge_base: str, files: Sequence[StoredFile]) -> JobInfo:
        """Queue stored files for ingestion."""
        try:
            job = self._parts.jobs.submit(self._parts.catalogue.key(knowledge_base).id, files)
        finally:
            self.discard(files)
        self._wake()
        return job

    def ingest(
        self,
        knowledge_base: str,
        files: Sequence[StoredFile],
        *,
        progress: Callable[[Progress], None] = lambda _: None,
    ) -> list[IngestedFile]:
        """Ingest stored files now, in this thread."""
        key = self._parts.catalogue.key(knowledge_base)
        try:
            return self._parts.ingestor.ingest(key, files, progress=progress)
        finally:
            self.discard(files)

    def documents(self, knowledge_base: str) -> list[DocumentInfo]:
        """A knowledge base's documents by name."""
        return self._parts.catalogue.documents(self._parts.catalogue.key(knowledge_base).id)

    def document(self, knowledge_base: str, document_id: str) -> DocumentInfo:
        """One document."""
        return self._parts.catalogue.document(self._parts.catalogue.key(knowledge_base).id, document_id)

    def document_file(self, knowledge_base: str, document_id: str) -> Path:
        """Where the document's bytes stand."""
        key = self._parts.catalogue.key(knowledge_base)
        return self._parts.files.path(self._parts.catalogue.stored_sha256(key.id, document_id))

    def page_picture(self, knowledge_base: str, document_id: str, page: int) -> bytes:
        """A page as a PNG. Raises what `IsolatedRenderer.render_page` raises."""
        info = self.document(knowledge_base, document_id)
        path = self.document_file(knowledge_base, document_id)
        try:
            return self._parts.renderer.render_page(path, info.format, page, width=_PAGE_WIDTH)
        except LoaderError as error:
            error.details["name"] = info.name
            raise

    def document_chunks(self, knowledge_base: str, document_id: str) -> list[tuple[int, Chunk]]:
        """A document's chunks in order, with their ids."""
        self.document(knowledge_base, document_id)
        with self._parts.catalogue.database.read() as connection:
            rows = searched_chunks.document_chunks(connection, document_id)
            return [(row.id, chunk_values.to_chunk(row)) for row in rows]

    def delete_document(self, knowledge_base: str, document_id: str) -> None:
        """Delete a document; it is found no more as soon as this returns."""
        key = self._parts.catalogue.key(knowledge_base)
        sha256 = self._parts.catalogue.stored_sha256(key.id, document_id)
        self._reserve.spend(lambda: self._parts.catalogue.delete_document(key.id, document_id))
        self._remove_unreferenced({sha256})
        self._give_back_space()

    # -- jobs -------------------------------------------------------------------------------------

    def jobs(self, *, seen: Callable[[int], bool] = lambda _: True) -> list[JobInfo]:
        """The newest jobs first, of those knowledge bases whose ids are `seen`."""
        return self._parts.jobs.jobs(seen=seen)

    def job(self, job_id: str) -> JobInfo:
        """One job."""
        return self._parts.jobs.job(job_id)

    def job_events(self, job_id: str) -> list[JobEvent]:
        """What happened to a job, in order."""
        return self._parts.jobs.events(job_id)

    def cancel_job(self, job_id: str) -> JobInfo:
        """Ask a job to stop; the files it has committed stay."""
        return self._parts.jobs.cancel(job_id)

    def retry_job(self, job_id: str) -> JobInfo:
        """Try again what failed for reasons outside the files."""
        job = self._parts.jobs.retry(job_id)
        self._wake()
        return job

    def ingestion_seconds(self) -> dict[str, float]:
        """Time spent so far in each stage of ingestion: parse, embed, index."""
        return self._parts.times.seconds()

    def _open_indexes(self) -> None:
        """Bring all indexes up to date, so that no search has to, and tell in the log what was mended."""
        try:
            self._parts.indexes.sweep(self._parts.catalogue.keys)
            self._parts.indexes.open_all(self._parts.catalogue.keys())
        except Exception:
            logger.exception("indexes could not be opened")
            return
        report = self._parts.indexes.report
        logger.info("indexes: %d read, %d rebuilt, %d caught up", *astuple(report))

    def index_report(self) -> IndexReport:
        """What was done to the indexes since the start."""
        return self._parts.indexes.report

    def _wake(self) -> None:
        if self._runner is not None:
            self._runner.wake()

    def _tidy_up(self, digests: set[str]) -> None:
        """After a job: what it, and those forgotten with it, needed and nothing else does."""
        kept = self.settings.jobs
        with self._parts.catalogue.database.write() as connection:
            chunk_changes.trim(connection)
        self._remove_unreferenced(digests | self._parts.jobs.prune(keep=kept.keep, days=kept.keep_days))
        self._parts.page_logs.sweep(self._parts.jobs.waiting_digests)
        self._give_back_space()

    def _remove_unreferenced(self, digests: set[str]) -> None:
        self._parts.files.remove(digests, unreferenced=self._parts.catalogue.unreferenced)

    def _give_back_space(self) -> None:
        """After a deletion; where it fails, the space is filled again by what comes next."""
        try:
            freed = self._parts.catalogue.database.release_space()
        except KnowledgeBaseError as error:
            logger.warning("the space of what was deleted is not given back: %s", error.code)
        else:
            logger.debug("%d bytes given back", freed)
        self._reserve.keep()
