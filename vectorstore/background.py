"""How often Chinese terms occur in running text, for collections too small to tell."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from vectorstore.chinese import fold, terms
from vectorstore.dictionary import Dictionary, is_pair

FILE = Path(__file__).with_name("background.npz")
PSEUDO_DOCUMENTS = 1_000
"""The background weighs as much as so many documents of the collection."""
UNSEEN = 0.3
"""Documents that a term seen nowhere is taken to occur in."""


@dataclass(frozen=True)
class Background:
    """Document frequencies of terms among `documents` texts, and of pairs that these lack by a dictionary."""

    documents: int
    frequencies: Mapping[str, int]
    dictionary: Dictionary = field(default_factory=Dictionary.default, compare=False, repr=False)

    def idf(self, term: str, frequency: int, documents: int) -> float:
        """Inverse document frequency of a term that `frequency` of the collection's `documents` hold.

        The collection's share and the background's are mixed, so that the weight of a term means
        the same in a collection of one document as in one of a million. A pair of Chinese
        characters that neither they nor the dictionary know is no word but where two words of the
        question meet: it weighs nothing.
        """
        share = self.frequencies.get(term, 0) / self.documents
        if not share and is_pair(term):
            in_words = self.dictionary.share(term)
            if in_words is None and documents and not frequency:
                return 0.0
            share = in_words or 0.0
        total = documents + PSEUDO_DOCUMENTS
        expected = max(frequency + PSEUDO_DOCUMENTS * share, UNSEEN)
        return -math.log(min(expected / total, 0.999))

    @classmethod
    def count(cls, texts: Iterable[str], *, at_least: int = 1) -> Background:
        """Count the terms of `texts`, leaving out those in fewer than `at_least`."""
        counts: Counter[str] = Counter()
        documents = 0
        for text in texts:
            counts.update(set(terms(fold(text))))
            documents += 1
        return cls(max(documents, 1), {term: n for term, n in counts.items() if n >= at_least})

    def save(self, path: Path) -> None:
        """Write to an npz file."""
        names = sorted(self.frequencies)
        np.savez_compressed(
            path,
            documents=np.int64(self.documents),
            terms=np.frombuffer("\n".join(names).encode(), dtype=np.uint8),
            counts=np.array([self.frequencies[name] for name in names], dtype=np.uint32),
        )

    @classmethod
    def load(cls, path: Path) -> Background:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            names = stored["terms"].tobytes().decode().split("\n")
            counts = stored["counts"].tolist()
            return cls(int(stored["documents"]), dict(zip(names, counts, strict=True)))

    @classmethod
    @lru_cache(maxsize=1)
    def default(cls) -> Background:
        """The table that is shipped."""
        return cls.load(FILE)
