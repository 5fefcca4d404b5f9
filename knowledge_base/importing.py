"""Taking in an exported knowledge base: all of it, or nothing.

Everything is checked before anything is stored. Then it grows, batch by batch, as a knowledge base
that no listing shows; one short transaction at the end gives it its name. What a killed import has
left is deleted by the next import or start.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from knowledge_base.catalogue import Catalogue, KnowledgeBaseKey, note_change
from knowledge_base.clock import now
from knowledge_base.errors import (
    KnowledgeBaseError,
    KnowledgeBaseExistsError,
    KnowledgeBaseNotFoundError,
    PackageError,
    storage_error,
)
from knowledge_base.files import FileStore
from knowledge_base.import_filling import Filling
from knowledge_base.ingestion import Ingestor
from knowledge_base.names import knowledge_base_name
from knowledge_base.package_contents import KnowledgeBasePackage
from knowledge_base.package_files import Progress
from knowledge_base.runner_lock import RunnerLock
from knowledge_base.tables import IMPORT_OWNER, documents, jobs, knowledge_bases

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Import:
    """What was taken in. `renamed` has the new ids of documents whose own were taken, by those."""

    name: str
    documents: int
    chunks: int
    embedded: int
    """Chunks that were embedded, because the package's vectors are of another embedder."""
    renamed: dict[str, str]


class Importer:
    """Imports knowledge bases while others are used."""

    def __init__(
        self,
        catalogue: Catalogue,
        files: FileStore,
        ingestor: Ingestor,
        *,
        locks: Path,
        delete: Callable[[str], None],
        swept: Callable[[set[str]], None],
        check_prompt: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`locks` is the folder of signs of life.

        `delete` deletes a knowledge base by name, with its index and files; `swept` is told digests
        of files that may be needed no more; `check_prompt` raises what is wrong with a prompt.
        """
        self._catalogue = catalogue
        self._database = catalogue.database
        self._files = files
        self._ingestor = ingestor
        self._locks = locks
        self._delete = delete
        self._swept = swept
        self._check_prompt = check_prompt

    def import_package(
        self,
        file: Path | BinaryIO,
        *,
        name: str | None = None,
        progress: Progress = lambda _stage, _done, _total: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Import:
        """Take in the package `file` under its own name, or another one.

        Documents keep their ids where those are free. Nothing is read again, and nothing embedded
        when the vectors are of the embedder in use. Raises `PackageError`, `PackageVersionError`,
        `KnowledgeBaseExistsError`, `InvalidNameError`, `DiskFullError` or `DataFolderError`, a
        `ModelError`, and `LoadingCancelledError`; nothing remains then.
        """
        with closing(KnowledgeBasePackage(file)) as package:
            name = self._free_name(package, name)
            self._check(package, progress, cancelled)
            with self.reserved() as key:
                return self._take_in(key, package, name, progress, cancelled)

    def name_of(self, file: Path | BinaryIO, name: str | None = None) -> str:
        """The name that a package would be taken in under, after a look at what it claims to be.

        Raises `PackageError`, `PackageVersionError`, `KnowledgeBaseExistsError`, `InvalidNameError`.
        """
        with closing(KnowledgeBasePackage(file)) as package:
            return self._free_name(package, name)

    @contextmanager
    def reserved(self) -> Iterator[KnowledgeBaseKey]:
        """An empty knowledge base that no listing shows; when the block fails, it goes again.

        When the process is killed, it goes too, unless a job is to fill it.
        """
        with self._lock() as owner:
            self.clear_left(owner)
            name = f"import-{secrets.token_hex(16)}"
            with self._database.write() as connection:
                values = {"name": name, "created_at": now(), "session_id": IMPORT_OWNER + owner.id}
                connection.execute(insert(knowledge_bases).values(values))
            try:
                yield self._catalogue.key(name)
            except BaseException:
                self._discard(name)
                raise

    def fill(
        self,
        key: KnowledgeBaseKey,
        file: Path,
        *,
        name: str,
        progress: Progress,
        cancelled: Callable[[], bool],
    ) -> Import | None:
        """Take a package into a reserved knowledge base, which goes by `name` then.

        It is begun anew when a killed process has filled a part of it, and empty when this raises, as
        `import_package` does. None: it has its name already.
        """
        with self._database.read() as connection:
            reserved = select(knowledge_bases.c.session_id).where(knowledge_bases.c.id == key.id)
            if connection.execute(reserved).scalar() is None:
                return None
        self._empty(key)
        with closing(KnowledgeBasePackage(file)) as package:
            name = self._free_name(package, name)
            self._check(package, progress, cancelled)
            try:
                return self._take_in(key, package, name, progress, cancelled)
            except BaseException:
                self._empty(key)
                raise

    def clear_left(self, lock: RunnerLock | None = None) -> int:
        """Delete what imports that were killed, and of jobs forgotten, have left; how many there were."""
        lock = lock or RunnerLock(self._locks)
        left = select(knowledge_bases.c.name, knowledge_bases.c.session_id).where(
            knowledge_bases.c.session_id.startswith(IMPORT_OWNER),
            ~exists().where(jobs.c.knowledge_base_id == knowledge_bases.c.id),
        )
        with self._database.read() as connection:
            rows = connection.execute(left).all()
        dead = [name for name, owner in rows if lock.gone(owner.removeprefix(IMPORT_OWNER))]
        for name in dead:
            self._discard(name)
        return len(dead)

    @contextmanager
    def _lock(self) -> Iterator[RunnerLock]:
        lock = RunnerLock(self._locks)
        try:
            lock.acquire()
        except OSError as error:
            raise storage_error(f"cannot lock in {self._locks}", error) from error
        try:
            yield lock
        finally:
            lock.release()

    def _free_name(self, package: KnowledgeBasePackage, name: str | None) -> str:
        name = knowledge_base_name(package.manifest.name if name is None else name)
        try:
            self._catalogue.key(name)
        except KnowledgeBaseNotFoundError:
            return name
        raise KnowledgeBaseExistsError(f"knowledge base {name!r} is there already", name=name)

    def _check(
        self, package: KnowledgeBasePackage, progress: Progress, cancelled: Callable[[], bool]
    ) -> None:
        if prompt := package.manifest.settings.prompt:
            self._check_prompt(prompt)
        package.check(progress=progress, cancelled=cancelled)
        embedder = package.manifest.embedder
        if embedder is None or embedder.fingerprint != self._ingestor.embedding.fingerprint:
            return
        if embedder.dimension != self._ingestor.embedding.dimension:
            raise PackageError("vectors of another length", finding="package_vectors")

    def _take_in(
        self,
        key: KnowledgeBaseKey,
        package: KnowledgeBasePackage,
        name: str,
        progress: Progress,
        cancelled: Callable[[], bool],
    ) -> Import:
        filling = Filling(self._catalogue, self._files, self._ingestor, swept=self._swept)
        filled = filling.fill(key, package, progress=progress, cancelled=cancelled)
        self._publish(key, name)
        return Import(
            name=name,
            documents=package.manifest.documents,
            chunks=package.manifest.chunks,
            embedded=filled.embedded,
            renamed={old: new for old, new in filled.ids.items() if old != new},
        )

    def _empty(self, key: KnowledgeBaseKey) -> None:
        """Take out of a reserved knowledge base what is in it."""
        inside = documents.c.knowledge_base_id == key.id
        with self._database.write() as connection:
            digests = set(connection.execute(select(documents.c.sha256).where(inside)).scalars())
            connection.execute(delete(documents).where(inside))
            note_change(connection, key.id, embedder="")
        self._swept(digests)

    def _publish(self, key: KnowledgeBaseKey, name: str) -> None:
        try:
            with self._database.write() as connection:
                connection.execute(
                    update(knowledge_bases)
                    .where(knowledge_bases.c.id == key.id)
                    .values(name=name, session_id=None)
                )
        except IntegrityError as error:
            raise KnowledgeBaseExistsError(f"knowledge base {name!r} is there already", name=name) from error

    def _discard(self, name: str) -> None:
        try:
            self._delete(name)
        except KnowledgeBaseError as error:  # a full disk, perhaps; nobody sees it meanwhile
            logger.warning("what an import left is deleted later: %s", error.code)
