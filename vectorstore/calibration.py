"""From the parts of a hit to one relevance in [0, 1].

The parts describe a question and a text alone, so that a relevance means the same in every
collection and under every filter: the probability that the text answers the question, where half
of the questions asked can be answered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from vectorstore.errors import IndexFilesError

FILE = Path(__file__).with_name("calibration.json")
PARTS = ("cosine", "phrases", "characters", "window", "rarest", "missing_words")
"""Columns of the parts, in order; the last is a share that is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A logistic model over `PARTS`, fitted for one embedder by `benchmarks/calibrate.py`.

    J. Platt, "Probabilistic Outputs for Support Vector Machines" (1999).
    """

    weights: Mapping[str, float]
    intercept: float
    threshold: float
    """The relevance below which a hit is not shown, unless the user sets another."""

    def relevance(self, parts: np.ndarray) -> np.ndarray:
        """Relevance of shape (n,) for parts of shape (n, len(PARTS))."""
        logits = parts @ np.array([self.weights[name] for name in PARTS]) + self.intercept
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -60.0, 60.0))), dtype=np.float64)

    def weighted(self, dense: float, keyword: float) -> Calibration:
        """With the weights of each arm's parts multiplied, to try what it contributes.

        The order stays that of a relevance; the threshold must be chosen anew.
        """
        if (dense, keyword) == (1.0, 1.0):
            return self
        weights = {
            name: value * (dense if name == "cosine" else keyword) for name, value in self.weights.items()
        }
        return replace(self, weights=weights)

    def save(self, path: Path) -> None:
        """Write to a JSON file."""
        content = {"weights": dict(self.weights), "intercept": self.intercept, "threshold": self.threshold}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """Read what `save` wrote. Raises `IndexFilesError` when it is no calibration."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                weights={name: float(content["weights"][name]) for name in PARTS},
                intercept=float(content["intercept"]),
                threshold=float(content["threshold"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IndexFilesError(f"no calibration can be read from {path}: {error}") from error

    @classmethod
    @lru_cache(maxsize=1)
    def default(cls) -> Calibration:
        """The calibration of the default embedder."""
        return cls.load(FILE)
