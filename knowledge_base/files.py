"""The files as they were given, each stored once under the SHA-256 of its bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from knowledge_base.errors import DataFolderError, storage_error
from knowledge_base.runner_lock import RunnerLock
from loaders.errors import LimitExceededError

_BLOCK = 1 << 20
_PINS = "pinned"
_HELD = "held"
_SWEEP_AGE_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the store. `name` is what the user called it, and no part of `path`."""

    name: str
    sha256: str
    size: int
    path: Path
    origin: str | None = None
    """The folder that a mirror found it in."""
    replaces: str | None = None
    """Id of the document whose bytes it is to replace, whatever that is called."""


class FileStore:
    """Keeps files in `folder`, out of reach of the names that users give.

    A file that was put is held, so that no clean-up takes it, until `release` says that the
    catalogue refers to it or that it is not wanted. Other processes see the hold too, by an empty
    file in `held`, for as long as this process lives.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._holds: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._life = RunnerLock(folder / _HELD)

    def put(self, name: str, blocks: Iterable[bytes], *, max_bytes: int) -> StoredFile:
        """Stream `blocks` to the disk; nothing remains when this raises.

        Raises `LimitExceededError` beyond `max_bytes` and `DataFolderError` when the disk is
        full or cannot be written to.
        """
        digest = hashlib.sha256()
        size = 0
        temporary: Path | None = None
        try:
            self._incoming.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._incoming, delete=False) as out:
                temporary = Path(out.name)
                for block in blocks:
                    size += len(block)
                    if size > max_bytes:
                        raise LimitExceededError(
                            f"{name} is larger than {max_bytes} bytes",
                            name=name,
                            limit="file_bytes",
                            maximum=max_bytes,
                        )
                    digest.update(block)
                    out.write(block)
                out.flush()
                os.fsync(out.fileno())
            path = self.path(digest.hexdigest())
            with self._alone():
                path.parent.mkdir(exist_ok=True)
                temporary.replace(path)
                self._hold(path.name)
        except OSError as error:
            raise storage_error(f"cannot store {name}", error, name=name) from error
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
        return StoredFile(name, digest.hexdigest(), size, path)

    def put_path(self, name: str, source: Path, *, max_bytes: int) -> StoredFile:
        """Copy the file at `source` into the store."""
        try:
            with source.open("rb") as stream:
                return self.put(name, iter(lambda: stream.read(_BLOCK), b""), max_bytes=max_bytes)
        except OSError as error:
            raise DataFolderError(
                f"cannot read {source}: {error.strerror}", name=name, reason=str(error.strerror)
            ) from error

    def path(self, sha256: str) -> Path:
        """Where the file with this digest stands, or would stand."""
        return self._folder / sha256[:2] / sha256

    @contextmanager
    def pinned(self, digests: Iterable[str]) -> Iterator[Path]:
        """A folder that has these files by their digests, and keeps them whatever is deleted meanwhile.

        Links are made, so that no other process takes a file away either. Files that are gone already
        are not in it. Raises `DataFolderError`.
        """
        pins = self._folder / _PINS
        try:
            pins.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(dir=pins))
        except OSError as error:
            raise storage_error(f"cannot write to {pins}", error) from error
        try:
            for digest in digests:
                try:
                    link_or_copy(self.path(digest), folder / digest)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    raise storage_error(f"cannot hold {digest}", error) from error
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def release(self, sha256: str) -> None:
        """End one hold on a file."""
        with self._lock:
            self._holds[sha256] -= 1
            if self._holds[sha256] <= 0:
                del self._holds[sha256]
                with suppress(OSError):
                    self._mark(sha256).unlink()
            if not self._holds:
                self._life.release()

    def remove(
        self,
        digests: Iterable[str],
        *,
        unreferenced: Callable[[set[str]], set[str]] = lambda digests: digests,
    ) -> None:
        """Delete files that nothing refers to any more, except those held.

        `unreferenced` picks those that the catalogue does not refer to. It is asked after the holds,
        while nothing can be put, so that a file given again in the meantime is seen either as held or
        as referred to.
        """
        with self._alone():
            for sha256 in unreferenced(set(digests) - self._held()):
                self.path(sha256).unlink(missing_ok=True)

    def sweep(self, referenced: set[str]) -> int:
        """Delete what a killed process left: half-written files and those not `referenced`.

        Files of the last day stay, because another process may be storing them now.
        """
        newest = time.time() - _SWEEP_AGE_SECONDS
        with self._alone():
            left = [path for path in self._folder.glob("??/*") if path.name not in referenced]
            old = [path for path in (*left, *self._incoming.glob("*")) if _older(path, newest)]
            for path in old:
                path.unlink(missing_ok=True)
        for folder in (self._folder / _PINS).glob("*"):
            if _older(folder, newest):
                shutil.rmtree(folder, ignore_errors=True)
        return len(old)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread or process puts or removes a file meanwhile."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._lock, FileLock(f"{self._folder}.lock"):
            yield

    def _hold(self, sha256: str) -> None:
        if not self._holds:
            self._life.acquire()
        if not self._holds[sha256]:
            self._mark(sha256).touch()
        self._holds[sha256] += 1

    def _mark(self, sha256: str) -> Path:
        """The sign of this process's holds on a file."""
        return self._folder / _HELD / f"{sha256}.{self._life.id}"

    def _held(self) -> set[str]:
        """Digests that a process holds; the signs of processes that are no more are cleared away."""
        marks = [path for path in (self._folder / _HELD).glob("*") if path.suffix != ".lock"]
        gone = {id for id in {path.suffix[1:] for path in marks} if self._life.gone(id)}
        for path in marks:
            if path.suffix[1:] in gone:
                path.unlink(missing_ok=True)
        return {path.stem for path in marks if path.suffix[1:] not in gone}


def _older(path: Path, moment: float) -> bool:
    """Whether a file was last written before `moment`; not when another process has just taken it away."""
    with suppress(FileNotFoundError):
        return path.stat().st_mtime < moment
    return False


def link_or_copy(source: Path, target: Path) -> None:
    """Have a file in another place too, without copying it where the file system can."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
