"""Which of several texts a text has most probably become."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher

LEAST_SIMILARITY = 0.4
"""Below it two texts of a document share little more than their subject."""
COMPARED = 5
"""Candidates that share most pairs of characters with a text, to be compared with it wholly."""


def most_similar(text: str, candidates: Mapping[int, str]) -> tuple[int, float] | None:
    """Id of the candidate most like `text`, and their similarity in (0, 1]; None when none is like it.

    The similarity is twice the characters in matching blocks by those in both texts (Ratcliff and
    Obershelp, "Pattern Matching: the Gestalt Approach", 1988), which takes the product of the lengths:
    only the `COMPARED` candidates that share most pairs of characters are looked at. Of equals, the
    first is taken.
    """
    wanted = _pairs(text)

    def shared(item: tuple[int, str]) -> float:
        pairs = _pairs(item[1])
        return len(wanted & pairs) / max(len(wanted) + len(pairs), 1)

    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(text)  # what is known of the second is kept between comparisons
    best: tuple[int, float] | None = None
    least = LEAST_SIMILARITY
    for id, candidate in sorted(candidates.items(), key=shared, reverse=True)[:COMPARED]:
        matcher.set_seq1(candidate)
        if matcher.real_quick_ratio() <= least or matcher.quick_ratio() <= least:
            continue
        ratio = matcher.ratio()
        if ratio > least:
            best, least = (id, ratio), ratio
    return best


def _pairs(text: str) -> set[str]:
    """Pairs of neighbouring characters; the last one stands alone too."""
    return {text[at : at + 2] for at in range(len(text))}
