"""Whether the pages that a killed process had read are gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select

from app.service import Service
from knowledge_base.page_log import PageLog
from knowledge_base.tables import documents


class KeptPages:
    """How many pages the logs held when a process was killed, and how many were gone on with."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "pages"
        self.resumed = 0

    def counts(self) -> dict[str, int]:
        """Whole pages in each log."""
        found = {}
        for path in self._folder.glob("*"):
            if path.suffix != ".lock":
                with path.open("r+b") as stream:
                    found[path.name] = len(PageLog(stream).pages)
        return {name: count for name, count in found.items() if count}

    def watch(self, service: Service, before: dict[str, int]) -> dict[str, int]:
        """Those logs of `before` that a job is to go on with; they go when opened with all their pages."""
        logs = service._parts.page_logs
        wanted = service._parts.jobs.waiting_digests() - self._stored(service)
        opened = logs.open
        left = {name: count for name, count in before.items() if name.split("-")[0] in wanted}

        @contextmanager
        def open_log(sha256: str, fingerprint: str) -> Iterator[PageLog]:
            name = logs._path(sha256, fingerprint).name
            with opened(sha256, fingerprint) as log:
                if left.get(name) == len(log.pages):
                    del left[name]
                    self.resumed += 1
                yield log

        logs.open = open_log  # type: ignore[method-assign]
        return left

    def _stored(self, service: Service) -> set[str]:
        """Digests of files that are not read again, because the kill came between commit and note."""
        parts = service._parts
        statement = select(documents.c.sha256).where(documents.c.pipeline == parts.ingestor.pipeline)
        with parts.catalogue.database.read() as connection:
            return set(connection.execute(statement).scalars())
