"""Which runners of jobs are alive: each holds a lock on a file, which the system lets go with its process.

So does each process that holds files in the store (`files.py`).

No clock is asked, and no process can mistake another's work for that of a dead one.
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

_ID = re.compile(r"[0-9a-f]{16}")


class RunnerLock:
    """This runner's sign of life, in `folder`, from `acquire` to `release`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.id = secrets.token_hex(8)
        self._lock = FileLock(self._path(self.id), blocking=False, thread_local=False)

    def acquire(self) -> None:
        """Begin to live, and clear away what killed runners left. Raises `OSError`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        for path in self._folder.glob("*.lock"):
            self.gone(path.stem)

    def release(self) -> None:
        """End."""
        self._lock.release()
        with suppress(OSError):
            self._path(self.id).unlink()

    def gone(self, runner: str) -> bool:
        """Whether the runner of this id is no more."""
        if runner == self.id:
            return False
        if not _ID.fullmatch(runner):
            return True
        path = self._path(runner)
        if not path.exists():
            return True
        try:
            with FileLock(path, blocking=False):
                path.unlink(missing_ok=True)
        except (Timeout, OSError):
            return False
        return True

    def _path(self, runner: str) -> Path:
        return self._folder / f"{runner}.lock"
