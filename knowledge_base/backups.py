"""Copying the whole data folder while it is used."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from knowledge_base.catalogue import Catalogue
from knowledge_base.errors import storage_error
from knowledge_base.file_references import names, referenced
from knowledge_base.files import FileStore
from knowledge_base.package_files import Progress
from knowledge_base.snapshots import copy_catalogue, snapshot
from knowledge_base.whole_folders import made_whole
from loaders.errors import LoadingCancelledError

LOST = "lost-files.txt"
"""Has the digests of files that were lost already when the backup was made, where there are any."""
_OTHERS = ("evaluations", "models/calibrations")
"""What else of the data folder cannot be made again."""


@dataclass(frozen=True, slots=True)
class Backup:
    """Where a backup stands, and how many files of documents it holds."""

    folder: str
    files: int
    missing: list[str] = field(default_factory=list)
    """Documents whose files were lost before, each after its knowledge base."""


class Backups:
    """Backs up the data folder: a backup is a data folder, too."""

    def __init__(self, catalogue: Catalogue, files: FileStore, folder: Path) -> None:
        self._database = catalogue.database
        self._files = files
        self._folder = folder

    def backup(
        self,
        target: Path,
        *,
        progress: Progress = lambda _stage, _done, _total: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Backup:
        """Copy what the data folder holds at this moment to the new folder `target`.

        Raises `FolderNotEmptyError`, `DiskFullError` or `DataFolderError`, and
        `LoadingCancelledError`; nothing is left at `target` then.
        """

        def told(stage: str, done: int, total: int) -> None:
            if cancelled():
                raise LoadingCancelledError("cancelled while backing up")
            progress(stage, done, total)

        try:
            with (
                made_whole(target) as partial,
                snapshot(self._database, self._files, referenced) as taken,
            ):
                copy_catalogue(
                    taken.connection,
                    partial / "catalogue.db",
                    progress=lambda done, total: told("catalogue", done, total),
                )
                digests = [path.name for path in taken.files.iterdir()]
                copies = FileStore(partial / "files")
                for done, digest in enumerate(digests, 1):
                    copy = copies.path(digest)
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(taken.files / digest, copy)
                    told("files", done, len(digests))
                copy_others(self._folder, partial)
                missing = names(taken.connection, taken.missing)
                if missing:
                    (partial / LOST).write_text("\n".join(sorted(taken.missing)), encoding="utf-8")
        except OSError as error:
            raise storage_error(f"cannot write {target}", error) from error
        return Backup(str(target), len(digests), missing)


def copy_others(source: Path, target: Path) -> None:
    """Copy what a data folder holds beside the catalogue and the files, and cannot make again."""
    for name in _OTHERS:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name)
