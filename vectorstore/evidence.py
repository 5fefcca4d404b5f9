"""Second opinions on hits that the relevance leaves unsure: their sentences, and a reader's.

The vector of a passage is about all that it says. A question is answered by one sentence, whose own
vector is nearer to it than those of the sentences about something else. And a passage that never
names the book or the law that was asked about seldom answers. What is still unsure then is read
together with the question by a cross-encoder.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import numpy as np

from vectorstore import lexical, occurrences
from vectorstore.background import Background
from vectorstore.chinese import fold, is_han
from vectorstore.synonyms import Reading, Synonyms

EVIDENCE = ("relevance", "nearest", "second", "cosine", "missing_names")
"""The logit of the first relevance, the cosines of the nearest sentence, of the second nearest and of
the whole passage, and the share of the question's quoted names that the passage lacks."""
UNSURE = (0.05, 0.95)
"""Relevances between which sentences are looked at; beyond, they hardly change what is decided."""
SENTENCES = 3
"""Sentences of a passage that are looked at: all of them decide no better, and cost three times as much."""
ANSWERABILITY = ("relevance", "answerability")
"""The logit of the relevance so far, and that of a reader of question and sentences together."""
CHARACTERS = 1_000
"""Of a question, and of the sentences read with it: more than a reader takes of either."""
LEAST = -3.0
"""No logit of a reader counts as less: what answers may stand in a sentence that it was not shown."""
STILL_UNSURE = (0.05, 0.95)
"""Relevances between which the sentences are read, once the first evidence is in."""

_Kind = TypeVar("_Kind", bound="Evidence")
_QUOTED = re.compile(r"[《「“『\"]([^》」”』\"]{1,20})[》」”』\"]")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question looks for in sentences: its terms with their weights, and the names it quotes.

    `question` is folded, and cut where a reader stops; `read` gives folded texts in its words.
    """

    question: str
    terms: Mapping[str, float]
    names: tuple[str, ...]
    read: Reading

    @classmethod
    def of(cls, question: str, synonyms: Synonyms | None = None) -> Asked:
        """Weighed by the background alone, so that what is looked at depends on no collection."""
        folded, background = fold(question), Background.default()
        asked = lexical.question(folded, lambda term: background.idf(term, 0, 0))
        terms = {asked.sought(term): weight for term, weight in asked.content.items()}
        read = (synonyms or Synonyms.default()).reading(folded)
        return cls(folded[:CHARACTERS], terms, quoted_names(folded), read)

    @property
    def chinese(self) -> bool:
        """Whether there is a Chinese character in the question."""
        return any(map(is_han, self.question))

    def closest(self, sentences: Sequence[str]) -> list[int]:
        """The at most `SENTENCES` sentences that hold most of the question, the earlier of equal ones."""
        return Looked(self, sentences).closest()

    def missing_names(self, text: str) -> float:
        """The share of the quoted names that a text lacks, 0 for a question that quotes none."""
        if not self.names:
            return 0.0
        folded = fold(text)
        return sum(name not in folded for name in self.names) / len(self.names)


@dataclass(frozen=True)
class Looked:
    """Sentences of a text as a question looks at them; they are folded and weighed once, if at all."""

    asked: Asked
    sentences: Sequence[str]

    @cached_property
    def forms(self) -> list[str]:
        """The sentences folded and in the question's words."""
        return [self.asked.read(fold(sentence[:CHARACTERS])) for sentence in self.sentences]

    @cached_property
    def _weights(self) -> np.ndarray:
        found = occurrences.find(list(self.asked.terms), self.forms)
        weights: np.ndarray = found.present(len(self.asked.terms)) @ np.array([*self.asked.terms.values()])
        return weights

    def closest(self, first: int = 0) -> list[int]:
        """The at most `SENTENCES` from `first` on with most of the question, the earlier of equal ones."""
        if len(self.sentences) <= first + SENTENCES:
            return list(range(first, len(self.sentences)))
        most = np.argsort(-self._weights[first:], kind="stable")[:SENTENCES]
        return sorted((first + most).tolist())

    def shown(self, first: int = 0) -> str:
        """The closest from `first` on as one text, as a reader takes it."""
        return "".join(self.forms[number] for number in self.closest(first))[:CHARACTERS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A logistic model over some parts, for the relevances between the two edges of `UNSURE`."""

    PARTS: ClassVar[tuple[str, ...]]
    UNSURE: ClassVar[tuple[float, float]]

    weights: Mapping[str, float]
    intercept: float

    def wanted(self, relevance: float) -> bool:
        """Whether a hit of that relevance is looked at again; this depends on nothing else."""
        return self.UNSURE[0] < relevance < self.UNSURE[1]

    def content(self) -> dict[str, Any]:
        """What JSON takes."""
        return {"weights": dict(self.weights), "intercept": self.intercept}

    @classmethod
    def of(cls: type[_Kind], content: Any) -> _Kind:
        """From what `content` gave; a part that it does not know weighs nothing.

        Raises `KeyError`, `TypeError` or `ValueError` when it is none.
        """
        weights = dict(content["weights"])
        return cls(
            weights={name: float(weights.get(name, 0.0)) for name in cls.PARTS},
            intercept=float(content["intercept"]),
        )

    def _relevance(self, parts: np.ndarray) -> float:
        logit = float(parts @ [self.weights[name] for name in self.PARTS]) + self.intercept
        return 1.0 / (1.0 + math.exp(-min(max(logit, -60.0), 60.0)))


class SentenceEvidence(Evidence):
    """Fitted after the calibration that it is a part of."""

    PARTS = EVIDENCE
    UNSURE = UNSURE

    def relevance(self, first: float, cosine: float, sentences: np.ndarray, missing_names: float) -> float:
        """The relevance in [0, 1] of a hit from its first one, its cosine and those of its sentences."""
        return self._relevance(evidence_parts(_logit(first), cosine, sentences, missing_names))


class AnswerabilityEvidence(Evidence):
    """Fitted after the `SentenceEvidence` beside it."""

    PARTS = ANSWERABILITY
    UNSURE = STILL_UNSURE

    def relevance(self, second: float, answerability: float) -> float:
        """The relevance in [0, 1] of a hit from the one so far and the reader's logit."""
        return self._relevance(np.array([_logit(second), max(answerability, LEAST)]))


def _logit(relevance: float) -> float:
    return math.log(relevance / (1.0 - relevance))


def evidence_parts(logit: float, cosine: float, sentences: np.ndarray, missing_names: float) -> np.ndarray:
    """`EVIDENCE` as an array; `sentences` are cosines of shape (n,), n at least 1.

    A lone sentence is its own second.
    """
    nearest = np.sort(sentences)[::-1]
    return np.array([logit, nearest[0], nearest[:2][-1], cosine, missing_names])


def quoted_names(folded: str) -> tuple[str, ...]:
    """What a folded text puts in title or quotation marks."""
    return tuple(found[1] for found in _QUOTED.finditer(folded))
