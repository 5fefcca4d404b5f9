"""The fit of the relevance, on questions whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from vectorstore.calibration import PARTS
from vectorstore.fitting import Candidates, fit, held_out, logistic


def _questions(count: int, seed: int) -> list[Candidates]:
    """Hits on the right passage have a higher first part; all other parts are noise."""
    random = np.random.default_rng(seed)
    asked = []
    for number in range(count):
        passages = np.array([number, (number + 1) % count, (number + 2) % count])
        parts = random.uniform(0, 0.2, size=(3, len(PARTS)))
        parts[:, 0] = random.normal([0.9, 0.6, 0.5], 0.08)
        asked.append(Candidates(passages, parts, passages == number, number))
    return asked


def test_the_part_that_tells_gets_the_weight() -> None:
    calibration = fit([_questions(200, 0), _questions(100, 1)])
    noise = max(abs(calibration.weights[name]) * 0.2 for name in PARTS[1:])
    assert calibration.weights["cosine"] * 0.3 > 3 * noise
    rows = np.full((2, len(PARTS)), 0.1)
    rows[:, 0] = 0.9, 0.6
    right, wrong = calibration.relevance(rows)
    assert right > 0.8 > 0.2 > wrong
    assert wrong < calibration.threshold < right


def test_the_threshold_refuses_few_of_what_can_be_answered() -> None:
    asked = _questions(400, 2)
    calibration = fit([asked])
    best, there = held_out(asked, calibration.relevance, 9)
    assert there.mean() == pytest.approx(0.5, abs=0.01)
    assert (best[there] < calibration.threshold).mean() < 0.08
    assert (best[~there] < calibration.threshold).mean() > 0.9


def test_a_logistic_regression_of_known_odds() -> None:
    rows = np.repeat([[0.0], [1.0]], 100, axis=0)
    labels = np.concatenate([np.repeat([0.0, 1.0], [80, 20]), np.repeat([0.0, 1.0], [25, 75])])
    weights, intercept = logistic(rows, labels, np.ones(200), penalty=0.0)
    assert intercept == pytest.approx(np.log(20 / 80))
    assert weights.tolist() == pytest.approx([np.log(3) - np.log(0.25)])
