"""The files of an index: versions side by side, of which the manifest names the one that serves."""

from __future__ import annotations

import json
import shutil
import time
import uuid
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from vectorstore.errors import IndexFilesError

FORMAT = 3
"""Version of the files; files of another are rebuilt from the catalogue."""
MANIFEST = "index.json"
COMPLETE = "complete"
"""Empty file that marks a version that has served, and so may be removed by the next."""
ABANDONED_SECONDS = 3_600
CHECKSUM_BLOCK = 1 << 20


def remove_versions(folder: Path, *, keep: str) -> None:
    """Remove other versions, but for those that another process may just be writing."""
    for old in folder.iterdir():
        if not old.is_dir() or old.name == keep:
            continue
        with suppress(OSError):
            finished = (old / COMPLETE).exists()
            if finished or time.time() - old.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(old, ignore_errors=True)


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of each file of a version."""
    return {name: path.stat().st_size for name, path in _files(folder)}


def checksums(folder: Path) -> dict[str, int]:
    """CRC-32 of each file: against decay, not against forgery."""
    return {name: _checksum(path) for name, path in _files(folder)}


def _checksum(path: Path) -> int:
    value = 0
    try:
        with path.open("rb") as stream:
            while block := stream.read(CHECKSUM_BLOCK):
                value = zlib.crc32(block, value)
    except OSError as error:
        raise IndexFilesError(f"{path} cannot be read: {error.strerror}") from error
    return value


def _files(folder: Path) -> list[tuple[str, Path]]:
    return [
        (path.relative_to(folder).as_posix(), path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != COMPLETE and path.suffix != ".lock"
    ]


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest. Raises `IndexFilesError` when it is missing, damaged or of another version."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        sound = (
            manifest["format"] == FORMAT
            and isinstance(manifest["dimension"], int)
            and isinstance(manifest["count"], int)
            and isinstance(manifest["sizes"], dict)
            and isinstance(manifest["checksums"], dict)
            and uuid.UUID(hex=manifest["version"]).hex == manifest["version"]
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexFilesError(f"no index can be read from {path.parent}: {error}") from error
    if not sound:
        raise IndexFilesError(f"the index in {path.parent} is of another version")
    return dict(manifest)
