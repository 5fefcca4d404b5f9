"""Which pairs of characters stand in words of the language, and how often, for those that no text shows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from vectorstore.chinese import fold, is_han

FILE = Path(__file__).with_name("dictionary.npz")
WORDS_IN_A_TEXT = 300
"""Words of a text whose chance to hold a pair is asked for, as many as a chunk of the default size has."""


@dataclass(frozen=True, eq=False)
class Dictionary:
    """The pairs of neighbouring Chinese characters in the words of a dictionary.

    `codes` has shape (n,), ascending; `shares`, of the same shape, says what share of texts is
    expected to hold each.
    """

    codes: np.ndarray
    shares: np.ndarray

    def share(self, pair: str) -> float | None:
        """The share of texts that hold the pair; None when no word does."""
        code = _code(pair)
        place = int(np.searchsorted(self.codes, code))
        if place == len(self.codes) or self.codes[place] != code:
            return None
        return float(self.shares[place])

    @classmethod
    def count(cls, frequencies: Mapping[str, int]) -> Dictionary:
        """From words with how often each was counted."""
        total = max(sum(frequencies.values()), 1)
        pairs: Counter[str] = Counter()
        for word, frequency in frequencies.items():
            folded = fold(word)
            for pair in {folded[at : at + 2] for at in range(len(folded) - 1)}:
                if is_pair(pair):
                    pairs[pair] += frequency
        ordered = sorted(pairs, key=_code)
        return cls(
            np.array([_code(pair) for pair in ordered], dtype=np.int64),
            np.array(
                [-math.expm1(-WORDS_IN_A_TEXT * pairs[pair] / total) for pair in ordered], dtype=np.float32
            ),
        )

    def save(self, path: Path) -> None:
        """Write to an npz file."""
        np.savez_compressed(path, codes=self.codes, shares=self.shares)

    @classmethod
    def load(cls, path: Path) -> Dictionary:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(stored["codes"], stored["shares"])

    @classmethod
    @lru_cache(maxsize=1)
    def default(cls) -> Dictionary:
        """The table that is shipped."""
        return cls.load(FILE)


def is_pair(term: str) -> bool:
    """Whether a term is a pair of Chinese characters."""
    return len(term) == 2 and is_han(term[0]) and is_han(term[1])


def _code(pair: str) -> int:
    return ord(pair[0]) << 32 | ord(pair[1])
