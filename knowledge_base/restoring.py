"""Putting a backup in the place of a data folder that is empty: all of it, checked, or nothing."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from knowledge_base.backups import LOST, copy_others
from knowledge_base.database import HEAD, Database, known_versions
from knowledge_base.errors import PackageError, PackageVersionError, storage_error
from knowledge_base.files import FileStore
from knowledge_base.integrity import Integrity
from knowledge_base.package_files import Progress
from knowledge_base.whole_folders import made_whole
from loaders.errors import LoadingCancelledError

_BLOCK = 1 << 20
_CATALOGUE = "catalogue.db"


@dataclass(frozen=True, slots=True)
class Restored:
    """Where a backup was put, and how many files of documents it held."""

    folder: str
    files: int


def restore(
    backup: Path,
    target: Path,
    *,
    progress: Progress = lambda _stage, _done, _total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Restored:
    """Make the folder `target`, which is empty or not there, what `backup` holds.

    Every file is compared with its SHA-256, and the whole catalogue read; it is brought up to this
    version. Raises `FolderNotEmptyError`, `PackageError` for what is no backup or damaged,
    `PackageVersionError` for one of a newer version, `DiskFullError` or `DataFolderError`, and
    `LoadingCancelledError`; nothing is left at `target` then.
    """
    if not (backup / _CATALOGUE).is_file():
        raise PackageError(f"{backup} is no backup", finding="backup_missing", name=str(backup))
    try:
        with made_whole(target) as partial:
            # With what a process that had opened the backup has not moved into the catalogue yet.
            for path in backup.glob(f"{_CATALOGUE}*"):
                if path.name in {_CATALOGUE, f"{_CATALOGUE}-wal"}:
                    shutil.copyfile(path, partial / path.name)
            _check_version(partial / _CATALOGUE)
            source, copies = FileStore(backup / "files"), FileStore(partial / "files")
            digests = sorted(path.name for path in (backup / "files").glob("??/*"))
            for done, digest in enumerate(digests, 1):
                if cancelled():
                    raise LoadingCancelledError("cancelled while restoring")
                _copy_file(source.path(digest), copies.path(digest), digest)
                progress("files", done, len(digests))
            copy_others(backup, partial)
            _check(partial, lost=_lost(backup))
    except OSError as error:
        raise storage_error(f"cannot restore to {target}", error) from error
    return Restored(str(target), len(digests))


def _check_version(catalogue: Path) -> None:
    try:
        with closing(sqlite3.connect(catalogue)) as connection:
            (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except (sqlite3.DatabaseError, TypeError) as error:
        raise _damaged(_CATALOGUE) from error
    if version not in known_versions():
        raise PackageVersionError(f"a backup of version {version}", version=version, known=HEAD)


def _copy_file(source: Path, target: Path, digest: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    found = hashlib.sha256()
    with source.open("rb") as stream, target.open("wb") as out:
        while block := stream.read(_BLOCK):
            found.update(block)
            out.write(block)
    if found.hexdigest() != digest:
        raise _damaged(f"files/{digest[:2]}/{digest}")


def _lost(backup: Path) -> set[str]:
    """Digests of the files that the backup says it lacks."""
    path = backup / LOST
    return set(path.read_text(encoding="utf-8", errors="replace").split()) if path.is_file() else set()


def _check(folder: Path, *, lost: set[str]) -> None:
    database = Database(folder / _CATALOGUE)
    try:
        for finding in Integrity(database, FileStore(folder / "files")).check():
            if finding.code == "file_missing" and Path(finding.file).name in lost:
                continue
            raise _damaged(finding.document or _CATALOGUE)
    finally:
        database.close()


def _damaged(member: str) -> PackageError:
    return PackageError(f"{member} is damaged", finding="backup_damaged", member=member)
