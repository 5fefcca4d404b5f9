"""Folders that are made whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from knowledge_base.errors import FolderNotEmptyError


@contextmanager
def made_whole(target: Path) -> Iterator[Path]:
    """A folder to be filled that becomes `target` at the end of the block, or goes when the block fails.

    After a kill it stays beside `target`, as `.partial-…`. Raises `FolderNotEmptyError` where there is
    something at `target`, and `OSError`.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FolderNotEmptyError(f"{target} is not empty", name=str(target))
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=target.absolute().parent, prefix=".partial-"))
    try:
        yield partial
        partial.chmod(0o755)
        if target.exists():
            target.rmdir()
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
