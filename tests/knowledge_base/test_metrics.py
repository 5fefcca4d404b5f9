from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.metrics import f1_score, mrr_at_k, recall_at_k, roc_auc, threshold_curve

RANKS = np.array([1, 2, 0, 11, 5])


def test_recall() -> None:
    assert recall_at_k(RANKS, 1) == pytest.approx(0.2)
    assert recall_at_k(RANKS, 5) == pytest.approx(0.6)
    assert recall_at_k(RANKS, 11) == pytest.approx(0.8)
    assert recall_at_k(np.array([], dtype=int), 5) == 0.0


def test_reciprocal_rank() -> None:
    assert mrr_at_k(RANKS, 10) == pytest.approx((1 + 1 / 2 + 1 / 5) / 5)
    assert mrr_at_k(np.array([], dtype=int), 10) == 0.0


def test_area_under_the_curve() -> None:
    positive = np.array([True, True, False, False])
    assert roc_auc(positive, np.array([0.9, 0.8, 0.2, 0.1])) == 1.0
    assert roc_auc(positive, np.array([0.1, 0.2, 0.8, 0.9])) == 0.0
    assert roc_auc(positive, np.array([0.5, 0.5, 0.5, 0.5])) == 0.5
    assert roc_auc(positive, np.array([0.9, 0.2, 0.2, 0.1])) == pytest.approx(0.875)
    with pytest.raises(ValueError, match="both classes"):
        roc_auc(np.array([True]), np.array([0.1]))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30))
def test_area_is_the_share_of_ordered_pairs(pairs: list[tuple[bool, int]]) -> None:
    high = [score for positive, score in pairs if positive]
    low = [score for positive, score in pairs if not positive]
    if not high or not low:
        return
    ordered = sum((a > b) + 0.5 * (a == b) for a in high for b in low) / (len(high) * len(low))
    found = roc_auc(np.array([p for p, _ in pairs]), np.array([s for _, s in pairs], dtype=float))
    assert found == pytest.approx(ordered)


def test_f1() -> None:
    wanted = np.array([True, True, True, False])
    given = np.array([True, False, False, True])
    assert f1_score(wanted, given) == pytest.approx(2 * 0.5 * (1 / 3) / (0.5 + 1 / 3))
    assert f1_score(wanted, ~wanted) == 0.0


def test_threshold_curve() -> None:
    answerable = np.array([True, True, False, False])
    scores = np.array([0.9, 0.4, 0.6, 0.1])
    curve = threshold_curve(answerable, scores, [0.0, 0.5, 1.0])
    assert [point.refused_answerable for point in curve] == [0.0, 0.5, 1.0]
    assert [point.refused_unanswerable for point in curve] == [0.0, 0.5, 1.0]
    assert [point.f1 for point in curve] == pytest.approx([0.0, 0.5, 2 / 3])
