"""A second opinion on hits that the relevance leaves unsure: how near their sentences are to the question.

The vector of a passage is about all that it says. A question is answered by one sentence, whose own
vector is nearer to it than those of the sentences about something else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

EVIDENCE = ("relevance", "nearest", "cosine")
"""The logit of the first relevance, the cosine of the nearest sentence, and that of the whole passage."""
UNSURE = (0.1, 0.9)
"""Relevances between which sentences are looked at; beyond, they hardly change what is decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceEvidence:
    """A logistic model over `EVIDENCE`, fitted after the calibration that it is a part of."""

    weights: Mapping[str, float]
    intercept: float

    def wanted(self, relevance: float) -> bool:
        """Whether a hit of that relevance is looked at again; this depends on nothing else."""
        return UNSURE[0] < relevance < UNSURE[1]

    def relevance(self, first: float, cosine: float, sentences: np.ndarray) -> float:
        """The relevance in [0, 1] of a hit from its first one, its cosine and those of its sentences."""
        parts = evidence_parts(first, cosine, sentences)
        logit = float(parts @ [self.weights[name] for name in EVIDENCE]) + self.intercept
        return 1.0 / (1.0 + math.exp(-min(max(logit, -60.0), 60.0)))

    def content(self) -> dict[str, Any]:
        """What JSON takes."""
        return {"weights": dict(self.weights), "intercept": self.intercept}

    @classmethod
    def of(cls, content: Any) -> SentenceEvidence:
        """From what `content` gave. Raises `KeyError`, `TypeError` or `ValueError` when it is none."""
        return cls(
            weights={name: float(content["weights"][name]) for name in EVIDENCE},
            intercept=float(content["intercept"]),
        )


def evidence_parts(first: float, cosine: float, sentences: np.ndarray) -> np.ndarray:
    """`EVIDENCE` as an array; `sentences` are cosines of shape (n,), n at least 1, `first` in (0, 1)."""
    return np.array([math.log(first / (1.0 - first)), sentences.max(), cosine])
