"""Pages already read of files that are not stored yet, so that a kill does not cost them.

Each file's pages lie in a log of their own, one JSON line with a checksum for each, named after the
file's digest and the parser's fingerprint. A line cut short by a kill ends the log there.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from loaders.document import Block, Box, Line, Page, Problem
from loaders.isolation import ReadPage

logger = logging.getLogger(__name__)

MAX_BYTES = 1 << 30
"""All logs together; pages beyond are read again after a kill."""
_SWEEP_AGE_SECONDS = 24 * 3600


class PageLog:
    """The pages of one file: those read before, and those that `append` adds."""

    def __init__(self, out: BinaryIO | None = None, *, room: int = 0) -> None:
        self.pages: list[ReadPage] = []
        self._out = out
        self._room = room
        if out is not None:
            self._read(out)

    def append(self, read: ReadPage) -> None:
        """Keep a page that follows the last one; one without a number cannot be gone on after."""
        if self._out is None or read.page.number is None:
            return
        line = _line(read)
        self._room -= len(line)
        try:
            if self._room < 0:
                raise OSError("no more room for pages")
            self._out.write(line)
            self._out.flush()
        except OSError as error:
            logger.warning("pages read are no longer kept: %s", error)
            self._out = None

    def _read(self, stream: BinaryIO) -> None:
        good = 0
        for line in stream:
            read = _parsed(line)
            if read is None:
                break
            self.pages.append(read)
            good += len(line)
        stream.seek(good)
        stream.truncate()


class PageLogs:
    """The logs in `folder`. A log belongs to one reader at a time, in whatever process."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    @contextmanager
    def open(self, sha256: str, fingerprint: str) -> Iterator[PageLog]:
        """The log of the file with this digest, as the parser of this fingerprint reads it.

        An empty log that keeps nothing while another process reads the same file, or where the
        folder cannot be written to: reading goes on without.
        """
        path = self._path(sha256, fingerprint)
        lock = FileLock(f"{path}.lock", blocking=False)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except (OSError, Timeout):
            yield PageLog()
            return
        try:
            with _opened(path) as out:
                yield PageLog(out, room=self._max_bytes - self.size())
        finally:
            lock.release()

    def remove(self, sha256: str, fingerprint: str) -> None:
        """Forget the pages of a file that is stored now, or cannot be read, unless somebody reads it."""
        path = self._path(sha256, fingerprint)
        with suppress(OSError, Timeout), FileLock(f"{path}.lock", blocking=False):
            path.unlink(missing_ok=True)
            Path(f"{path}.lock").unlink()

    def sweep(self, wanted: Callable[[], Collection[str]]) -> None:
        """Forget the pages of files that no job is going to read: their digests are not `wanted`.

        Those of the last day stay: a killed command line may be run again.
        """
        newest = time.time() - _SWEEP_AGE_SECONDS
        with suppress(OSError):
            old = [path for path in self._folder.glob("*") if path.stat().st_mtime < newest]
            kept = wanted() if old else ()  # mostly there is nothing to ask for
            for path in old:
                if path.name.split("-")[0] not in kept:
                    path.unlink(missing_ok=True)

    def size(self) -> int:
        """Bytes that all logs take."""
        total = 0
        with suppress(OSError):
            total = sum(path.stat().st_size for path in self._folder.glob("*"))
        return total

    def _path(self, sha256: str, fingerprint: str) -> Path:
        return self._folder / f"{sha256}-{hashlib.sha256(fingerprint.encode()).hexdigest()[:16]}"


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | None]:
    out: BinaryIO | None = None
    with suppress(OSError):
        out = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    try:
        yield out
        with suppress(OSError):
            if not path.stat().st_size:
                path.unlink()
    finally:
        if out is not None:
            with suppress(OSError):
                out.close()


def _line(read: ReadPage) -> bytes:
    body = json.dumps([read.total, read.format, asdict(read.page)], ensure_ascii=True).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _parsed(line: bytes) -> ReadPage | None:
    """The page on a line, None when the line is not whole."""
    try:
        body = line[9:-1]
        if line[-1:] != b"\n" or int(line[:8], 16) != zlib.crc32(body):
            return None
        total, kind, page = json.loads(body)
        return ReadPage(_page(page), total, kind)
    except (ValueError, TypeError, KeyError):
        return None


def _page(values: dict[str, Any]) -> Page:
    return Page(
        values["number"],
        tuple(_block(block) for block in values["blocks"]),
        tuple(Problem(**problem) for problem in values["problems"]),
        tuple(values["heading_path"]),
    )


def _block(values: dict[str, Any]) -> Block:
    lines = tuple(Line(line["start"], line["end"], Box(**line["box"])) for line in values["lines"])
    return Block(**{**values, "lines": lines})
