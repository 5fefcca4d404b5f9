"""A second opinion on hits that the relevance leaves unsure: how near their sentences are to the question.

The vector of a passage is about all that it says. A question is answered by one sentence, whose own
vector is nearer to it than those of the sentences about something else. And a passage that never
names the book or the law that was asked about seldom answers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vectorstore import lexical, occurrences
from vectorstore.background import Background
from vectorstore.chinese import fold
from vectorstore.synonyms import Reading, Synonyms

EVIDENCE = ("relevance", "nearest", "second", "cosine", "missing_names")
"""The logit of the first relevance, the cosines of the nearest sentence, of the second nearest and of
the whole passage, and the share of the question's quoted names that the passage lacks."""
UNSURE = (0.05, 0.95)
"""Relevances between which sentences are looked at; beyond, they hardly change what is decided."""
SENTENCES = 3
"""Sentences of a passage that are looked at: all of them decide no better, and cost three times as much."""

_QUOTED = re.compile(r"[《「“『\"]([^》」”』\"]{1,20})[》」”』\"]")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question looks for in sentences: its terms with their weights, and the names it quotes.

    `read` gives them in the question's words.
    """

    terms: Mapping[str, float]
    names: tuple[str, ...]
    read: Reading

    @classmethod
    def of(cls, question: str, synonyms: Synonyms | None = None) -> Asked:
        """Weighed by the background alone, so that what is looked at depends on no collection."""
        folded, background = fold(question), Background.default()
        asked = lexical.question(folded, lambda term: background.idf(term, 0, 0))
        terms = {asked.sought(term): weight for term, weight in asked.content.items()}
        return cls(terms, quoted_names(folded), (synonyms or Synonyms.default()).reading(folded))

    def closest(self, sentences: Sequence[str]) -> list[int]:
        """The at most `SENTENCES` sentences that hold most of the question, the earlier of equal ones."""
        if len(sentences) <= SENTENCES:
            return list(range(len(sentences)))
        found = occurrences.find(list(self.terms), [self.read(fold(sentence)) for sentence in sentences])
        weights = found.present(len(self.terms)) @ np.array(list(self.terms.values()))
        return sorted(np.argsort(-weights, kind="stable")[:SENTENCES].tolist())

    def missing_names(self, text: str) -> float:
        """The share of the quoted names that a text lacks, 0 for a question that quotes none."""
        if not self.names:
            return 0.0
        folded = fold(text)
        return sum(name not in folded for name in self.names) / len(self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceEvidence:
    """A logistic model over `EVIDENCE`, fitted after the calibration that it is a part of."""

    weights: Mapping[str, float]
    intercept: float

    def wanted(self, relevance: float) -> bool:
        """Whether a hit of that relevance is looked at again; this depends on nothing else."""
        return UNSURE[0] < relevance < UNSURE[1]

    def relevance(self, first: float, cosine: float, sentences: np.ndarray, missing_names: float) -> float:
        """The relevance in [0, 1] of a hit from its first one, its cosine and those of its sentences."""
        parts = evidence_parts(math.log(first / (1.0 - first)), cosine, sentences, missing_names)
        logit = float(parts @ [self.weights[name] for name in EVIDENCE]) + self.intercept
        return 1.0 / (1.0 + math.exp(-min(max(logit, -60.0), 60.0)))

    def content(self) -> dict[str, Any]:
        """What JSON takes."""
        return {"weights": dict(self.weights), "intercept": self.intercept}

    @classmethod
    def of(cls, content: Any) -> SentenceEvidence:
        """From what `content` gave; a part that it does not know weighs nothing.

        Raises `KeyError`, `TypeError` or `ValueError` when it is none.
        """
        weights = dict(content["weights"])
        return cls(
            weights={name: float(weights.get(name, 0.0)) for name in EVIDENCE},
            intercept=float(content["intercept"]),
        )


def evidence_parts(logit: float, cosine: float, sentences: np.ndarray, missing_names: float) -> np.ndarray:
    """`EVIDENCE` as an array; `sentences` are cosines of shape (n,), n at least 1.

    A lone sentence is its own second.
    """
    nearest = np.sort(sentences)[::-1]
    return np.array([logit, nearest[0], nearest[:2][-1], cosine, missing_names])


def quoted_names(folded: str) -> tuple[str, ...]:
    """What a folded text puts in title or quotation marks."""
    return tuple(found[1] for found in _QUOTED.finditer(folded))
