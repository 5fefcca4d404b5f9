"""Folders for files that go with the process, in the system's temporary folder.

A process that is killed leaves them behind; the next one that needs such a folder clears them away. Whose
process is alive is told by a lock, which the system lets go with its process.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from vectorstore.errors import IndexFilesError

_PREFIX = "zhiwen-indexes-"
_guard = threading.Lock()
_own: tuple[int, Path, FileLock] | None = None
"""This process's id, the folder of its folders, and the lock that is held while it lives."""


def scratch_folder() -> Path:
    """A new folder; whoever takes it removes it when it is needed no more. Raises `IndexFilesError`."""
    global _own
    try:
        with _guard:
            # A copy of a process has folders of its own; others may clear the temporary folder.
            if _own is None or _own[0] != os.getpid() or not _own[1].is_dir():
                _own = (os.getpid(), *_begin(Path(tempfile.gettempdir())))
            return Path(tempfile.mkdtemp(dir=_own[1]))
    except OSError as error:
        raise IndexFilesError(f"no folder can be made for an index: {error}") from error


def _begin(among: Path) -> tuple[Path, FileLock]:
    for left in among.glob(f"{_PREFIX}*"):
        if left.is_dir():
            _clear(left)
    name = tempfile.mktemp(prefix=_PREFIX, dir=among)  # noqa: S306 - made below, once its lock is held
    lock = FileLock(f"{name}.lock", blocking=False)
    lock.acquire()
    folder = Path(name)
    folder.mkdir(mode=0o700)
    atexit.register(_end, os.getpid(), folder, lock)
    return folder, lock


def _end(process: int, folder: Path, lock: FileLock) -> None:
    if process == os.getpid():
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def _clear(folder: Path) -> None:
    """Remove the folder of a process that is no more."""
    with suppress(Timeout, OSError), FileLock(f"{folder}.lock", blocking=False):
        shutil.rmtree(folder, ignore_errors=True)
        Path(f"{folder}.lock").unlink(missing_ok=True)
