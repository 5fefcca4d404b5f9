"""The digest of a model folder, remembered so that large files are read only once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from models.artifacts import digest

_SUFFIXES = {".safetensors", ".json", ".txt", ".model", ".onnx", ".bin"}


def folder_digest(folder: Path, *, cache: Path | None = None) -> str:
    """SHA-256 over names and contents of the files that a model is made of, in hexadecimal.

    `cache` is a JSON file in which digests are kept with the size and time of each file.
    """
    files = sorted(p for p in folder.rglob("*") if p.suffix in _SUFFIXES and p.is_file())
    total = hashlib.sha256()
    for path, found in zip(files, _digests(files, cache), strict=True):
        total.update(f"{path.relative_to(folder).as_posix()}\n{found}\n".encode())
    return total.hexdigest()


def file_digest(path: Path, *, cache: Path | None = None) -> str:
    """SHA-256 of one file, remembered in `cache` like those of a folder."""
    return _digests([path], cache)[0]


def _digests(files: Sequence[Path], cache: Path | None) -> list[str]:
    known = _read(cache)
    digests = []
    changed = False
    for path in files:
        found = path.stat()
        stamp = [found.st_size, found.st_mtime_ns]
        entry = known.get(str(path.resolve()))
        if entry is None or entry[:2] != stamp:
            entry = [*stamp, digest(path)]
            known[str(path.resolve())] = entry
            changed = True
        digests.append(str(entry[2]))
    if cache is not None and changed:
        with contextlib.suppress(OSError):
            cache.parent.mkdir(parents=True, exist_ok=True)
            aside = cache.with_name(f"{cache.name}.{os.getpid()}")
            aside.write_text(json.dumps(known), "utf-8")
            aside.replace(cache)
    return digests


def _read(cache: Path | None) -> dict[str, list[int | str]]:
    if cache is None:
        return {}
    try:
        known = json.loads(cache.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
