from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from knowledge_base.errors import DataFolderError
from knowledge_base.files import FileStore
from loaders.errors import LimitExceededError

CONTENT = "年假共有十五天。".encode()
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


def all_files(folder: Path) -> list[Path]:
    """The files with something in them; locks and the signs of holds are empty."""
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]


def test_a_file_stands_under_its_digest(store: FileStore, tmp_path: Path) -> None:
    stored = store.put("../../etc/名.md", [CONTENT[:5], b"", CONTENT[5:]], max_bytes=len(CONTENT))
    assert (stored.name, stored.sha256, stored.size) == ("../../etc/名.md", DIGEST, len(CONTENT))
    assert stored.path == store.path(DIGEST) == tmp_path / "files" / DIGEST[:2] / DIGEST
    assert stored.path.read_bytes() == CONTENT
    assert all_files(tmp_path) == [stored.path]


def test_the_same_bytes_are_stored_once(store: FileStore, tmp_path: Path) -> None:
    paths = {store.put(name, [CONTENT], max_bytes=1000).path for name in ("a", "b", "a")}
    assert all_files(tmp_path) == list(paths)


def test_put_path_copies(store: FileStore, tmp_path: Path) -> None:
    source = tmp_path / "source.md"
    source.write_bytes(CONTENT)
    stored = store.put_path("source.md", source, max_bytes=1000)
    assert stored.sha256 == DIGEST
    assert source.read_bytes() == CONTENT
    with pytest.raises(DataFolderError, match="missing"):
        store.put_path("missing", tmp_path / "missing", max_bytes=1000)


def test_beyond_the_limit_nothing_is_left(store: FileStore, tmp_path: Path) -> None:
    taken = []

    def endless() -> Iterator[bytes]:
        while True:
            taken.append(1)
            yield b"x" * 100

    with pytest.raises(LimitExceededError) as caught:
        store.put("big", endless(), max_bytes=1000)
    assert caught.value.details == {"name": "big", "limit": "file_bytes", "maximum": 1000}
    assert len(taken) == 11, "the rest is not even read"
    assert all_files(tmp_path) == []


@pytest.mark.parametrize("call", ["fsync", "write"])
def test_a_full_disk_is_named_and_nothing_is_left(
    call: str, store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("earlier", [b"earlier"], max_bytes=1000)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def blocks() -> Iterator[bytes]:
        yield CONTENT
        if call == "write":
            full()

    with monkeypatch.context() as patch:
        if call == "fsync":
            patch.setattr(os, "fsync", full)
        with pytest.raises(DataFolderError) as caught:
            store.put("a.md", blocks(), max_bytes=1000)
    assert caught.value.details == {"name": "a.md", "reason": os.strerror(errno.ENOSPC)}
    assert [path.read_bytes() for path in all_files(tmp_path)] == [b"earlier"]
    assert store.put("a.md", [CONTENT], max_bytes=1000).path.read_bytes() == CONTENT


def test_an_upload_that_breaks_off_leaves_nothing(store: FileStore, tmp_path: Path) -> None:
    def blocks() -> Iterator[bytes]:
        yield CONTENT
        raise ValueError("connection lost")

    with pytest.raises(ValueError, match="connection lost"):
        store.put("a.md", blocks(), max_bytes=1000)
    assert all_files(tmp_path) == []


def test_a_held_file_is_not_removed(store: FileStore) -> None:
    path = store.put("a", [CONTENT], max_bytes=1000).path
    store.put("b", [CONTENT], max_bytes=1000)
    for holds in (2, 1):
        store.remove([DIGEST])
        assert path.exists(), f"{holds} holds"
        store.release(DIGEST)
    store.remove([DIGEST])
    assert not path.exists()
    store.remove([DIGEST])  # what is gone may be removed again


def test_a_file_that_another_process_holds_is_not_removed(store: FileStore, tmp_path: Path) -> None:
    path = store.put("a", [CONTENT], max_bytes=1000).path
    other = FileStore(tmp_path / "files")
    other.remove([DIGEST])
    assert path.exists()
    store.release(DIGEST)
    other.remove([DIGEST])
    assert not path.exists()


def test_the_hold_of_a_killed_process_ends(store: FileStore, tmp_path: Path) -> None:
    other = FileStore(tmp_path / "files")
    path = other.put("a", [CONTENT], max_bytes=1000).path
    other._life.release()  # as the system does at the end of a process
    store.remove([DIGEST])
    assert not path.exists()
    assert list((tmp_path / "files" / "held").iterdir()) == []


def test_a_reference_made_in_the_meantime_keeps_the_file(store: FileStore) -> None:
    """Between the look into the catalogue and the deletion, the same bytes may be uploaded again."""
    path = store.put("a", [CONTENT], max_bytes=1000).path
    store.release(DIGEST)
    referenced: set[str] = set()

    def unreferenced(digests: set[str]) -> set[str]:
        return digests - referenced

    referenced.add(DIGEST)
    store.remove({DIGEST}, unreferenced=unreferenced)
    assert path.exists()
    referenced.clear()
    store.remove({DIGEST}, unreferenced=unreferenced)
    assert not path.exists()


def test_sweep_takes_what_a_killed_process_left(store: FileStore, tmp_path: Path) -> None:
    kept = store.put("kept", [b"kept"], max_bytes=100)
    left = store.put("left", [b"left"], max_bytes=100)
    fresh = store.put("fresh", [b"fresh"], max_bytes=100)
    half = tmp_path / "files" / "incoming" / "half-written"
    half.write_bytes(b"ha")
    half_fresh = tmp_path / "files" / "incoming" / "being-written"
    half_fresh.write_bytes(b"be")
    yesterday = time.time() - 25 * 3600
    for path in (kept.path, left.path, half):
        os.utime(path, (yesterday, yesterday))

    assert FileStore(tmp_path / "files").sweep({kept.sha256}) == 2
    assert set(all_files(tmp_path)) == {kept.path, fresh.path, half_fresh}


def test_sweep_passes_over_what_another_process_takes_away(store: FileStore, tmp_path: Path) -> None:
    (tmp_path / "files" / "incoming").mkdir(parents=True)
    (tmp_path / "files" / "incoming" / "listed").symlink_to("gone")
    assert store.sweep(set()) == 0


def test_sweep_of_a_new_folder(store: FileStore) -> None:
    assert store.sweep(set()) == 0
