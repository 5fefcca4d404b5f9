"""Fits the relevance of hits: a logistic model over the parts, its scale and its threshold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vectorstore.calibration import PARTS, Calibration

ROUNDS = 3
NEGATIVES = 3
"""Rivals that a question is told apart from in each round: those that the last model liked best."""
FIRST = (10.0, 1.0, 0.0, 1.0)
"""Weights of the first parts by which the rivals of the first round are chosen."""
PENALTY = 1.0
HALVES = 4
"""Halves of the passages that are left out in turn to find the scale and the threshold."""
FALSE_REFUSALS = 0.05
"""Share of the answerable questions of a set that the threshold may refuse, the bar of the design."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What was found for one question, in which passages; and the passage that answers it.

    `passages` has shape (n,), `parts` (n, len(PARTS)); `answers` says which of them hold the answer.
    """

    passages: np.ndarray
    parts: np.ndarray
    answers: np.ndarray
    gold: int


QuestionSet = Sequence[Candidates]
Score = Callable[[np.ndarray], np.ndarray]


def fit(sets: Sequence[QuestionSet]) -> Calibration:
    """Fit weights, scale and threshold; every set weighs the same, and in it every question.

    The threshold refuses no more than `FALSE_REFUSALS` of the answerable questions of any set.
    """
    weights, _ = tell_apart(sets, range(len(PARTS)))

    def score(parts: np.ndarray) -> np.ndarray:
        return np.asarray(parts @ weights)

    slope, shift = scale(sets, score)
    threshold = 1 / (1 + np.exp(-(slope * lowest(sets, score) + shift)))
    return Calibration(
        weights=dict(zip(PARTS, (weights * slope).round(4).tolist(), strict=True)),
        intercept=round(shift, 4),
        threshold=round(float(np.clip(threshold, 0.01, 0.99)), 2),
    )


def scale(sets: Sequence[QuestionSet], score: Score) -> tuple[float, float]:
    """Slope and shift that make a question's best score the logit of being answered by half a set."""
    halves = [held_out(asked, score, seed) for asked in sets for seed in range(HALVES)]
    (slope,), shift = logistic(
        np.concatenate([best for best, _ in halves])[:, None],
        np.concatenate([there for _, there in halves]),
        np.concatenate([np.full(len(best), 1 / len(best)) for best, _ in halves]),
        penalty=1e-6,
    )
    return float(slope), shift


def lowest(sets: Sequence[QuestionSet], score: Score) -> float:
    """The score below which `FALSE_REFUSALS` of the answerable questions lie, of the set with the lowest."""
    limits = []
    for asked in sets:
        halves = [held_out(asked, score, seed) for seed in range(HALVES)]
        limits.append(np.mean([np.quantile(best[there], FALSE_REFUSALS) for best, there in halves]))
    return float(min(limits))


def tell_apart(sets: Sequence[QuestionSet], columns: Sequence[int]) -> tuple[np.ndarray, float]:
    """Weights and intercept that tell the best answering hit of a question from its worst rivals.

    Only the best hit decides about a refusal, so each round takes the hits that the model of the
    round before puts first.
    """
    chosen = list(columns)
    weights = np.zeros(len(chosen))
    first = np.array([*FIRST, *[0.0] * len(PARTS)])[chosen]
    model = (first, 0.0)
    for _ in range(ROUNDS):
        rows, labels, shares = [], [], []
        for asked in sets:
            for one in asked:
                parts = one.parts[:, chosen]
                liked = parts @ model[0]
                rivals = np.flatnonzero(one.passages != one.gold)
                rivals = rivals[np.argsort(-liked[rivals], kind="stable")[:NEGATIVES]]
                right = np.flatnonzero(one.answers)
                right = right[np.argsort(-liked[right], kind="stable")[:1]]
                for picked, label in ((right, 1.0), (rivals, 0.0)):
                    rows.append(parts[picked])
                    labels.append(np.full(len(picked), label))
                    shares.append(np.full(len(picked), 1 / max(1, len(picked)) / len(asked)))
        model = logistic(np.concatenate(rows), np.concatenate(labels), np.concatenate(shares))
        weights = model[0]
    return weights, model[1]


def held_out(asked: QuestionSet, score: Score, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Each question's best score when half of the passages are missing, and whether its own is there.

    Questions of which nothing is left count as the worst of all.
    """
    passages = 1 + max(max(one.gold, int(one.passages.max(initial=0))) for one in asked)
    kept = np.random.default_rng(seed).permutation(passages) < passages // 2
    best = np.array([score(one.parts[kept[one.passages]]).max(initial=-np.inf) for one in asked])
    best[np.isneginf(best)] = best[~np.isneginf(best)].min(initial=0.0)
    return best, kept[[one.gold for one in asked]]


def logistic(
    rows: np.ndarray, labels: np.ndarray, shares: np.ndarray, *, penalty: float = PENALTY
) -> tuple[np.ndarray, float]:
    """Weights and intercept of a logistic regression with a quadratic penalty, by Newton's method.

    `rows` has shape (n, k), `labels` (n,) of 0 and 1, `shares` (n,) says how much each row counts.
    """
    spread = rows.std(axis=0)
    spread[spread < 1e-9] = 1.0  # what is the same in all rows tells nothing apart
    design = np.hstack([rows / spread, np.ones((len(rows), 1))])
    share = shares / shares.mean()
    ridge = np.diag([*[penalty] * rows.shape[1], 1e-9])
    found = np.zeros(design.shape[1])
    for _ in range(50):
        probability = 1 / (1 + np.exp(-np.clip(design @ found, -30, 30)))
        gradient = design.T @ (share * (probability - labels)) + ridge @ found
        curvature = (design * (share * probability * (1 - probability))[:, None]).T @ design + ridge
        step = np.linalg.solve(curvature + 1e-9 * np.eye(len(found)), gradient)
        found -= step
        if np.abs(step).max() < 1e-6:
            break
    return found[:-1] / spread, float(found[-1])
