"""The files that Gradio keeps while the browser sends them, and taking them into the service."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import RepeatedNameError, TooManyFilesError
from app.failures import KNOWN, Failure
from app.messages import Language
from knowledge_base.names import normalised, repeated

if TYPE_CHECKING:
    from app.service import Service
    from knowledge_base.files import StoredFile

_BLOCK = 1 << 20
_SWEEP_AGE_SECONDS = 3600
_DIGEST = re.compile(r"[0-9a-f]{64}")


def upload_folder(data_dir: Path) -> Path:
    """Where Gradio keeps what browsers send, each file in a folder named by its digest."""
    return data_dir.resolve() / "tmp"


def named_files(sent: Any) -> Iterator[dict[str, Any]]:
    """What the inputs of a request name as files, however deep, by whatever path."""
    if isinstance(sent, dict):
        if "path" in sent:
            yield sent
        sent = list(sent.values())
    if isinstance(sent, list):
        for part in sent:
            yield from named_files(part)


def is_upload(named: dict[str, Any], folder: Path) -> bool:
    """Whether this names a file that a browser has sent to `folder`, and nothing else."""
    if not isinstance(named["path"], str) or named.get("is_stream"):
        return False
    try:
        path = Path(named["path"]).resolve()
        return path.parent.parent == folder and bool(_DIGEST.fullmatch(path.parent.name)) and path.is_file()
    except (OSError, ValueError, RuntimeError):  # no path at all
        return False


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
    for folder in {path.parent for path in paths}:  # files of equal bytes share one
        shutil.rmtree(folder, ignore_errors=True)
    sweep(upload_folder(service.settings.data_dir))
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
