"""What others do, to be measured beside. They come with the `dev` extra."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

_PACKAGES = ("jieba", "langchain_community", "rank_bm25")


def missing() -> list[str]:
    """Packages of rivals that are not installed."""
    return [name for name in _PACKAGES if find_spec(name) is None]


class LangChainFaiss:
    """LangChain's FAISS vector store, as its documentation makes it."""

    def __init__(self, dimension: int) -> None:
        from langchain_core.embeddings import DeterministicFakeEmbedding

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the package is looked after no more
            from langchain_community.vectorstores import FAISS
        self._make: Callable[..., Any] = FAISS.from_embeddings
        self._embedding = DeterministicFakeEmbedding(size=dimension)
        self._store: Any = None

    def add(self, ids: Sequence[int], texts: Sequence[str], vectors: np.ndarray) -> None:
        """Add chunks."""
        pairs = list(zip(texts, vectors.tolist(), strict=True))
        names = [str(entry) for entry in ids]
        if self._store is None:
            self._store = self._make(pairs, self._embedding, ids=names)
        else:
            self._store.add_embeddings(pairs, ids=names)

    def search(self, vector: np.ndarray, k: int) -> list[int]:
        """The ids of the nearest chunks."""
        found = self._store.similarity_search_with_score_by_vector(vector.tolist(), k=k)
        return [int(document.id) for document, _ in found]

    def remove(self, ids: Sequence[int]) -> None:
        """Remove chunks."""
        self._store.delete([str(entry) for entry in ids])

    def save(self, folder: Path) -> None:
        """Write the store's files."""
        self._store.save_local(str(folder))


class LangChainPipeline:
    """The chain of the tutorials: a loader a file, recursive splitter, embeddings, FAISS, nearest passages.

    It embeds with the same model as ours does, as `HuggingFaceEmbeddings` runs it by default, and
    cuts into pieces of the same size.
    """

    def __init__(self, model: Path, *, chunk_size: int, overlap: int) -> None:
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the package is looked after no more
            from langchain_community.embeddings import HuggingFaceEmbeddings

            self._embeddings = HuggingFaceEmbeddings(
                model_name=str(model), model_kwargs={"device": "cpu"}, show_progress=False
            )
        self._splitter = RecursiveCharacterTextSplitter(chunk_size=chunk_size, chunk_overlap=overlap)
        self._store: Any = None

    def warm_up(self) -> None:
        """Run the model once."""
        self._embeddings.embed_query("")

    def add(self, path: Path) -> tuple[int, int]:
        """Take in a PDF or a text; how many pages and pieces it had."""
        from langchain_community.document_loaders import PDFPlumberLoader, TextLoader

        loader: Any = PDFPlumberLoader if path.suffix == ".pdf" else partial(TextLoader, encoding="utf-8")
        pages = loader(str(path)).load()
        pieces = [piece for piece in self._splitter.split_documents(pages) if piece.page_content.strip()]
        if pieces and self._store is None:
            from langchain_community.vectorstores import FAISS

            self._store = FAISS.from_documents(pieces, self._embeddings)
        elif pieces:
            self._store.add_documents(pieces)
        return len(pages), len(pieces)

    def ask(self, question: str, k: int = 4) -> list[str]:
        """The passages that a language model would be given."""
        if self._store is None:
            return []
        return [found.page_content for found in self._store.similarity_search(question, k=k)]

    def save(self, folder: Path) -> None:
        """Write the store's files."""
        self._store.save_local(str(folder))

    def load(self, folder: Path) -> None:
        """Read what `save` wrote; pickled, so only what this process's parent made itself."""
        from langchain_community.vectorstores import FAISS

        self._store = FAISS.load_local(str(folder), self._embeddings, allow_dangerous_deserialization=True)


def jieba_bm25(question: str, texts: Sequence[str], k: int) -> list[int]:
    """Okapi BM25 over jieba's words, the index made for this one question."""
    import jieba
    from rank_bm25 import BM25Okapi

    jieba.setLogLevel(logging.ERROR)
    scores = BM25Okapi([jieba.lcut(text) for text in texts]).get_scores(jieba.lcut(question))
    return [int(i) for i in np.argsort(-scores)[:k]]


def sentence_transformer(folder: Path) -> Any:
    """The model in `folder` as SentenceTransformer loads it by default, on the processor."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu")
