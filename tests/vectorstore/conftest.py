from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from vectorstore.dense import DenseIndex

Vectors = Callable[[int], np.ndarray]

DIMENSION = 16


class EarlyInverted(DenseIndex):
    """With an inverted file from the first few entries on."""

    def __init__(self, dimension: int) -> None:
        super().__init__(dimension, inverted_from=32)


@pytest.fixture
def vectors() -> Vectors:
    """Makes unit vectors, the same ones for the same number."""

    def make(count: int, seed: int = 0) -> np.ndarray:
        rows = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    return make
