"""How the chat searches, where somebody has tried it out and applied it; kept by the browser."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from app.messages import Language
from app.pages.markup import button
from app.pages.texts import text
from vectorstore.base import AS_CALIBRATED, Weights

MOST_HITS = 100
MOST_WEIGHT = 10.0


@dataclass(frozen=True, slots=True)
class Tuning:
    """What differs from the settings; None stands for what they say."""

    top_k: int | None = None
    threshold: float | None = None
    dense: float = 1.0
    keyword: float = 1.0

    @property
    def weights(self) -> Weights:
        """Of the two arms."""
        return self.dense, self.keyword

    @property
    def untouched(self) -> bool:
        """Whether nothing differs."""
        return self == Tuning()

    def options(self) -> dict[str, Any]:
        """For the methods of the service that search."""
        return {"top_k": self.top_k, "threshold": self.threshold, "weights": self.weights}

    def as_json(self) -> str:
        """For `tuning_of`."""
        return json.dumps(asdict(self))


def tuning_of(kept: str) -> Tuning:
    """What a browser has kept; the settings where that is nothing that can be used."""
    try:
        found = json.loads(kept)
        tuning = Tuning(
            None if found["top_k"] is None else int(found["top_k"]),
            None if found["threshold"] is None else float(found["threshold"]),
            float(found["dense"]),
            float(found["keyword"]),
        )
    except (ValueError, TypeError, KeyError, OverflowError):
        return Tuning()
    usable = (
        (tuning.top_k is None or 1 <= tuning.top_k <= MOST_HITS)
        and (tuning.threshold is None or 0 <= tuning.threshold <= 1)
        and all(math.isfinite(w) and 0 <= w <= MOST_WEIGHT for w in tuning.weights)
        and sum(tuning.weights) > 0
    )
    return tuning if usable else Tuning()


def tuning_html(tuning: Tuning, language: Language) -> str:
    """What the chat differs in, with a way back; a sign for the page's script where it differs in nothing."""
    kept = f'data-tuning="{escape("" if tuning.untouched else tuning.as_json())}"'
    if tuning.untouched:
        return f"<span {kept}></span>"
    parts = []
    if tuning.top_k is not None:
        parts.append(text("tuning_top_k", language, count=tuning.top_k))
    if tuning.threshold is not None:
        parts.append(text("tuning_threshold", language, threshold=f"{tuning.threshold:.2f}"))
    if tuning.weights != AS_CALIBRATED:
        parts.append(
            text("tuning_weights", language, dense=f"{tuning.dense:g}", keyword=f"{tuning.keyword:g}")
        )
    said = escape(text("tuning", language, settings=" · ".join(parts)))
    reset = button(text("tuning_reset", language), "reset", kind="quiet")
    return f'<p class="zw-tuning" {kept}><span>{said}</span>{reset}</p>'
