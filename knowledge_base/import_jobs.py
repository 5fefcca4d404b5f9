"""Imports as background jobs: the package is kept until it was taken in, also over a restart.

Such a job belongs to a knowledge base that no listing shows, which it fills and which then gets its
name. Interrupted, it begins anew; failed or cancelled, it leaves that knowledge base empty, and may be
tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import BinaryIO, Literal

from knowledge_base.catalogue import Catalogue
from knowledge_base.errors import DataFolderError, KnowledgeBaseExistsError, PackageError
from knowledge_base.files import FileStore
from knowledge_base.importing import Importer
from knowledge_base.ingestion import IngestedFile, Progress, failed
from knowledge_base.job_queue import JobQueue
from knowledge_base.job_runner import JobControl
from knowledge_base.types import JobInfo
from models.errors import ModelError

KIND = "import"
_BLOCK = 1 << 20


class ImportJobs:
    """Queues imports, and does them."""

    def __init__(
        self,
        catalogue: Catalogue,
        importer: Importer,
        files: FileStore,
        queue: JobQueue,
        *,
        swept: Callable[[set[str]], None],
        wake: Callable[[], None],
    ) -> None:
        """`swept` is told digests of files that may be needed no more, `wake` that there is a job."""
        self._catalogue = catalogue
        self._importer = importer
        self._files = files
        self._queue = queue
        self._swept = swept
        self._wake = wake

    def submit(self, file: BinaryIO, *, name: str | None = None, max_bytes: int) -> JobInfo:
        """Queue the import of a package; it is copied.

        Raises at once what shows at a look: `PackageError`, `PackageVersionError`,
        `KnowledgeBaseExistsError`, `InvalidNameError`; and `QueueFullError` or `DataFolderError`. What
        else is wrong is the problem of the job's file.
        """
        name = self._importer.name_of(file, name)
        file.seek(0)
        package = self._files.put(name, _blocks(file), max_bytes=max_bytes)
        try:
            with self._importer.reserved() as key:
                job = self._queue.submit(key.id, [package], kind=KIND)
        finally:
            self._files.release(package.sha256)
            self._swept({package.sha256})
        self._wake()
        return job

    def work(self, control: JobControl) -> None:
        """Take in a job's package. Raises `LoadingCancelledError` when asked to stop."""
        if not control.job.files:  # killed when all was done but the job's end
            return
        ((_, package),) = control.job.files

        def progress(stage: str, done: int, total: int) -> None:
            name: Literal["check", "import"] = "check" if stage == "check" else "import"
            control.progress(Progress(0, 1, package.name, name, done, total))

        try:
            taken = self._importer.fill(
                self._catalogue.key(control.job.knowledge_base),
                package.path,
                name=package.name,
                progress=progress,
                cancelled=control.cancelled,
            )
        except (PackageError, KnowledgeBaseExistsError, DataFolderError, ModelError) as error:
            control.finished(0, failed(package.name, error, retryable=not isinstance(error, PackageError)))
            return
        if taken is not None:
            counts = asdict(taken)
            del counts["name"]  # events tell no names
            self._queue.note(control.job.id, "imported", **counts)
        control.finished(0, IngestedFile(package.name, "ready", None, ()))


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(_BLOCK), b"")
