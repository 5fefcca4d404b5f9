"""Hits that say the same: one file kept in two formats, a clause repeated in every contract."""

from __future__ import annotations

import re
from collections.abc import Iterable

from knowledge_base.types import Hit

SAME_SHARE = 0.9
"""Share of their character pairs (Jaccard) from which two passages count as one."""

_NOISE = re.compile(r"[\W_]+")
_NUMBER = re.compile(r"[0-9]+|[零一二三四五六七八九十百千万亿两]+")


def fold_near_duplicates(hits: Iterable[Hit]) -> list[Hit]:
    """The hits in their order, without those that say what a better one says already."""
    kept: list[tuple[Hit, list[str], frozenset[str]]] = []
    for hit in hits:
        # Two clauses that differ in a number alone say different things.
        numbers, pairs = _NUMBER.findall(hit.text), _pairs(hit)
        if not any(numbers == same and _similarity(pairs, other) >= SAME_SHARE for _, same, other in kept):
            kept.append((hit, numbers, pairs))
    return [hit for hit, *_ in kept]


def _pairs(hit: Hit) -> frozenset[str]:
    text = _NOISE.sub("", f"{hit.question}{hit.text}").lower()
    # A passage of one character has no pair; it stands for itself.
    return frozenset(text[i : i + 2] for i in range(max(1, len(text) - 1)))


def _similarity(one: frozenset[str], other: frozenset[str]) -> float:
    small, large = sorted((len(one), len(other)))
    if small < SAME_SHARE * large:
        return 0.0
    return len(one & other) / len(one | other)
