"""An embedder for servers in processes of their own, slow where a variable says so."""

from __future__ import annotations

import hashlib
import os
import threading

from langchain_core.embeddings import Embeddings

SECONDS_A_TEXT = "SLOW_EMBEDDER_SECONDS"


class SlowEmbeddings(Embeddings):
    """Vectors that tell texts apart, of 32 numbers."""

    def embed_query(self, text: str) -> list[float]:
        threading.Event().wait(float(os.environ.get(SECONDS_A_TEXT, "0")))
        return [byte / 128 - 1 for byte in hashlib.sha256(text.encode()).digest()]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]
