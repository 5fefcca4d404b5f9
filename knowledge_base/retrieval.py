"""From a question to the chunks that may answer it, over one or several knowledge bases."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from knowledge_base import chunk_rows
from knowledge_base.catalogue import Catalogue, KnowledgeBaseKey
from knowledge_base.diversity import diversify
from knowledge_base.errors import CatalogueDamagedError, EmbedderChangedError
from knowledge_base.folding import fold_near_duplicates
from knowledge_base.indexes import IndexCache
from knowledge_base.neighbours import with_neighbours
from knowledge_base.types import Hit

if TYPE_CHECKING:
    from models.embedder import Embedder

logger = logging.getLogger(__name__)

CANDIDATES = 4
"""Candidates looked at for each hit that is asked for, so that folding and reranking have a choice."""


class Reranker(Protocol):
    """Orders passages by how well they answer."""

    def scores(self, question: str, passages: Sequence[str]) -> np.ndarray:
        """One score a passage, shape (len(passages),), higher is better."""
        ...


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What a query found. `query_vector` has shape (dimension,), float32, unit length."""

    hits: list[Hit]
    query_vector: np.ndarray
    unreadable: int = 0
    """Passages that were left out because the catalogue is damaged where they stand."""


class Retriever:
    """Searches knowledge bases. Safe to be called from several threads at once."""

    def __init__(
        self,
        catalogue: Catalogue,
        indexes: IndexCache,
        *,
        embedder: Callable[[], Embedder],
        reranker: Reranker | None = None,
        diversity: float = 0.0,
    ) -> None:
        self._catalogue = catalogue
        self._indexes = indexes
        self._embedder = embedder
        self._reranker = reranker
        self._diversity = diversity

    def search(
        self,
        query: str,
        knowledge_bases: Sequence[str],
        *,
        top_k: int,
        threshold: float,
        document_ids: Collection[str] | None = None,
        neighbours: bool = False,
    ) -> Retrieval:
        """The `top_k` best chunks with a relevance of at least `threshold`, best first.

        Of passages that say the same only the best is given. A reranker decides the order, never
        which passages are relevant, so that the threshold keeps its meaning. With `neighbours`,
        the hits bring the text before and after them.
        Raises `KnowledgeBaseNotFoundError`, and `EmbedderChangedError` when a knowledge base
        holds vectors that the present embedder cannot be compared with.
        """
        embedder = self._embedder()
        checked = (self._checked(name, embedder) for name in dict.fromkeys(knowledge_bases))
        keys = [key for key in checked if key is not None]
        vector = embedder.encode_query(query)
        # Several are weighed as the one they would be together, so that their scores can be compared.
        frequency = self._indexes.frequency(keys, dimension=len(vector)) if len(keys) > 1 else None
        allowed = self._chunk_ids(document_ids)
        scores: dict[int, tuple[float, float, float]] = {}
        for key in keys:
            scored = self._indexes.search(
                key, query, vector, k=CANDIDATES * top_k, allowed=allowed, frequency=frequency
            )
            scores.update({s.id: (s.score, s.dense_score, s.keyword_score) for s in scored})
        found, unreadable = self._hits(scores)
        # Ties are broken by age so that the same question always gets the same order.
        found.sort(key=lambda hit: (-hit.score, hit.chunk_id))
        relevant = [hit for hit in found if hit.score >= threshold][: CANDIDATES * top_k]
        distinct = fold_near_duplicates(self._reranked(query, relevant))
        hits = diversify(distinct, self._diversity)[:top_k]
        if neighbours and hits:
            with (
                suppress(CatalogueDamagedError),  # then without
                self._catalogue.database.read() as connection,
            ):
                hits = with_neighbours(connection, hits)
        return Retrieval(hits, vector, unreadable)

    def _hits(self, scores: dict[int, tuple[float, float, float]]) -> tuple[list[Hit], int]:
        """The chunks with these scores, and how many of them a damaged catalogue cannot give."""
        database = self._catalogue.database
        try:
            with database.read() as connection:
                return list(chunk_rows.hits(connection, scores).values()), 0
        except CatalogueDamagedError:
            found: list[Hit] = []
            unreadable = 0
            for chunk_id, score in scores.items():
                try:
                    with database.read() as connection:
                        found.extend(chunk_rows.hits(connection, {chunk_id: score}).values())
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

    def _checked(self, name: str, embedder: Embedder) -> KnowledgeBaseKey | None:
        """The key of a knowledge base; None of one in which nothing was ever stored."""
        key = self._catalogue.key(name)
        if key.embedder not in ("", embedder.fingerprint):
            raise EmbedderChangedError(
                f"{key.name!r} holds vectors of another embedder; rebuild it first", name=key.name
            )
        return key if key.embedder else None

    def _chunk_ids(self, document_ids: Collection[str] | None) -> set[int] | None:
        if document_ids is None:
            return None
        with self._catalogue.database.read() as connection:
            return chunk_rows.document_chunk_ids(connection, document_ids)
