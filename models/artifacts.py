"""Folders of files that are made once on this machine: built aside, moved into place, verified.

A folder appears complete or not at all, whatever is killed and whoever else builds it. Its manifest
names each file with size, modification time and SHA-256: at each start sizes and times are looked
at, and where a time differs the content decides. What does not hold is built again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)

MANIFEST = "manifest.json"


def ensure_folder(folder: Path, *, version: str, build: Callable[[Path], None]) -> Path:
    """Return `folder` holding what `build` makes, and make it when it is missing or does not hold.

    `build` fills an empty folder that it is given; `version` names everything that its result
    depends on. Processes that want the same folder wait for the first of them.
    """
    if holds(folder, version=version):
        return folder
    from filelock import FileLock

    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{folder.name}.lock"):
        if holds(folder, version=version):
            return folder
        for left_over in folder.parent.glob(f".{folder.name}-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            made = scratch / "new"
            made.mkdir()
            build(made)
            _write_manifest(made, version)
            if folder.exists():
                folder.rename(scratch / "old")
            made.rename(folder)
            _sync(folder.parent)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return folder


def holds(folder: Path, *, version: str) -> bool:
    """Whether the folder is of this version and each of its files is as it was made."""
    manifest = read_manifest(folder)
    if manifest.get("version") != version:
        return False
    changed = False
    for name, expected in manifest["files"].items():
        path = folder / name
        try:
            found = path.stat()
        except OSError:
            return False
        if found.st_size != expected["size"]:
            return False
        if found.st_mtime_ns != expected["mtime_ns"]:
            if digest(path) != expected["sha256"]:
                _log.warning("%s has changed since it was made; making it again", path)
                return False
            expected["mtime_ns"] = found.st_mtime_ns
            changed = True
    if changed:
        with contextlib.suppress(OSError):
            _replace(folder / MANIFEST, json.dumps(manifest, indent=1))
    return True


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, or an empty dictionary where there is none that can be read."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) and isinstance(manifest.get("files"), dict) else {}


def digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def _write_manifest(folder: Path, version: str) -> None:
    files = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        _sync(path)
        found = path.stat()
        files[path.relative_to(folder).as_posix()] = {
            "size": found.st_size,
            "mtime_ns": found.st_mtime_ns,
            "sha256": digest(path),
        }
    _replace(folder / MANIFEST, json.dumps({"version": version, "files": files}, indent=1))


def _replace(path: Path, text: str) -> None:
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    aside.write_text(text, "utf-8")
    _sync(aside)
    aside.replace(path)


def _sync(path: Path) -> None:
    """Have the file or folder reach the disk, where the system can do that."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
