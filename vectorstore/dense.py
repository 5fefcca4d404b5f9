"""The dense arm: nearest vectors by inner product, with FAISS."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vectorstore.errors import IndexFilesError, IndexInputError
from vectorstore.locks import ReadWriteLock

FEW = 2_000
"""Up to so many allowed ids are compared one by one, without the index."""


class DenseIndex:
    """Exact search over unit vectors of one dimension."""

    def __init__(self, dimension: int) -> None:
        import faiss

        self.dimension = dimension
        self._index: Any = faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))
        self._ids: set[int] = set()
        self._lock = ReadWriteLock()

    def __len__(self) -> int:
        return len(self._ids)

    def ids(self) -> set[int]:
        """All ids in the index."""
        with self._lock.read():
            return set(self._ids)

    def add(self, ids: Sequence[int], vectors: np.ndarray) -> None:
        """Add or replace; `vectors` has shape (len(ids), dimension)."""
        rows = checked_rows(ids, vectors, self.dimension)
        with self._lock.write():
            self._drop(ids)
            self._index.add_with_ids(rows, np.asarray(ids, dtype=np.int64))
            self._ids.update(ids)

    def remove(self, ids: Iterable[int]) -> int:
        """Remove entries and return how many there were."""
        with self._lock.write():
            return self._drop(ids)

    def _drop(self, ids: Iterable[int]) -> int:
        present = self._ids.intersection(ids)
        if present:
            self._index.remove_ids(np.fromiter(present, dtype=np.int64, count=len(present)))
            self._ids -= present
        return len(present)

    def search(
        self, vector: np.ndarray, k: int, allowed: Collection[int] | None = None
    ) -> list[tuple[int, float]]:
        """The `k` nearest entries with their cosines, nearest first, equals by id."""
        import faiss

        with self._lock.read():
            if allowed is not None:
                wanted = self._ids.intersection(allowed)
                if len(wanted) <= FEW:
                    return _ranked(self._cosines(vector, sorted(wanted)))[:k]
                selector = faiss.IDSelectorBatch(np.fromiter(wanted, dtype=np.int64, count=len(wanted)))
                options = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]  # not in its stubs
            else:
                options = None
            count = min(k, len(self._ids))
            if count <= 0:
                return []
            scores, found = self._index.search(vector[None, :], count, params=options)
        return _ranked({int(i): float(s) for i, s in zip(found[0], scores[0], strict=True) if i >= 0})

    def cosines(self, vector: np.ndarray, ids: Iterable[int]) -> dict[int, float]:
        """The cosine of each of `ids` that is in the index."""
        with self._lock.read():
            return self._cosines(vector, [i for i in ids if i in self._ids])

    def _cosines(self, vector: np.ndarray, present: Sequence[int]) -> dict[int, float]:
        if not present:
            return {}
        rows = self._index.reconstruct_batch(np.asarray(present, dtype=np.int64))
        return dict(zip(present, (rows @ vector).tolist(), strict=True))

    def write(self, path: Path) -> None:
        """Write the index to one file."""
        import faiss

        with self._lock.read():
            faiss.write_index(self._index, str(path))

    @classmethod
    def read(cls, path: Path, dimension: int) -> DenseIndex:
        """Read what `write` wrote. Raises `IndexFilesError` when the file is damaged or another's."""
        import faiss

        try:
            stored: Any = faiss.read_index(str(path))
        except RuntimeError as error:
            raise IndexFilesError(f"the vectors in {path} cannot be read: {error}") from error
        if not isinstance(stored, faiss.IndexIDMap2) or stored.d != dimension:
            raise IndexFilesError(f"{path} is no index of {dimension} dimensions")
        index = cls(dimension)
        index._index = stored
        index._ids = set(faiss.vector_to_array(stored.id_map).tolist())
        return index


def checked_rows(ids: Sequence[int], vectors: np.ndarray, dimension: int) -> np.ndarray:
    """`vectors` as FAISS takes them. Raises `IndexInputError` when they do not fit `ids`."""
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    if rows.ndim != 2 or rows.shape != (len(ids), dimension):
        raise IndexInputError(
            f"{len(ids)} ids need vectors of shape ({len(ids)}, {dimension}), not {rows.shape}"
        )
    if not np.isfinite(rows).all():
        raise IndexInputError("a vector holds a value that is no number")
    return rows


def _ranked(scores: dict[int, float]) -> list[tuple[int, float]]:
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
