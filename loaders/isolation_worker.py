"""The process that parses: takes tasks from a pipe and sends pages back, one by one."""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loaders.base import FaqColumns, Limits, LoadOptions, RecognisedLine, TextRecogniser
from loaders.document import Page
from loaders.errors import DamagedFileError, LoaderError, OutOfMemoryError

if TYPE_CHECKING:
    import numpy as np

RecogniserFactory = Callable[[], TextRecogniser]


@dataclass(frozen=True, slots=True)
class Task:
    """A file to parse, from `first_page` on; with `one_page`, no more than that page."""

    path: str
    name: str
    limits: Limits
    first_page: int
    one_page: bool = False
    faq: FaqColumns = field(default_factory=FaqColumns)


@dataclass(frozen=True, slots=True)
class Pause:
    """To a worker: end the task after the next page that has a number; others wait for their turn."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """To a worker: draw a page of a file, see `loaders.rendering.render_page`."""

    path: str
    format: str
    page: int
    width: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """The picture of a page, or why there is none. `resident` is the worker's memory in bytes."""

    png: bytes
    error: LoaderError | None
    resident: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has started and waits for a task."""


@dataclass(frozen=True, slots=True)
class Alive:
    """A part of a page has been read; the time limit starts afresh."""


@dataclass(frozen=True, slots=True)
class PageMessage:
    """A page, the number of pages, and the format of the file."""

    page: Page
    total: int
    format: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a task; `error` is None where it succeeded. `resident` is the worker's memory in bytes.

    After a `Pause`, `more` says that the file has pages yet.
    """

    format: str
    error: LoaderError | None
    resident: int
    more: bool = False


class LazyRecogniser:
    """Builds the OCR engine when the first picture comes, and keeps it for all that follow."""

    def __init__(self, factory: RecogniserFactory) -> None:
        self._factory = factory
        self._lock = threading.Lock()
        self._engine: TextRecogniser | None = None

    def recognise(self, image: np.ndarray) -> Sequence[RecognisedLine]:
        """Find the lines of text in an RGB picture, see `TextRecogniser`."""
        with self._lock:
            if self._engine is None:
                self._engine = self._factory()
        return self._engine.recognise(image)


def work(channel: Connection, ocr_factory: RecogniserFactory | None, memory_bytes: int, folder: str) -> None:
    """Serve tasks until the pipe closes. The main function of a worker process.

    Temporary files, its own and those of the programs it starts, go to `folder`.
    """
    _prepare(memory_bytes, folder)
    ocr = LazyRecogniser(ocr_factory) if ocr_factory else None
    # The pipe ends with the parent, which may be at any time.
    with contextlib.suppress(EOFError, OSError):
        channel.send(Ready())
        while True:
            task = channel.recv()
            if isinstance(task, Task):
                channel.send(_serve(task, channel, ocr))
            elif isinstance(task, Drawing):
                channel.send(_draw(task))
            # else a pause that came after the last page
    shutil.rmtree(folder, ignore_errors=True)


def _prepare(memory_bytes: int, folder: str) -> None:
    # What a library prints must not mix with the output of the command line.
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setsid"):
        os.setsid()
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # Counts what is written, unlike RLIMIT_AS, which would count what libraries only reserve.
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    tempfile.tempdir = os.environ["TMPDIR"] = folder
    threading.Thread(target=_end_with_parent, args=(os.getppid(), folder), daemon=True).start()


def _end_with_parent(parent: int, folder: str) -> None:
    """A parent that was killed cannot stop its worker, nor clear away what that leaves."""
    while os.getppid() == parent:
        time.sleep(1)
    shutil.rmtree(folder, ignore_errors=True)
    if hasattr(os, "setsid"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _serve(task: Task, channel: Connection, ocr: TextRecogniser | None) -> Finished:
    from loaders.registry import find_loader, read_pages

    total = 0
    kind = ""

    def progress(_: int, pages: int) -> None:
        nonlocal total
        total = pages
        channel.send(Alive())

    options = LoadOptions(
        ocr=ocr, limits=task.limits, faq=task.faq, first_page=task.first_page, progress=progress
    )
    path = Path(task.path)
    try:
        loader = find_loader(path, task.name, limits=task.limits, faq=task.faq)
        kind = loader.format
        for page in read_pages(loader, path, name=task.name, options=options):
            channel.send(PageMessage(page, max(total, page.number or 1), kind))
            if task.one_page:
                break
            if loader.resumes and page.number is not None and _paused(channel):
                return Finished(kind, None, resident_bytes(), more=True)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        return Finished(kind, _told(error, task.name), resident_bytes())
    return Finished(kind, None, resident_bytes())


def _draw(drawing: Drawing) -> Drawn:
    from loaders.rendering import render_page

    try:
        png = render_page(Path(drawing.path), drawing.format, drawing.page, width=drawing.width)
    except Exception as error:
        return Drawn(b"", _told(error, ""), resident_bytes())
    return Drawn(png, None, resident_bytes())


def _told(error: Exception, name: str) -> LoaderError:
    """Any error as one that can be sent."""
    if isinstance(error, LoaderError):
        return _sendable(error)
    if isinstance(error, MemoryError):
        return OutOfMemoryError(f"“{name}” needs more memory than there is.", name=name)
    reason = f"{type(error).__name__}: {error}"[:300]
    return DamagedFileError(f"“{name}” cannot be read: {reason}", name=name)


def _paused(channel: Connection) -> bool:
    return channel.poll() and isinstance(channel.recv(), Pause)


def _sendable(error: LoaderError) -> LoaderError:
    """The error without what chains to it, and without details that cannot be sent."""
    details: dict[str, Any] = {}
    for key, value in error.details.items():
        try:
            pickle.dumps(value)
        except Exception:
            value = str(value)
        details[key] = value
    sent = type(error)(str(error))
    sent.details = details
    return sent


def resident_bytes() -> int:
    """This process's resident memory; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
