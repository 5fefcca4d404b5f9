"""Room set aside so that something can still be deleted when the disk is full."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from knowledge_base.errors import DiskFullError

_Result = TypeVar("_Result")

RESERVED_BYTES = 8 << 20


class DiskReserve:
    """A file at `path` that is given up when a deletion needs its room: deleting writes a log first."""

    def __init__(self, path: Path, *, size: int = RESERVED_BYTES) -> None:
        self._path = path
        self._size = size

    def keep(self) -> None:
        """Set the room aside, where there is plenty."""
        with suppress(OSError):
            if not self._path.exists() and shutil.disk_usage(self._path.parent).free > 8 * self._size:
                self._path.write_bytes(bytes(self._size))

    def spend(self, act: Callable[[], _Result]) -> _Result:
        """Do it, with the room set aside when there is no other. Raises what `act` raises."""
        try:
            return act()
        except DiskFullError:
            try:
                self._path.unlink()
            except OSError:
                pass
            else:
                return act()
            raise
