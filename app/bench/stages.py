"""Large collections built in stages: an index that is kept grows on where the run before ended."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from app.bench.collection import BATCH, Collection, Nearest, Source
from app.bench.measuring import Progress
from vectorstore.errors import IndexFilesError
from vectorstore.hybrid import HybridIndex

STAGE = 10 * BATCH
"""Chunks after which the index is written: what an interrupted run loses at most."""
NEAREST = "nearest.npz"


def grown(
    size: int, source: Source, k: int, *, folder: Path, stage: int = STAGE, progress: Progress
) -> tuple[HybridIndex, Nearest]:
    """An index of `size` chunks and the `k` exact nearest of each question, kept in `folder`.

    What an earlier run has kept of the same source is the beginning, unless it is larger than `size`:
    then it stays as it is, and nothing is kept. `stage` is a multiple of the collection's `BATCH`.
    """
    kept = folder / _digest(source, k)
    index, exact = HybridIndex(source.vectors.shape[1]), Nearest(source.question_vectors, k)
    count = _count(kept)
    if 0 < count <= size:
        index, exact = _read(kept, Nearest(source.question_vectors, k)) or (index, exact)
    for ids, texts, rows in Collection(source).batches(size, start=len(index)):
        progress(f"{size}: build {ids.stop}/{size}")
        index.add(ids, texts, rows)
        exact.update(ids, rows)
        if count <= size and ids.stop % stage == 0:
            _write(kept, index, exact)
    progress(f"{size}: train")
    index.wait()
    if count <= size and size % BATCH == 0:  # a batch cut short would not go on as it would have been
        _write(kept, index, exact)
    return index, exact


def _digest(source: Source, k: int) -> str:
    parts = (source.vectors.tobytes(), source.question_vectors.tobytes(), "\0".join(source.passages).encode())
    return hashlib.sha256(b"\0".join([*parts, str(k).encode()])).hexdigest()[:16]


def _count(folder: Path) -> int:
    try:
        with np.load(folder / NEAREST) as arrays:
            return int(arrays["count"])
    except (OSError, ValueError, KeyError):
        return 0


def _read(folder: Path, exact: Nearest) -> tuple[HybridIndex, Nearest] | None:
    try:
        index = HybridIndex.load(folder / "index")
        with np.load(folder / NEAREST) as arrays:
            count, exact.ids, exact.scores = int(arrays["count"]), arrays["ids"], arrays["scores"]
    except (IndexFilesError, OSError, ValueError, KeyError):
        return None
    # A run that ended between the two files has left an index that is a stage ahead.
    return (index, exact) if count == len(index) else None


def _write(folder: Path, index: HybridIndex, exact: Nearest) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    index.save(folder / "index")
    part = folder / "nearest.part.npz"
    np.savez(part, count=len(index), ids=exact.ids, scores=exact.scores)
    part.replace(folder / NEAREST)
