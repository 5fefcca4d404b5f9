"""An inverted file over 8-bit codes, which finds candidates among very many vectors.

J. Sivic and A. Zisserman, "Video Google" (2003), as in FAISS's `IndexIVFScalarQuantizer`. The codes
only nominate: whoever searches scores the candidates by their exact vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vectorstore.errors import IndexFilesError

POINTS_PER_LIST = 40
"""Vectors that each list is trained on; FAISS advises 39 to 256."""
ROUNDS = 8
RECALL = 0.993
"""Share of the ten nearest of the tuning queries, which are harder than questions, to be found."""
LEAST_SHARE = 0.1
"""Of the lists that are always probed; in a dense collection the tuning queries find theirs too easily."""
OVERSAMPLE = 6
"""Candidates taken for each entry wanted, to be scored exactly."""


def lists_for(count: int) -> int:
    """How many lists `count` vectors are divided into."""
    return max(16, int(4 * count**0.5))


class InvertedFile:
    """Candidate search over ids; trained when made. Not locked."""

    def __init__(self, sample: np.ndarray, lists: int) -> None:
        import faiss

        dimension = sample.shape[1]
        self._index: Any = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(dimension),
            dimension,
            lists,
            faiss.ScalarQuantizer.QT_8bit,
            faiss.METRIC_INNER_PRODUCT,
        )
        self._index.cp.niter = ROUNDS
        self._index.cp.min_points_per_centroid = 1
        self._index.cp.max_points_per_centroid = 4 * POINTS_PER_LIST
        self._index.train(np.ascontiguousarray(sample))
        self._index.set_direct_map_type(faiss.DirectMap.Hashtable)  # type: ignore[attr-defined]  # not in its stubs
        self.trained_for = 0
        """How many vectors there were at the training."""

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def add(self, ids: Sequence[int] | np.ndarray, vectors: np.ndarray) -> None:
        """Add entries whose ids are new."""
        self._index.add_with_ids(np.ascontiguousarray(vectors), np.asarray(ids, dtype=np.int64))

    def remove(self, ids: Sequence[int]) -> None:
        """Remove entries; unknown ids are passed over."""
        import faiss

        if len(ids):
            self._index.remove_ids(faiss.IDSelectorArray(np.asarray(ids, dtype=np.int64)))

    def candidates(self, vector: np.ndarray, k: int, allowed: Sequence[int] | None = None) -> list[int]:
        """Ids of about `OVERSAMPLE * k` entries near to `vector`."""
        import faiss

        options: dict[str, Any] = {"nprobe": self._index.nprobe}
        if allowed is not None:
            options["sel"] = faiss.IDSelectorBatch(np.asarray(allowed, dtype=np.int64))
        parameters = faiss.SearchParametersIVF(**options)
        _, found = self._index.search(vector[None, :], OVERSAMPLE * k, params=parameters)
        return [entry for entry in found[0].tolist() if entry >= 0]

    def tune(self, queries: np.ndarray, nearest: np.ndarray) -> None:
        """Probe as few lists as find `RECALL` of `nearest`, ids of shape (queries, k)."""
        k = nearest.shape[1]
        least = max(4.0, LEAST_SHARE * self._index.nlist)
        for probes in (int(least * 2 ** (step / 2)) for step in range(40)):
            self._index.nprobe = min(probes, self._index.nlist)
            _, found = self._index.search(queries, OVERSAMPLE * k)
            hits = [len(set(a) & set(b)) for a, b in zip(found.tolist(), nearest.tolist(), strict=True)]
            if sum(hits) >= RECALL * nearest.size or probes >= self._index.nlist:
                return

    def write(self, path: Path) -> None:
        """Write to one file."""
        import faiss

        faiss.write_index(self._index, str(path))

    @classmethod
    def read(cls, path: Path, trained_for: int) -> InvertedFile:
        """Read what `write` wrote. Raises `IndexFilesError`."""
        import faiss

        try:
            stored: Any = faiss.read_index(str(path))
        except RuntimeError as error:
            raise IndexFilesError(f"the vectors in {path} cannot be read: {error}") from error
        if not isinstance(stored, faiss.IndexIVFScalarQuantizer):
            raise IndexFilesError(f"{path} is no inverted file")
        made = cls.__new__(cls)
        made._index = stored
        made.trained_for = trained_for
        return made
