"""Hits from several documents rather than many from one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from knowledge_base.types import Hit


def diversify(hits: Sequence[Hit], strength: float) -> list[Hit]:
    """The hits, put in an order in which documents that have spoken yet come later.

    A hit is worth the reciprocal of its place, times `1 - strength` for each better hit of its
    document: at 0 the order stays, at 1 every document speaks once before any speaks twice. After
    J. Carbonell and J. Goldstein, "The Use of MMR" (1998), with the document for what is alike.
    """
    if not strength:
        return list(hits)
    spoken: Counter[str] = Counter()
    ranked = []
    for place, hit in enumerate(hits):
        times = spoken[hit.document_id]
        ranked.append((-((1 - strength) ** times) / (1 + place), times, place))
        spoken[hit.document_id] += 1
    return [hits[place] for *_, place in sorted(ranked)]
