"""Vectors by id in one matrix, the truth that every dense search is scored against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

SMALLEST = 1_024


class Rows:
    """A growing float32 matrix. A removed row's place is taken by the last one. Not locked."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._matrix = np.empty((0, dimension), dtype=np.float32)
        self._ids = np.empty(0, dtype=np.int64)
        self._places: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, entry: int) -> bool:
        return entry in self._places

    def present(self, ids: Iterable[int]) -> list[int]:
        """Those of `ids` that have a row, each once, in their order."""
        return [entry for entry in dict.fromkeys(ids) if entry in self._places]

    @property
    def ids(self) -> np.ndarray:
        """The id of every row, int64; a view."""
        return self._ids[: len(self)]

    @property
    def matrix(self) -> np.ndarray:
        """All rows; a view."""
        return self._matrix[: len(self)]

    def take(self, ids: Sequence[int]) -> np.ndarray:
        """A copy of the rows of `ids`. Raises `KeyError` for an unknown id."""
        return np.asarray(self._matrix[[self._places[entry] for entry in ids]])

    def put(self, ids: Sequence[int], vectors: np.ndarray) -> None:
        """Add or replace rows."""
        self._reserve(len(self) + len(ids))
        for entry, vector in zip(ids, vectors, strict=True):
            place = self._places.setdefault(entry, len(self._places))
            self._ids[place] = entry
            self._matrix[place] = vector

    def drop(self, ids: Iterable[int]) -> list[int]:
        """Remove rows and return the ids that had one."""
        dropped = self.present(ids)
        for entry in dropped:
            place = self._places.pop(entry)
            last = len(self._places)
            if place != last:
                moved = int(self._ids[last])
                self._ids[place] = moved
                self._matrix[place] = self._matrix[last]
                self._places[moved] = place
        return dropped

    def _reserve(self, count: int) -> None:
        if count <= len(self._matrix):
            return
        size = max(SMALLEST, count, len(self._matrix) * 3 // 2)
        matrix = np.empty((size, self.dimension), dtype=np.float32)
        ids = np.empty(size, dtype=np.int64)
        matrix[: len(self)] = self.matrix
        ids[: len(self)] = self.ids
        self._matrix, self._ids = matrix, ids
