"""The dense arm: nearest vectors by inner product, with FAISS.

Exact while that is fast; above `INVERTED_FROM` entries an inverted file nominates candidates, which
are scored exactly. It is trained on a copy in the background, and searches stay exact until it is
swapped in.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np

from vectorstore.errors import IndexFilesError, IndexInputError
from vectorstore.inverted import OVERSAMPLE, POINTS_PER_LIST, InvertedFile, lists_for
from vectorstore.locks import ReadWriteLock
from vectorstore.rows import Rows

logger = logging.getLogger(__name__)

INVERTED_FROM = 20_000
"""Entries up to which exact search, which misses nothing, takes at most 2 ms (docs/benchmarks.md)."""
GROWTH = 2
"""The inverted file is trained anew when the index has grown so many times."""
FEW = 5_000
"""Up to so many allowed ids are compared one by one, without the inverted file."""
BATCH = 16_384
TUNING_QUERIES = 128
TUNING_NOISE = 0.6
"""Length of what is added to the sum of two unit vectors."""


class DenseIndex:
    """Search over unit vectors of one dimension; a `DenseArm`."""

    def __init__(self, dimension: int, *, inverted_from: int = INVERTED_FROM) -> None:
        self.dimension = dimension
        self._inverted_from = inverted_from
        self._rows = Rows(dimension)
        self._inverted: InvertedFile | None = None
        self._lock = ReadWriteLock()
        self._training: threading.Thread | None = None
        self._changed: set[int] = set()
        self.trained = 0
        """How often an inverted file was trained and swapped in."""

    def __len__(self) -> int:
        return len(self._rows)

    def ids(self) -> set[int]:
        """All ids in the index."""
        with self._lock.read():
            return set(self._rows.ids.tolist())

    def add(self, ids: Sequence[int], vectors: np.ndarray) -> None:
        """Add or replace; `vectors` has shape (len(ids), dimension)."""
        rows = checked_rows(ids, vectors, self.dimension)
        with self._lock.write():
            if self._inverted is not None:
                self._inverted.remove(self._rows.present(ids))
                self._inverted.add(ids, rows)
            self._rows.put(ids, rows)
            self._note_changes(ids)

    def remove(self, ids: Iterable[int]) -> int:
        """Remove entries and return how many there were."""
        with self._lock.write():
            dropped = self._rows.drop(ids)
            if self._inverted is not None:
                self._inverted.remove(dropped)
            self._note_changes(dropped)
            return len(dropped)

    def search(
        self, vector: np.ndarray, k: int, allowed: Collection[int] | None = None
    ) -> list[tuple[int, float]]:
        """The `k` nearest entries with their cosines, nearest first, equals by id."""
        with self._lock.read():
            wanted = None if allowed is None else self._rows.present(allowed)
            count = min(k, len(self._rows) if wanted is None else len(wanted))
            if count <= 0:
                return []
            scores = self._nominated(vector, count, wanted)
            if len(scores) < count:
                scores = self._nearest(vector, count) if wanted is None else self._cosines(vector, wanted)
        return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:k]

    def cosines(self, vector: np.ndarray, ids: Iterable[int]) -> dict[int, float]:
        """The cosine of each of `ids` that is in the index."""
        with self._lock.read():
            return self._cosines(vector, self._rows.present(ids))

    def _cosines(self, vector: np.ndarray, present: Sequence[int]) -> dict[int, float]:
        if not present:
            return {}
        return dict(zip(present, (self._rows.take(present) @ vector).tolist(), strict=True))

    def _nominated(self, vector: np.ndarray, count: int, wanted: Sequence[int] | None) -> dict[int, float]:
        """What the inverted file finds; nothing where exact search is as fast."""
        among = len(self._rows) if wanted is None else len(wanted)
        if self._inverted is None or among <= OVERSAMPLE * count or (wanted is not None and among <= FEW):
            return {}
        return self._cosines(vector, self._inverted.candidates(vector, count, wanted))

    def _nearest(self, vector: np.ndarray, count: int) -> dict[int, float]:
        import faiss

        scores, places = faiss.knn(
            vector[None, :], self._rows.matrix, count, metric=faiss.METRIC_INNER_PRODUCT
        )
        return dict(zip(self._rows.ids[places[0]].tolist(), scores[0].tolist(), strict=True))

    def _note_changes(self, ids: Iterable[int]) -> None:
        if self._training is not None:
            self._changed.update(ids)
            return
        trained_for = self._inverted.trained_for * GROWTH if self._inverted else self._inverted_from
        if len(self._rows) >= max(trained_for, 1):
            self._changed = set()
            self._training = threading.Thread(target=self._train, name="index-training", daemon=True)
            self._training.start()

    def wait(self) -> None:
        """Return when no training is under way."""
        training = self._training
        if training is not None:
            training.join()

    def _train(self) -> None:
        try:
            self._swap_in_trained()
        except Exception as error:  # of memory, mostly; searches stay exact until a change tries again
            logger.warning("an inverted file cannot be trained: %s", type(error).__name__)
        finally:
            with self._lock.write():
                self._training = None

    def _swap_in_trained(self) -> None:
        """Train, fill and tune an inverted file beside the serving index, then swap it in."""
        import faiss

        faiss.omp_set_num_threads(1)
        generator = np.random.default_rng(0)
        with self._lock.read():
            ids = self._rows.ids.copy()
            lists = lists_for(len(ids))
            size = min(len(ids), lists * POINTS_PER_LIST)
            sample = self._rows.matrix[np.sort(generator.choice(len(ids), size, replace=False))]
        inverted = InvertedFile(sample, lists)
        inverted.trained_for = len(ids)
        queries = _between(sample, generator)
        nearest = _Nearest(queries)
        for start in range(0, len(ids), BATCH):
            with self._lock.read():
                batch = self._rows.present(ids[start : start + BATCH].tolist())
                vectors = self._rows.take(batch)
            inverted.add(batch, vectors)
            nearest.update(np.array(batch, dtype=np.int64), vectors)
        inverted.tune(queries, nearest.ids)
        with self._lock.write():
            changed = list(self._changed)
            inverted.remove(changed)
            present = self._rows.present(changed)
            inverted.add(present, self._rows.take(present))
            self._inverted = inverted
            self.trained += 1

    def write(self, folder: Path) -> None:
        """Write the index's files into `folder`."""
        with self._lock.read():
            np.save(folder / "ids.npy", self._rows.ids)
            np.save(folder / "vectors.npy", self._rows.matrix)
            if self._inverted is not None:
                self._inverted.write(folder / f"inverted-{self._inverted.trained_for}.faiss")

    @classmethod
    def read(cls, folder: Path, dimension: int) -> DenseIndex:
        """Read what `write` wrote. Raises `IndexFilesError` when the files are damaged or another's."""
        try:
            ids = np.load(folder / "ids.npy", allow_pickle=False)
            vectors = np.load(folder / "vectors.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise IndexFilesError(f"the vectors in {folder} cannot be read: {error}") from error
        if vectors.shape != (len(ids), dimension) or vectors.dtype != np.float32:
            raise IndexFilesError(f"{folder} holds no vectors of {dimension} dimensions")
        index = cls(dimension)
        index._rows.put(ids.tolist(), vectors)
        for path in folder.glob("inverted-*.faiss"):
            index._inverted = InvertedFile.read(path, int(path.stem.split("-")[1]))
            if len(index._inverted) != len(index):
                raise IndexFilesError(f"{path} does not fit the vectors beside it")
        index._note_changes(())  # written, perhaps, before a training had come to its end
        return index


def _between(sample: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Unit vectors between two entries and off their plane: at least as hard to serve as questions.

    Entries themselves, or points that only lie among them, would promise too much: questions are
    worded otherwise than texts, and their vectors lie apart.
    """
    pairs = generator.integers(len(sample), size=(2, TUNING_QUERIES))
    noise = generator.normal(size=(TUNING_QUERIES, sample.shape[1])) * TUNING_NOISE / sample.shape[1] ** 0.5
    middles = sample[pairs[0]] + sample[pairs[1]] + noise
    lengths = np.linalg.norm(middles, axis=1, keepdims=True)
    return np.asarray(middles / np.maximum(lengths, 1e-6), dtype=np.float32)


class _Nearest:
    """The ten nearest of each query among vectors that come in batches."""

    def __init__(self, queries: np.ndarray) -> None:
        self._queries = queries
        self._scores = np.empty((len(queries), 0), dtype=np.float32)
        self.ids = np.empty((len(queries), 0), dtype=np.int64)

    def update(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        scores = np.hstack([self._scores, self._queries @ vectors.T])
        names = np.hstack([self.ids, np.broadcast_to(ids, (len(self._queries), len(ids)))])
        best = np.argsort(-scores, axis=1)[:, :10]
        self._scores = np.take_along_axis(scores, best, axis=1)
        self.ids = np.take_along_axis(names, best, axis=1)


def checked_rows(ids: Sequence[int], vectors: np.ndarray, dimension: int) -> np.ndarray:
    """`vectors` as FAISS takes them. Raises `IndexInputError` when they do not fit `ids`."""
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    if rows.shape != (len(ids), dimension):
        raise IndexInputError(
            f"{len(ids)} ids need vectors of shape ({len(ids)}, {dimension}), not {rows.shape}"
        )
    if not np.isfinite(rows).all():
        raise IndexInputError("a vector holds a value that is no number")
    return rows
