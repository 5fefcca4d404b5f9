"""From a question to the chunks that may answer it, over one or several knowledge bases."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from knowledge_base import searched_chunks
from knowledge_base.catalogue import Catalogue
from knowledge_base.diversity import diversify
from knowledge_base.embedders import Embedders
from knowledge_base.errors import CatalogueDamagedError
from knowledge_base.evidence import Reader, SecondLook
from knowledge_base.folding import fold_near_duplicates
from knowledge_base.indexes import IndexCache
from knowledge_base.neighbours import with_neighbours
from knowledge_base.types import Hit
from vectorstore.base import AS_CALIBRATED, Weights
from vectorstore.chinese import fold
from vectorstore.evidence import AnswerabilityEvidence, SentenceEvidence
from vectorstore.synonyms import Reading, Synonyms

logger = logging.getLogger(__name__)

CANDIDATES = 4
"""Candidates looked at for each hit that is asked for, so that folding and reranking have a choice."""
FEWEST = 20
"""Candidates looked at at least, so that the best one does not depend on how many are asked for."""


class Reranker(Protocol):
    """Orders passages by how well they answer."""

    def scores(self, question: str, passages: Sequence[str]) -> np.ndarray:
        """One score a passage, shape (len(passages),), higher is better."""
        ...


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What a query found.

    `query_vector` is of the embedder of the settings, whatever the knowledge bases were made with:
    shape (dimension,), float32, unit length.
    """

    hits: list[Hit]
    query_vector: np.ndarray
    unreadable: int = 0
    """Passages that were left out because the catalogue is damaged where they stand."""
    embed_seconds: float = 0.0
    """How long the query took to become vectors, loading an embedder included."""
    read: Reading = str
    """Gives folded texts in the query's words, where they use others of the same meaning."""


class Retriever:
    """Searches knowledge bases, each with its own embedder. Safe to be called from several threads at once.

    `default_threshold` gives the threshold that the relevance of an embedder's hits is calibrated for,
    `evidence` what their sentences change about it and `answerability` what the reader that `reader`
    gives does then. `synonyms` are those of the indexes.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        indexes: IndexCache,
        *,
        embedders: Embedders,
        default_threshold: Callable[[str], float] = lambda _: 0.5,
        evidence: Callable[[str], SentenceEvidence | None] = lambda _: None,
        answerability: Callable[[str], AnswerabilityEvidence | None] = lambda _: None,
        reader: Callable[[], Reader | None] = lambda: None,
        synonyms: Synonyms | None = None,
        reranker: Reranker | None = None,
        diversity: float = 0.0,
    ) -> None:
        self._catalogue = catalogue
        self._indexes = indexes
        self._embedders = embedders
        self._default_threshold = default_threshold
        self._evidence = evidence
        self._synonyms = synonyms or Synonyms.default()
        self._answerability = answerability
        self._reader = reader
        self._second_look = SecondLook(synonyms=self._synonyms, reader=reader)
        self._reranker = reranker
        self._diversity = diversity

    def make_reader(self) -> None:
        """Make the reader now where new documents' hits need one, so that no question waits for it."""
        if self._answerability(self._embedders().fingerprint):
            self._reader()

    def search(
        self,
        query: str,
        knowledge_bases: Sequence[str],
        *,
        top_k: int,
        threshold: float | None = None,
        document_ids: Collection[str] | None = None,
        neighbours: bool = False,
        weights: Weights = AS_CALIBRATED,
    ) -> Retrieval:
        """The `top_k` best chunks with a relevance of at least `threshold`, best first.

        Without a `threshold`, each knowledge base's embedder has its own.
        Of passages that say the same only the best is given. A reranker decides the order, never
        which passages are relevant, so that the threshold keeps its meaning. With `neighbours`,
        the hits bring the text before and after them. `weights` are as for `SearchIndex.search`.
        Raises `KnowledgeBaseNotFoundError`, and `EmbedderChangedError` when the embedder that a
        knowledge base was made with is not that of the settings and cannot be loaded any more.
        """
        found_keys = [self._catalogue.key(name) for name in dict.fromkeys(knowledge_bases)]
        start = time.perf_counter()
        # Of those without an embedder nothing was ever stored.
        embedders = {key: self._embedders.of(key) for key in found_keys if key.embedder}
        chosen = self._embedders()
        vectors = {chosen.fingerprint: chosen.encode_query(query)}
        for embedder in embedders.values():
            if embedder.fingerprint not in vectors:
                vectors[embedder.fingerprint] = embedder.encode_query(query)
        embed_seconds = time.perf_counter() - start
        of_key = {key: vectors[embedder.fingerprint] for key, embedder in embedders.items()}
        # Several are weighed as the one they would be together, so that their scores can be compared.
        frequency = None
        if len(of_key) > 1:
            frequency = self._indexes.frequency({key: len(vector) for key, vector in of_key.items()})
        allowed = self._chunk_ids(document_ids)
        found: list[Hit] = []
        unreadable = 0
        for key, vector in of_key.items():
            least = self._default_threshold(key.embedder) if threshold is None else threshold
            # With other weights a relevance is none that the sentences' model was fitted on.
            evidence = self._evidence(key.embedder) if weights == AS_CALIBRATED else None
            scored = self._indexes.search(
                key,
                query,
                vector,
                k=max(FEWEST, CANDIDATES * top_k),
                allowed=allowed,
                frequency=frequency,
                weights=weights,
            )
            hits, missing = self._hits(
                {
                    s.id: (s.score, s.dense_score, s.keyword_score)
                    for s in scored
                    if s.score >= least or (evidence and evidence.wanted(s.score))
                }
            )
            if evidence:
                reading = self._answerability(key.embedder)
                hits = self._second_look(query, hits, vector, embedders[key], evidence, reading)
            found += [hit for hit in hits if hit.score >= least]
            unreadable += missing
        # Ties are broken by age so that the same question always gets the same order.
        found.sort(key=lambda hit: (-hit.score, hit.chunk_id))
        distinct = fold_near_duplicates(self._reranked(query, found[: CANDIDATES * top_k]))
        hits = diversify(distinct, self._diversity)[:top_k]
        if neighbours and hits:
            with (
                suppress(CatalogueDamagedError),  # then without
                self._catalogue.database.read() as connection,
            ):
                hits = with_neighbours(connection, hits)
        read = self._synonyms.reading(fold(query))
        return Retrieval(hits, vectors[chosen.fingerprint], unreadable, embed_seconds, read)

    def _hits(self, scores: dict[int, tuple[float, float, float]]) -> tuple[list[Hit], int]:
        """The chunks with these scores, and how many of them a damaged catalogue cannot give."""
        database = self._catalogue.database
        try:
            with database.read() as connection:
                return list(searched_chunks.hits(connection, scores).values()), 0
        except CatalogueDamagedError:
            found: list[Hit] = []
            unreadable = 0
            for chunk_id, score in scores.items():
                try:
                    with database.read() as connection:
                        found.extend(searched_chunks.hits(connection, {chunk_id: score}).values())
                except CatalogueDamagedError:
                    unreadable += 1
            logger.warning("the catalogue is damaged: %d passages of a search cannot be read", unreadable)
            return found, unreadable

    def _reranked(self, query: str, hits: list[Hit]) -> list[Hit]:
        if self._reranker is None or len(hits) < 2:
            return hits
        passages = ["\n".join(part for part in (hit.question, hit.header, hit.text) if part) for hit in hits]
        order = np.argsort(-self._reranker.scores(query, passages), kind="stable")
        return [hits[position] for position in order]

    def _chunk_ids(self, document_ids: Collection[str] | None) -> set[int] | None:
        if document_ids is None:
            return None
        with self._catalogue.database.read() as connection:
            return searched_chunks.document_chunk_ids(connection, document_ids)
