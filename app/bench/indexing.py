"""What an index costs: building it, its memory and files, and keeping it up to date."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from app.bench import rivals
from app.bench.collection import Collection, Source
from app.bench.measuring import Progress, Stopwatch, in_a_process, memory_mb, rounded
from vectorstore.hybrid import HybridIndex

CHANGED = 256
"""Chunks added and removed afterwards, about a long document."""


class _Store(Protocol):
    def add(self, ids: Any, texts: Any, vectors: np.ndarray) -> None: ...

    def remove(self, ids: Any) -> object: ...

    def save(self, folder: Path) -> None: ...


def measure_index(
    size: int, source: Source, *, rivals_up_to: int = 200_000, progress: Progress
) -> dict[str, Any]:
    """Build, change, save and load an index of `size` chunks, and LangChain's store of the same.

    Times are in seconds, memory and files in MB. LangChain's store holds vectors and texts alone,
    ours an inverted index of the terms besides.
    """
    ours = in_a_process(_measure_ours, size, source, progress=progress)
    if size <= rivals_up_to and not rivals.missing():
        theirs = in_a_process(_measure_langchain, size, source, progress=progress)
        ours |= {f"langchain_faiss_{name}": value for name, value in theirs.items()}
    return rounded({"size": size, **ours})


def _measure_ours(size: int, source: Source, *, progress: Progress) -> dict[str, Any]:
    before = memory_mb()
    index = HybridIndex(source.vectors.shape[1])
    built = _build(index, size, source, progress)
    with Stopwatch() as training:
        index.wait()
    held = memory_mb() - before
    result = {"build_s": built, "training_s": training.seconds, "memory_mb": held}
    with tempfile.TemporaryDirectory() as folder:
        result |= _change_and_save(index, size, source, Path(folder))
        del index
        progress(f"{size}: load")
        with Stopwatch() as loading:
            HybridIndex.load(Path(folder))
        result["load_s"] = loading.seconds
    return result


def _measure_langchain(size: int, source: Source, *, progress: Progress) -> dict[str, Any]:
    store = rivals.LangChainFaiss(source.vectors.shape[1])
    before = memory_mb()
    built = _build(store, size, source, progress)
    result = {"build_s": built, "memory_mb": memory_mb() - before}
    with tempfile.TemporaryDirectory() as folder:
        return result | _change_and_save(store, size, source, Path(folder))


def _build(store: _Store, size: int, source: Source, progress: Progress) -> float:
    watch = Stopwatch()
    for ids, texts, rows in Collection(source).batches(size):
        progress(f"{size}: build {ids.stop}/{size}")
        with watch:
            store.add(ids, texts, rows)
    return watch.seconds


def _change_and_save(store: _Store, size: int, source: Source, folder: Path) -> dict[str, float]:
    extra = Collection(source, seed=1)
    texts, rows = extra.texts(CHANGED), extra.vectors(CHANGED)
    ids = range(size, size + CHANGED)
    with Stopwatch() as adding:
        store.add(ids, texts, rows)
    with Stopwatch() as removing:
        store.remove(ids)
    with Stopwatch() as saving:
        store.save(folder)
    disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    return {
        f"add_{CHANGED}_s": adding.seconds,
        f"remove_{CHANGED}_s": removing.seconds,
        "save_s": saving.seconds,
        "disk_mb": disk,
    }
