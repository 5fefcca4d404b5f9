"""From the parts of a hit to one relevance in [0, 1]."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A logistic model of the probability that a hit answers the question."""

    cosine: float = 30.0
    coverage: float = 10.0
    intercept: float = -31.0
    threshold: float = 0.5
    """The relevance below which a hit is not shown."""

    def relevance(self, *, cosine: float, coverage: float) -> float:
        """The relevance of a hit with these parts."""
        logit = self.cosine * cosine + self.coverage * coverage + self.intercept
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, logit))))

    @classmethod
    def default(cls) -> Calibration:
        """The calibration of the default embedder."""
        return cls()
