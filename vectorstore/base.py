"""The interface of a search index: text and vectors in, scored ids out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

Frequency = Callable[[str], tuple[int, int]]
"""From a term to the number of texts that hold it, and of all texts."""

Weights = tuple[float, float]
"""Factors for the dense and for the keyword arm."""
AS_CALIBRATED: Weights = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class ScoredId:
    """A chunk found, with the parts that its score was made of.

    `score` is the calibrated relevance in [0, 1]; `dense_score` the cosine; `keyword_score`
    the idf-weighted share of the query's terms that the chunk covers, in [0, 1].
    """

    id: int
    score: float
    dense_score: float
    keyword_score: float


class DenseArm(Protocol):
    """Nearest vectors by inner product: what an engine gives. Safe to be called from several threads."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def __len__(self) -> int: ...

    def ids(self) -> set[int]:
        """All ids in the arm."""
        ...

    def add(self, ids: Sequence[int], vectors: np.ndarray) -> None:
        """Add or replace; `vectors` has shape (len(ids), dimension), float32, unit length."""
        ...

    def remove(self, ids: Iterable[int]) -> int:
        """Remove entries; unknown ids are passed over. Returns how many were removed."""
        ...

    def search(
        self, vector: np.ndarray, k: int, allowed: Collection[int] | None = None
    ) -> list[tuple[int, float]]:
        """The `k` nearest entries among `allowed` with their exact cosines, nearest first, equals by id."""
        ...

    def cosines(self, vector: np.ndarray, ids: Iterable[int]) -> dict[int, float]:
        """The exact cosine of each of `ids` that is in the arm."""
        ...

    @property
    def trained(self) -> int:
        """How often something was trained in the background and swapped in, which is worth writing."""
        ...

    def wait(self) -> None:
        """Return when nothing is being trained in the background."""
        ...

    def write(self, folder: Path) -> None:
        """Write the arm's files into `folder`."""
        ...


class DenseEngine(Protocol):
    """Makes dense arms, and reads what they wrote; a class such as `vectorstore.dense.DenseIndex`."""

    def __call__(self, dimension: int) -> DenseArm:
        """Make an empty arm."""
        ...

    def read(self, folder: Path, dimension: int) -> DenseArm:
        """Read what `write` wrote. Raises `IndexFilesError` when the files are damaged or another's."""
        ...


class SearchIndex(Protocol):
    """One knowledge base's index. Safe to be called from several threads at once."""

    def __len__(self) -> int: ...

    def ids(self) -> set[int]:
        """All ids in the index."""
        ...

    def add(
        self, ids: Sequence[int], texts: Sequence[str], vectors: np.ndarray, contexts: Sequence[str] = ()
    ) -> None:
        """Add entries; `vectors` has shape (n, dimension), float32, unit length.

        `contexts` say what the texts are part of, such as the name of a document; words of a question
        that stand there are nearly as good as in the text. An id that is already there is replaced.
        Raises `IndexInputError` when lengths or the dimension do not fit; nothing is added then.
        """
        ...

    def remove(self, ids: Collection[int]) -> int:
        """Remove entries; unknown ids are passed over. Returns how many were removed."""
        ...

    def frequency(self) -> Frequency:
        """How many of the entries hold a term, as they are now."""
        ...

    def search(
        self,
        text: str,
        vector: np.ndarray,
        *,
        k: int,
        allowed: Collection[int] | None = None,
        frequency: Frequency | None = None,
        weights: Weights = AS_CALIBRATED,
    ) -> list[ScoredId]:
        """The `k` best entries, best first, among `allowed` ids when given.

        `vector` has shape (dimension,), float32, unit length. `frequency` replaces the index's own,
        so that several indexes searched together weigh the question's words alike. `weights` multiply
        those of each arm in the relevance, whose threshold must then be chosen anew.
        """
        ...

    @property
    def trained(self) -> int:
        """How often something was trained in the background and swapped in, which is worth saving."""
        ...

    def save(self, folder: Path) -> None:
        """Write the index, atomically: a reader of `folder` sees the old files or the new."""
        ...
