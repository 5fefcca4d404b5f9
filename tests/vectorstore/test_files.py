from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vectorstore.conftest import DIMENSION, EarlyInverted, Vectors
from vectorstore.errors import IndexFilesError
from vectorstore.hybrid import HybridIndex
from vectorstore.index_files import MANIFEST

ROOT = Path(__file__).parents[2]


@pytest.fixture
def saved(tmp_path: Path, vectors: Vectors) -> Path:
    index = HybridIndex(DIMENSION, engine=EarlyInverted)
    index.add(range(64), [f"第{i}条" for i in range(64)], vectors(64))
    index.wait()
    index.save(tmp_path)
    return tmp_path


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(IndexFilesError):
        HybridIndex.load(tmp_path / "none")


def test_any_file_cut_in_half(saved: Path) -> None:
    files = [
        path
        for path in saved.rglob("*")
        if path.is_file() and path.stat().st_size and "lock" not in path.name
    ]
    assert len(files) > 8
    for path in files:
        whole = path.read_bytes()
        path.unlink()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(IndexFilesError):
            HybridIndex.load(saved)
        path.write_bytes(whole)
    assert len(HybridIndex.load(saved)) == 64


def test_any_file_missing(saved: Path) -> None:
    for path in [path for path in saved.rglob("*") if path.is_file() and path.stat().st_size]:
        whole = path.read_bytes()
        path.unlink()
        with pytest.raises(IndexFilesError):
            HybridIndex.load(saved)
        path.write_bytes(whole)


def test_foreign_content_of_the_same_size(saved: Path) -> None:
    for pattern in ("ids.npy", "vectors.npy", "inverted-*.faiss", "meta.json"):
        (path,) = saved.rglob(pattern)
        whole = path.read_bytes()
        path.unlink()
        path.write_bytes(b"x" * len(whole))
        with pytest.raises(IndexFilesError):
            HybridIndex.load(saved)
        path.write_bytes(whole)


@pytest.mark.parametrize(
    "change", [{"format": 0}, {"version": "../../etc"}, {"dimension": 8}, {"count": 3}, {"sizes": None}]
)
def test_manifest_of_another(saved: Path, change: dict[str, object]) -> None:
    manifest = saved / MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **change}))
    with pytest.raises(IndexFilesError):
        HybridIndex.load(saved)


def test_saving_keeps_one_version_and_the_files_of_others(saved: Path) -> None:
    (saved / "state.json").write_text("{}")
    index = HybridIndex.load(saved)
    index.remove([1])
    index.save(saved)
    assert sorted(path.name for path in saved.iterdir() if path.is_file()) == [MANIFEST, "state.json"]
    assert len([path for path in saved.iterdir() if path.is_dir()]) == 1
    assert len(HybridIndex.load(saved)) == 63


def test_a_failed_save_leaves_the_old_files(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = HybridIndex.load(saved)
    index.remove([1])

    def fail(_: Path) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(index._dense, "write", fail)
    with pytest.raises(OSError, match="no space left"):
        index.save(saved)
    assert len(HybridIndex.load(saved)) == 64
    assert len([path for path in saved.iterdir() if path.is_dir()]) == 1


def test_files_cut_short_do_not_end_the_process_that_serves(saved: Path) -> None:
    """What is mapped into memory is the process's own: both after loading and after saving."""
    code = """
import sys
from pathlib import Path
import numpy as np
from vectorstore.hybrid import HybridIndex
folder = Path(sys.argv[1])
index = HybridIndex.load(folder)
index.save(folder)
for path in folder.rglob("*"):
    if path.is_file():
        path.open("r+b").truncate(0)
ids = list(index.ids())
index.keyword.texts(ids)
index.search("合同 7", np.eye(1, index.dimension, dtype=np.float32)[0], k=5)
print(len(ids))
"""
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code, str(saved)], cwd=ROOT, capture_output=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, b"64\n"), ended.stderr
