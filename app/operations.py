"""Whether the service can do its work now."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from knowledge_base.database import Database
from knowledge_base.errors import KnowledgeBaseError

_LEAST_FREE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Readiness:
    """What is needed for answers and uploads; all are true in a service that is ready."""

    models: bool
    """The embedder is loaded."""
    catalogue: bool
    """The catalogue can be written."""
    disk: bool
    """There is room for more."""

    @property
    def ready(self) -> bool:
        """Whether everything is there."""
        return self.models and self.catalogue and self.disk


@dataclass(frozen=True, slots=True)
class DiskUse:
    """Bytes of each part of the data folder, and what the disk has left."""

    parts: dict[str, int]
    free: int
    total: int


class Operations:
    """What those ask who run the service."""

    def __init__(self, database: Database, folder: Path, *, models_loaded: Callable[[], bool]) -> None:
        self._database = database
        self._folder = folder
        self._models_loaded = models_loaded

    def readiness(self) -> Readiness:
        """Look at each."""
        return Readiness(self._models_loaded(), self._writable(), self._has_room())

    def disk(self) -> DiskUse:
        """What lies in the data folder, the largest part first."""
        parts: Counter[str] = Counter()
        for folder, _, files in os.walk(self._folder):
            place = Path(folder).relative_to(self._folder)
            for name in files:
                with suppress(OSError):  # deleted meanwhile
                    part = place.parts[0] if place.parts else name.partition("-")[0]
                    parts[part] += (Path(folder) / name).lstat().st_size
        usage = shutil.disk_usage(self._folder)
        return DiskUse(dict(parts.most_common()), usage.free, usage.total)

    def _writable(self) -> bool:
        try:
            with self._database.write():
                return True
        except KnowledgeBaseError:
            return False

    def _has_room(self) -> bool:
        return shutil.disk_usage(self._folder).free >= _LEAST_FREE_BYTES
