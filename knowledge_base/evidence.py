"""Looks again at the hits of a search that are unsure, sentence by sentence."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from knowledge_base.types import Hit
from loaders.sentences import split_sentences
from models.embedder import Embedder
from vectorstore.evidence import Asked, SentenceEvidence
from vectorstore.synonyms import Synonyms

KEPT = 20_000
"""Sentences whose vectors are kept, about 30 MB of 384 dimensions."""


class SecondLook:
    """Weighs hits by their sentences, whose vectors it keeps. Safe to be called from several threads."""

    def __init__(self, *, synonyms: Synonyms | None = None, kept: int = KEPT) -> None:
        self._synonyms = synonyms or Synonyms.default()
        self._kept = kept
        self._vectors: OrderedDict[tuple[str, str], np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(
        self,
        query: str,
        hits: Sequence[Hit],
        vector: np.ndarray,
        embedder: Embedder,
        evidence: SentenceEvidence,
    ) -> list[Hit]:
        """The hits in their order, those with a new score for which `evidence` wants their sentences.

        `vector` is the query's, shape (dimension,), unit length. What a hit's score becomes depends
        on the question and its own text alone, whatever else was found.
        """
        unsure = [hit for hit in hits if evidence.wanted(hit.score)]
        if not unsure:
            return list(hits)
        asked = Asked.of(query, self._synonyms)
        sentences = {hit.chunk_id: _sentences(hit, asked) for hit in unsure}
        vectors = self._embedded(dict.fromkeys(s for found in sentences.values() for s in found), embedder)
        weighed = []
        for hit in hits:
            if found := sentences.get(hit.chunk_id):
                cosines = np.array([vectors[sentence] @ vector for sentence in found])
                missing = asked.missing_names(_named(hit))
                hit = replace(hit, score=evidence.relevance(hit.score, hit.dense_score, cosines, missing))
            weighed.append(hit)
        return weighed

    def _embedded(self, sentences: dict[str, None], embedder: Embedder) -> dict[str, np.ndarray]:
        fingerprint = embedder.fingerprint
        with self._lock:
            known = {s: self._vectors[fingerprint, s] for s in sentences if (fingerprint, s) in self._vectors}
        unknown = [sentence for sentence in sentences if sentence not in known]
        if unknown:
            known.update(zip(unknown, embedder.encode_documents(unknown), strict=True))
        with self._lock:
            for sentence in sentences:
                self._vectors[fingerprint, sentence] = known[sentence]
                self._vectors.move_to_end((fingerprint, sentence))
            while len(self._vectors) > self._kept:
                self._vectors.popitem(last=False)
        return known


def _sentences(hit: Hit, asked: Asked) -> list[str]:
    """Those sentences of the hit that are close to the question; of a FAQ pair, of its answer too."""
    text = f"{hit.question}\n{hit.text}" if hit.question else _with_context(hit)
    sentences = [text[start:end] for start, end in split_sentences(text)]
    return [sentences[number] for number in asked.closest(sentences)]


def _with_context(hit: Hit) -> str:
    """The text as `Chunk.search_text` puts it together."""
    return "\n".join(part for part in (" > ".join(hit.heading_path), hit.header, hit.text) if part)


def _named(hit: Hit) -> str:
    """Where the names of a question may stand: a regulation need not name itself in each of its articles."""
    return "\n".join((hit.document, hit.question, _with_context(hit)))
