"""A run beside an earlier one: differences, regressions, and the questions that got worse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import EvaluationRunsDifferError
from app.evaluation.configurations import Configuration
from app.evaluation.runs import Row, Run

TOLERANCE = 0.01
"""A metric may fall so far without being called a regression."""
METRICS = {
    "recall@1": 1,
    "recall@5": 1,
    "recall@10": 1,
    "mrr@10": 1,
    "quote_contains": 1,
    "refusal.auc": 1,
    "refusal.f1": 1,
    "refusal.refused_unanswerable": 1,
    "refusal.refused_answerable": -1,
}
"""What is compared; 1 where more is better, -1 where less is."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric before and now."""

    metric: str
    before: float | None
    now: float | None
    regression: bool

    @property
    def change(self) -> float | None:
        """Now less before."""
        if self.before is None or self.now is None:
            return None
        return round(self.now - self.before, 4)


@dataclass(frozen=True, slots=True)
class RowComparison:
    """Two rows side by side. `worse` and `better` are questions by their place in the set."""

    now: Configuration
    before: Configuration
    differences: tuple[Difference, ...]
    worse: tuple[int, ...]
    better: tuple[int, ...]

    @property
    def regressions(self) -> tuple[Difference, ...]:
        """The metrics that got worse by more than the tolerance."""
        return tuple(difference for difference in self.differences if difference.regression)


def compare(now: Run, before: Run, *, tolerance: float = TOLERANCE) -> list[RowComparison]:
    """Rows of the same configuration side by side; two runs of one row each whatever they are.

    Raises `EvaluationRunsDifferError` when the runs did not ask the same, or share no configuration.
    """
    pairs = _pairs(now, before)
    if not pairs:
        raise EvaluationRunsDifferError(
            f"run {before.id} asked other questions or had other configurations", id=before.id
        )
    return [_compare(row, old, tolerance) for row, old in pairs]


def comparable(now: Run, before: Run) -> bool:
    """Whether `before` is an earlier run that `now` can be set beside."""
    return now.id != before.id and before.date <= now.date and bool(_pairs(now, before))


def _pairs(now: Run, before: Run) -> list[tuple[Row, Row]]:
    if now.asked != before.asked or len(now.questions) != len(before.questions):
        return []
    if len(now.rows) == len(before.rows) == 1:
        return [(now.rows[0], before.rows[0])]
    earlier = {row.configuration: row for row in before.rows}
    return [(row, earlier[row.configuration]) for row in now.rows if row.configuration in earlier]


def _compare(now: Row, before: Row, tolerance: float) -> RowComparison:
    differences = []
    for metric, sign in METRICS.items():
        old, new = metric_of(before.figures, metric), metric_of(now.figures, metric)
        if old is None and new is None:
            continue
        # Rounded as the figures are, so that a fall of just the tolerance is none.
        fell = old is not None and new is not None and round(sign * (old - new) - tolerance, 6) > 0
        differences.append(Difference(metric, old, new, fell))
    changes = [
        new.worth - old.worth if new.answerable == old.answerable else 0
        for new, old in zip(now.outcomes, before.outcomes, strict=True)
    ]
    return RowComparison(
        now.configuration,
        before.configuration,
        tuple(differences),
        tuple(sorted((i for i, change in enumerate(changes) if change < 0), key=lambda i: changes[i])),
        tuple(sorted((i for i, change in enumerate(changes) if change > 0), key=lambda i: -changes[i])),
    )


def metric_of(figures: Mapping[str, Any], metric: str) -> float | None:
    """A figure by its dotted name."""
    value: Any = figures
    for part in metric.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return None if value is None else float(value)
