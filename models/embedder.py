"""What an embedder is: LangChain's `Embeddings`, with arrays and a fingerprint."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from langchain_core.embeddings import Embeddings


class Embedder(Embeddings):
    """Turns texts into unit vectors. Safe to be called from several threads at once."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Names the model and everything that changes its vectors; vectors of two never mix."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Length of a vector."""

    @abstractmethod
    def encode_documents(self, texts: Sequence[str]) -> np.ndarray:
        """Embed passages: float32 of shape (len(texts), dimension), each row of unit length."""

    @abstractmethod
    def encode_query(self, text: str) -> np.ndarray:
        """Embed one question: float32 of shape (dimension,), of unit length."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """LangChain's form of `encode_documents`."""
        rows: list[list[float]] = self.encode_documents(texts).tolist()
        return rows

    def embed_query(self, text: str) -> list[float]:
        """LangChain's form of `encode_query`."""
        row: list[float] = self.encode_query(text).tolist()
        return row
