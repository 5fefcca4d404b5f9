"""Measures of retrieval and refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class ThresholdPoint:
    """What a threshold refuses, as shares of each class, and the F1 of refusing."""

    threshold: float
    refused_answerable: float
    refused_unanswerable: float
    f1: float


def recall_at_k(ranks: np.ndarray, k: int) -> float:
    """Share of questions whose gold passage is among the first `k` hits.

    `ranks` has shape (questions,): the rank of the first gold hit, from 1, or 0 when there is none.
    """
    return float(np.mean((ranks >= 1) & (ranks <= k))) if len(ranks) else 0.0


def mrr_at_k(ranks: np.ndarray, k: int) -> float:
    """Mean reciprocal rank, counting 0 where the gold passage is not among the first `k` hits."""
    if not len(ranks):
        return 0.0
    found = (ranks >= 1) & (ranks <= k)
    return float(np.mean(np.where(found, 1 / np.maximum(ranks, 1), 0.0)))


def roc_auc(positive: np.ndarray, scores: np.ndarray) -> float:
    """Probability that a positive scores above a negative, ties counting half.

    `positive` is boolean and `scores` float, both of shape (n,). Raises `ValueError` when one of
    the classes is empty.
    """
    positive = np.asarray(positive, dtype=bool)
    count, rest = int(positive.sum()), int((~positive).sum())
    if not count or not rest:
        raise ValueError("the area under the curve needs both classes")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle_ranks = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = middle_ranks[inverse][positive].sum()
    return float((rank_sum - count * (count + 1) / 2) / (count * rest))


def f1_score(wanted: np.ndarray, given: np.ndarray) -> float:
    """Harmonic mean of precision and recall of the boolean `given` against `wanted`."""
    hits = int(np.sum(wanted & given))
    return 2 * hits / (int(wanted.sum()) + int(given.sum())) if hits else 0.0


def threshold_curve(
    answerable: np.ndarray, scores: np.ndarray, thresholds: Sequence[float]
) -> list[ThresholdPoint]:
    """What each threshold refuses, a question being refused when its score is below it.

    `answerable` is boolean and `scores` float, both of shape (questions,). Raises `ValueError`
    when one of the classes is empty.
    """
    answerable = np.asarray(answerable, dtype=bool)
    if answerable.all() or not answerable.any():
        raise ValueError("a threshold curve needs both classes")
    points = []
    for threshold in thresholds:
        refused = scores < threshold
        points.append(
            ThresholdPoint(
                threshold,
                float(refused[answerable].mean()),
                float(refused[~answerable].mean()),
                f1_score(~answerable, refused),
            )
        )
    return points
