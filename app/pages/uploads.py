"""The files that Gradio keeps while the browser sends them, and taking them into the service."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import RepeatedNameError, TooManyFilesError
from app.failures import KNOWN, Failure
from app.messages import Language
from knowledge_base.names import normalised, repeated

if TYPE_CHECKING:
    from app.service import Service
    from knowledge_base.files import StoredFile

_BLOCK = 1 << 20
_SWEEP_AGE_SECONDS = 3600


def take_in(
    service: Service, knowledge_base: str, paths: Sequence[Path], language: Language
) -> tuple[str | None, list[tuple[str, str]]]:
    """Store files and queue them; Gradio's copies are deleted whatever happens.

    Returns the job's id, None when nothing was taken in, and (name, reason) of what was not.
    """
    stored: list[StoredFile] = []
    rejected: list[tuple[str, str]] = []
    maximum = service.settings.limits.files_per_upload
    too_many = TooManyFilesError(f"one upload takes at most {maximum} files", maximum=maximum)
    names = repeated(path.name for path in paths)
    for number, path in enumerate(paths, start=1):
        try:
            if number > maximum:
                raise too_many
            if normalised(path.name) in names:
                raise RepeatedNameError(f"several files are called {path.name}", names=path.name)
            stored.append(service.store(path.name, _blocks(path)))
        except Exception as error:
            rejected.append((path.name, Failure.of(error, language).message))
        finally:
            shutil.rmtree(path.parent, ignore_errors=True)  # a folder of this file alone
            sweep(path.parent.parent)
    if not stored:
        return None, rejected
    try:
        return service.submit(knowledge_base, stored).id, rejected
    except KNOWN as error:
        reason = Failure.of(error, language).message
        return None, [*rejected, *((file.name, reason) for file in stored)]


def sweep(folder: Path) -> None:
    """Delete what broken-off uploads left; what is younger than an hour may still be coming in."""
    newest = time.time() - _SWEEP_AGE_SECONDS
    for path in folder.iterdir():
        try:
            if path.stat().st_mtime >= newest:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        except FileNotFoundError:  # another thread was faster
            continue


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            yield block
