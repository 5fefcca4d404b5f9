"""Looks again at the hits of a search that are unsure: at their sentences, then with a reader."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeAlias

import numpy as np

from knowledge_base.types import Hit
from loaders.sentences import split_sentences
from models.embedder import Embedder
from models.errors import ModelError
from vectorstore.evidence import AnswerabilityEvidence, Asked, Looked, SentenceEvidence
from vectorstore.synonyms import Synonyms

logger = logging.getLogger(__name__)

KEPT = 20_000
"""Sentences whose vectors are kept, about 30 MB of 384 dimensions, and pairs whose logits are."""

_Pair: TypeAlias = tuple[str, str]
"""A model and a sentence, or a question and a text."""


class Reader(Protocol):
    """Reads a question and passages together; see `models.answerability`."""

    def logits(self, question: str, passages: Sequence[str]) -> np.ndarray:
        """Of each passage, shape (len(passages),): the higher, the likelier it answers."""
        ...


class SecondLook:
    """Weighs hits by their sentences, whose vectors it keeps. Safe to be called from several threads.

    `reader` makes the reader at the first pair that is to be read; it gives none where there is none.
    """

    def __init__(
        self,
        *,
        synonyms: Synonyms | None = None,
        reader: Callable[[], Reader | None] = lambda: None,
        kept: int = KEPT,
    ) -> None:
        self._synonyms = synonyms or Synonyms.default()
        self._reader = reader
        self._vectors = _Kept(kept)
        self._logits = _Kept(kept)

    def __call__(
        self,
        query: str,
        hits: Sequence[Hit],
        vector: np.ndarray,
        embedder: Embedder,
        sentences: SentenceEvidence,
        answerability: AnswerabilityEvidence | None = None,
    ) -> list[Hit]:
        """The hits in their order, those with a new score for which the evidence wants more.

        `vector` is the query's, shape (dimension,), unit length. What a hit's score becomes depends
        on the question and its own text alone, whatever else was found.
        """
        unsure = [hit for hit in hits if sentences.wanted(hit.score)]
        if not unsure:
            return list(hits)
        asked = Asked.of(query, self._synonyms)
        passages = {hit.chunk_id: _Passage(hit, asked) for hit in unsure}
        closest = {key: passage.closest for key, passage in passages.items() if passage.closest}
        scores = self._weighed(asked, unsure, closest, vector, embedder, sentences)
        if answerability and asked.chinese:
            doubtful = {key: score for key, score in scores.items() if answerability.wanted(score)}
            texts = {key: text for key in doubtful if (text := passages[key].shown())}
            logits = self._read(asked, texts)
            scores |= {key: answerability.relevance(doubtful[key], logit) for key, logit in logits.items()}
        return [replace(hit, score=scores.get(hit.chunk_id, hit.score)) for hit in hits]

    def _weighed(
        self,
        asked: Asked,
        hits: Sequence[Hit],
        closest: dict[int, list[str]],
        vector: np.ndarray,
        embedder: Embedder,
        evidence: SentenceEvidence,
    ) -> dict[int, float]:
        """The relevance of each chunk by the cosines of its closest sentences."""
        fingerprint = embedder.fingerprint
        wanted = dict.fromkeys((fingerprint, s) for found in closest.values() for s in found)
        vectors = self._vectors.get(
            list(wanted), lambda unknown: embedder.encode_documents([sentence for _, sentence in unknown])
        )
        scores = {}
        for hit in hits:
            if found := closest.get(hit.chunk_id):
                cosines = np.array([vectors[fingerprint, sentence] @ vector for sentence in found])
                missing = asked.missing_names(_named(hit))
                scores[hit.chunk_id] = evidence.relevance(hit.score, hit.dense_score, cosines, missing)
        return scores

    def _read(self, asked: Asked, texts: dict[int, str]) -> dict[int, float]:
        """The reader's logit of each text; empty where there is no reader, or none that can be loaded."""
        if not texts or (reader := self._reader()) is None:
            return {}
        question = asked.question
        try:
            logits = self._logits.get(
                list(dict.fromkeys((question, text) for text in texts.values())),
                lambda unknown: reader.logits(question, [text for _, text in unknown]),
            )
        except ModelError as error:
            logger.warning("passages that stay unsure are not read with the question: %s", error)
            return {}
        return {key: float(logits[question, text]) for key, text in texts.items()}


class _Kept:
    """The values of the pairs that were asked for last. Safe to be used from several threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[_Pair, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self, keys: Sequence[_Pair], make: Callable[[Sequence[_Pair]], np.ndarray]
    ) -> dict[_Pair, np.ndarray]:
        """The value of each key; `make` gives those that are not known, one a row."""
        with self._lock:
            known = {key: self._known[key] for key in keys if key in self._known}
        if unknown := [key for key in keys if key not in known]:
            known.update(zip(unknown, make(unknown), strict=True))
        with self._lock:
            for key in keys:
                self._known[key] = known[key]
                self._known.move_to_end(key)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return known


class _Passage:
    """A hit's sentences; of a FAQ pair, of its question and its answer."""

    def __init__(self, hit: Hit, asked: Asked) -> None:
        text = f"{hit.question}\n{hit.text}" if hit.question else _with_context(hit)
        spans = split_sentences(text)
        heading = 0 if hit.question else len(" > ".join(hit.heading_path))
        self._looked = Looked(asked, [text[start:end] for start, end in spans])
        self._headings = sum(start < heading for start, _ in spans)
        self.closest = [self._looked.sentences[number] for number in self._looked.closest()]

    def shown(self) -> str:
        """What a reader is shown: the closest sentences, without headings, which answer nothing."""
        return self._looked.shown(self._headings)


def _with_context(hit: Hit) -> str:
    """The text as `Chunk.search_text` puts it together."""
    return "\n".join(part for part in (" > ".join(hit.heading_path), hit.header, hit.text) if part)


def _named(hit: Hit) -> str:
    """Where the names of a question may stand: a regulation need not name itself in each of its articles."""
    return "\n".join((hit.document, hit.question, _with_context(hit)))
