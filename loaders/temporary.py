"""Temporary files of the loaders; a disk that takes none says nothing about the file that is read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loaders.errors import TemporaryFolderError


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A private folder that goes with what is in it. Raises `TemporaryFolderError`."""
    with storing():
        folder = tempfile.TemporaryDirectory(prefix="zhiwen-")
    with folder as name:
        yield Path(name)


@contextmanager
def storing() -> Iterator[None]:
    """Turn an `OSError` of writing (no room, a quota, too many open files) into `TemporaryFolderError`."""
    try:
        yield
    except OSError as error:
        raise TemporaryFolderError(
            f"A temporary file cannot be written: {error.strerror}.", reason=str(error.strerror)
        ) from error
