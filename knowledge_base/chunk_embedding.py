"""Vectors of chunks: those stored already, and those that the embedder still has to make."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from knowledge_base import chunk_rows, chunk_values
from knowledge_base.catalogue import KnowledgeBaseKey
from knowledge_base.database import Database
from knowledge_base.embedders import Embedders
from knowledge_base.shared_embedder import SharedEmbedder
from knowledge_base.stage_times import StageTimes
from loaders.document import Chunk
from loaders.errors import LoadingCancelledError

if TYPE_CHECKING:
    from models.embedder import Embedder

_AT_ONCE = 32
"""Texts that one caller gives to the embedder before others have their turn."""


class ChunkEmbedding:
    """Embeds chunks. Safe to be called from several threads at once, which share the model's time."""

    def __init__(
        self, database: Database, embedders: Embedders, *, times: StageTimes, patience: float = 0.0
    ) -> None:
        """`patience`: seconds for which an embedder that is unavailable is tried again."""
        self._database = database
        self._embedders = embedders
        self._times = times
        self._patience = patience
        self._shared: dict[str, SharedEmbedder] = {}
        self._lock = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """Names the embedder of the settings."""
        return self._embedders().fingerprint

    @property
    def dimension(self) -> int:
        """Length of the vectors of the embedder of the settings."""
        return self._embedders().dimension

    def embedder_of(self, key: KnowledgeBaseKey) -> Embedder:
        """The embedder whose vectors a knowledge base holds. Raises `EmbedderChangedError`."""
        return self._embedders.of(key)

    def remember(self) -> None:
        """Keep how the embedder of the settings is named, before vectors of it are stored."""
        self._embedders.remember()

    def embed(
        self,
        chunks: Sequence[Chunk],
        *,
        embedder: Embedder | None = None,
        progress: Callable[[int], None] = lambda _: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> dict[bytes, np.ndarray]:
        """Vectors of shape (dimension,) by `chunk_values.search_hash`.

        They are those of `embedder`, or of the one of the settings. Texts embedded before, here or
        elsewhere, are not embedded again; `progress` counts the others. Raises a `ModelError`, and
        `LoadingCancelledError`.
        """
        self.remember()
        embedder = embedder or self._embedders()
        shared = self._shared_one(embedder)
        hashes = [chunk_values.search_hash(chunk) for chunk in chunks]
        with self._database.read() as connection:
            known = chunk_rows.known_vectors(connection, set(hashes), embedder.fingerprint)
        texts = {
            digest: chunk.search_text
            for digest, chunk in zip(hashes, chunks, strict=True)
            if digest not in known
        }
        # Longest first: the slices then hold texts of like length, which batch without padding.
        missing = sorted(texts, key=lambda digest: -len(texts[digest]))
        for start in range(0, len(missing), _AT_ONCE):
            if cancelled():
                raise LoadingCancelledError("cancelled while embedding")
            part = missing[start : start + _AT_ONCE]
            with self._times.of("embed"):
                vectors = shared.encode([texts[digest] for digest in part], cancelled=cancelled)
            known.update(zip(part, vectors, strict=True))
            progress(start + len(part))
        return known

    def _shared_one(self, embedder: Embedder) -> SharedEmbedder:
        with self._lock:
            shared = self._shared.get(embedder.fingerprint)
            if shared is None:
                # Only the one asked last is kept, so that a former one's memory is given back.
                shared = SharedEmbedder(lambda: embedder, patience=self._patience)
                self._shared = {embedder.fingerprint: shared}
            return shared
