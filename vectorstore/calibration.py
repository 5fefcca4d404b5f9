"""From the parts of a hit to one relevance in [0, 1].

The parts describe a question and a text alone, so that a relevance means the same in every
collection and under every filter: the probability that the text answers the question, where half
of the questions asked can be answered.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from vectorstore.errors import IndexFilesError
from vectorstore.evidence import AnswerabilityEvidence, SentenceEvidence
from vectorstore.lexical import LexicalParts

logger = logging.getLogger(__name__)

FILE = Path(__file__).with_name("calibration.json")
WORDS_FILE = Path(__file__).with_name("calibration_words.json")
"""Fitted without cosines, for embedders whose cosines nothing is known of."""
CALIBRATED = "multilingual-e5-small/"
"""What the fingerprints of the embedder begin with that `FILE` was fitted for, whatever runs it."""
PARTS = ("cosine", *LexicalParts._fields)
"""Columns of the parts, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A logistic model over `PARTS`, fitted for one embedder by `vectorstore.fitting`.

    J. Platt, "Probabilistic Outputs for Support Vector Machines" (1999).
    """

    weights: Mapping[str, float]
    intercept: float
    threshold: float
    """The relevance below which a hit is not shown, unless the user sets another."""
    sentences: SentenceEvidence | None = None
    """What changes a relevance that is unsure, once more is known of the text."""
    answerability: AnswerabilityEvidence | None = None
    """What changes one that is unsure even then, once question and text are read together."""

    def relevance(self, parts: np.ndarray) -> np.ndarray:
        """Relevance of shape (n,) for parts of shape (n, len(PARTS))."""
        logits = parts @ np.array([self.weights[name] for name in PARTS]) + self.intercept
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -60.0, 60.0))), dtype=np.float64)

    def weighted(self, dense: float, keyword: float) -> Calibration:
        """With the weights of each arm's parts multiplied, to try what it contributes.

        The order stays that of a relevance; the threshold must be chosen anew.
        """
        if (dense, keyword) == (1.0, 1.0):
            return self
        weights = {
            name: value * (dense if name == "cosine" else keyword) for name, value in self.weights.items()
        }
        return replace(self, weights=weights, sentences=None, answerability=None)

    def save(self, path: Path) -> None:
        """Write to a JSON file."""
        content = {
            "weights": dict(self.weights),
            "intercept": self.intercept,
            "threshold": self.threshold,
            "sentences": self.sentences.content() if self.sentences else None,
            "answerability": self.answerability.content() if self.answerability else None,
        }
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """Read what `save` wrote. Raises `IndexFilesError` when it is no calibration."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            weights = {"latin": 0.0, **content["weights"]}  # older calibrations lack that part
            return cls(
                weights={name: float(weights[name]) for name in PARTS},
                intercept=float(content["intercept"]),
                threshold=float(content["threshold"]),
                sentences=SentenceEvidence.of(found) if (found := content.get("sentences")) else None,
                answerability=AnswerabilityEvidence.of(read)
                if (read := content.get("answerability"))
                else None,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IndexFilesError(f"no calibration can be read from {path}: {error}") from error

    @classmethod
    def unfitted(cls) -> Calibration:
        """What says the same of every hit, for an index whose parts are to be fitted."""
        return cls(weights=dict.fromkeys(PARTS, 0.0), intercept=0.0, threshold=0.5)

    @classmethod
    @lru_cache(maxsize=1)
    def default(cls) -> Calibration:
        """The calibration of the default embedder."""
        return cls.load(FILE)

    @classmethod
    @lru_cache(maxsize=1)
    def words(cls) -> Calibration:
        """The calibration that goes by words alone."""
        return cls.load(WORDS_FILE)


class Calibrations:
    """The calibration of each embedder: one that was made here, else the one that is shipped.

    An embedder that has neither is served by words alone, because its cosines may lie anywhere.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, fingerprint: str) -> Calibration:
        """The calibration of the embedder with that fingerprint.

        Raises `IndexFilesError` when its file is damaged.
        """
        file = self._file(fingerprint)
        if file.exists():
            return Calibration.load(file)
        if fingerprint.startswith(CALIBRATED):
            return Calibration.default()
        logger.warning("the embedder %s has no calibration: passages are judged by their words", fingerprint)
        return Calibration.words()

    def save(self, fingerprint: str, calibration: Calibration) -> Path:
        """Keep the calibration of an embedder, and return its file."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._file(fingerprint)
        part = file.with_suffix(".part")
        calibration.save(part)
        part.replace(file)
        return file

    def _file(self, fingerprint: str) -> Path:
        return self._folder / f"{hashlib.sha256(fingerprint.encode()).hexdigest()[:32]}.json"
