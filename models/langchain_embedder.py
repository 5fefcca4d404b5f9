"""Any LangChain embedding model as an `Embedder`."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from langchain_core.embeddings import Embeddings

from models.embedder import Embedder
from models.errors import ModelError, ModelUnavailableError


class LangChainEmbedder(Embedder):
    """Wraps `inner` and brings its vectors to unit length.

    `name` must change with whatever changes the vectors, as it makes the fingerprint.
    """

    def __init__(self, inner: Embeddings, *, name: str) -> None:
        self._inner = inner
        self._name = name
        self._dimension: int | None = None
        self._lock = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """See `Embedder.fingerprint`."""
        kind = type(self._inner)
        return f"langchain/{kind.__module__}:{kind.__qualname__}/{self._name}"

    @property
    def dimension(self) -> int:
        """See `Embedder.dimension`."""
        with self._lock:
            if self._dimension is None:
                self._dimension = len(self.encode_query("dimension"))
        size: int = self._dimension
        return size

    def encode_documents(self, texts: Sequence[str]) -> np.ndarray:
        """See `Embedder.encode_documents`."""
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        try:
            rows = self._inner.embed_documents(list(texts))
        except Exception as error:  # an adapter of anyone's
            raise self._unavailable(error) from error
        vectors = np.asarray(rows, np.float32)
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise ModelError(f"{self._name} gave vectors of shape {vectors.shape} for {len(texts)} texts")
        return _unit(vectors)

    def encode_query(self, text: str) -> np.ndarray:
        """See `Embedder.encode_query`."""
        try:
            row = self._inner.embed_query(text)
        except Exception as error:  # an adapter of anyone's
            raise self._unavailable(error) from error
        vector: np.ndarray = _unit(np.asarray([row], np.float32))[0]
        return vector

    def _unavailable(self, error: Exception) -> ModelUnavailableError:
        return ModelUnavailableError(f"The embedding model {self._name} failed: {error}", model=self._name)


def _unit(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: np.ndarray = vectors / np.maximum(norms, 1e-12)
    return unit
