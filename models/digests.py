"""The digest of a model folder, remembered so that large files are read only once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

from models.artifacts import digest

_SUFFIXES = {".safetensors", ".json", ".txt", ".model", ".onnx", ".bin"}


def folder_digest(folder: Path, *, cache: Path | None = None) -> str:
    """SHA-256 over names and contents of the files that a model is made of, in hexadecimal.

    `cache` is a JSON file in which digests are kept with the size and time of each file.
    """
    known = _read(cache)
    total = hashlib.sha256()
    changed = False
    for path in sorted(p for p in folder.rglob("*") if p.suffix in _SUFFIXES and p.is_file()):
        found = path.stat()
        stamp = [found.st_size, found.st_mtime_ns]
        entry = known.get(str(path.resolve()))
        if entry is None or entry[:2] != stamp:
            entry = [*stamp, digest(path)]
            known[str(path.resolve())] = entry
            changed = True
        total.update(f"{path.relative_to(folder).as_posix()}\n{entry[2]}\n".encode())
    if cache is not None and changed:
        with contextlib.suppress(OSError):
            cache.parent.mkdir(parents=True, exist_ok=True)
            aside = cache.with_name(f"{cache.name}.{os.getpid()}")
            aside.write_text(json.dumps(known), "utf-8")
            aside.replace(cache)
    return total.hexdigest()


def _read(cache: Path | None) -> dict[str, list[int | str]]:
    if cache is None:
        return {}
    try:
        known = json.loads(cache.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
