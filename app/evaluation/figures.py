"""From the outcome of every question to the figures of a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from knowledge_base.metrics import ThresholdPoint, f1_score, mrr_at_k, recall_at_k, roc_auc, threshold_curve

DEPTH = 10
"""Hits looked at for recall and rank."""
_CURVE = tuple(step / 50 for step in range(51))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one question."""

    answerable: bool
    rank: int
    """Rank of the first right hit, from 1; 0 when there is none."""
    relevance: float
    """Relevance of the best hit; 0 without any."""
    refused: bool
    contained: bool | None
    """Whether the quotes hold an accepted answer; None where none is known."""
    characters: int
    """Length of the quotes."""

    @property
    def right(self) -> bool:
        """Whether it came out as it should: refused, or answered from the right place."""
        if not self.answerable or self.refused:
            return self.answerable != self.refused
        return bool(self.rank) if self.contained is None else self.contained

    @property
    def worth(self) -> int:
        """The higher the better, to tell whether a later outcome of the question is worse."""
        if not self.answerable:
            return int(self.refused)
        found = DEPTH + 1 - self.rank if 0 < self.rank <= DEPTH else 0
        return 100 * (not self.refused) + 20 * bool(self.contained) + found


def figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The measures; None where there is nothing to measure."""
    answerable = [outcome for outcome in outcomes if outcome.answerable]
    unanswerable = [outcome for outcome in outcomes if not outcome.answerable]
    ranks = np.array([outcome.rank for outcome in answerable])
    labels = np.array([outcome.answerable for outcome in outcomes])
    refused = np.array([outcome.refused for outcome in outcomes])
    quoted = [outcome.characters for outcome in answerable if not outcome.refused]
    both = bool(answerable and unanswerable)

    def share(values: Sequence[bool]) -> float | None:
        return round(sum(values) / len(values), 4) if values else None

    return {
        **{f"recall@{k}": round(recall_at_k(ranks, k), 4) if answerable else None for k in (1, 5, DEPTH)},
        f"mrr@{DEPTH}": round(mrr_at_k(ranks, DEPTH), 4) if answerable else None,
        "quote_contains": share([o.contained for o in answerable if o.contained is not None]),
        "quote_characters": round(sum(quoted) / len(quoted), 1) if quoted else None,
        "refusal": {
            "auc": round(roc_auc(labels, np.array([o.relevance for o in outcomes])), 4) if both else None,
            "f1": round(f1_score(~labels, refused), 4) if both else None,
            "refused_unanswerable": share([outcome.refused for outcome in unanswerable]),
            "refused_answerable": share([outcome.refused for outcome in answerable]),
        },
    }


def recalls(outcomes: Sequence[Outcome]) -> list[float]:
    """Recall at 1, 2 … `DEPTH`; empty without answerable questions."""
    ranks = np.array([outcome.rank for outcome in outcomes if outcome.answerable])
    return [recall_at_k(ranks, k) for k in range(1, DEPTH + 1)] if len(ranks) else []


def curve(outcomes: Sequence[Outcome]) -> list[ThresholdPoint]:
    """What thresholds from 0 to 1 refuse of each kind; empty unless there are questions of both."""
    labels = np.array([outcome.answerable for outcome in outcomes])
    if not len(labels) or labels.all() or not labels.any():
        return []
    return threshold_curve(labels, np.array([outcome.relevance for outcome in outcomes]), _CURVE)
