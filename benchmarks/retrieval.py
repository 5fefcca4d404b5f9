"""Measures search by size of the collection, against named rivals in the same run.

    python -m benchmarks.retrieval SET... [--sizes 5000 20000 200000] [--json FILE]

Chunks are synthetic: sentences of the sets' passages shuffled, and vectors between those of two
passages with noise of their covariance. Questions and their vectors are the sets' own; embedding
them is not counted. The rivals are a flat FAISS index with a dictionary of documents, as LangChain's
FAISS store searches, LangChain's in-memory store, and BM25 over jieba's words built anew for each
question (the last two at the smallest size only).
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import math
import re
import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore

from benchmarks.calibrate import QuestionSet, read_set
from loaders.splitter import ChineseTextSplitter
from models.registry import load_embedder
from vectorstore.chinese import fold
from vectorstore.hybrid import HybridIndex
from vectorstore.lexical import question as lexical_question

K = 10
BATCH = 10_000
QUESTIONS = 200
NOISE = 0.3
RIVALS = 20_000
"""The largest collection that the slow rivals are asked to search."""


class Collection:
    """Makes synthetic chunks out of real ones."""

    def __init__(self, sets: Sequence[QuestionSet], seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        sentences = {
            s for data in sets for chunk in data.chunks for s in re.split("(?<=[。！？])", chunk) if s
        }
        self._sentences = sorted(sentences)
        self._vectors = np.concatenate([data.vectors for data in sets])
        self._mean = self._vectors.mean(axis=0)
        _, spread, directions = np.linalg.svd(self._vectors - self._mean, full_matrices=False)
        self._noise = (spread / len(self._vectors) ** 0.5)[:, None] * directions

    def texts(self, count: int) -> list[str]:
        """`count` texts of about 200 to 300 characters."""
        picks = self._random.integers(len(self._sentences), size=(count, 6))
        return ["".join(self._sentences[i] for i in row)[:300] for row in picks]

    def vectors(self, count: int) -> np.ndarray:
        """`count` unit vectors, float32."""
        pairs = self._random.integers(len(self._vectors), size=(2, count))
        share = self._random.uniform(0.5, 1.0, size=(count, 1)).astype(np.float32)
        mixed = share * self._vectors[pairs[0]] + (1 - share) * self._vectors[pairs[1]]
        mixed += NOISE * self._random.normal(size=mixed.shape).astype(np.float32) @ self._noise
        return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), dtype=np.float32)


def timed(task: Callable[[int], object], count: int) -> tuple[float, float]:
    """Median and 95th percentile of `count` runs, in milliseconds."""
    seconds = []
    for number in range(count):
        start = time.perf_counter()
        task(number)
        seconds.append(time.perf_counter() - start)
    return float(np.quantile(seconds, 0.5) * 1e3), float(np.quantile(seconds, 0.95) * 1e3)


def jieba_bm25(question: str, texts: Sequence[str]) -> list[int]:
    """Okapi BM25 over jieba's words, the index made for this one question."""
    import jieba  # type: ignore[import-untyped]

    documents = [Counter(jieba.lcut(text)) for text in texts]
    lengths = [sum(document.values()) for document in documents]
    mean = sum(lengths) / len(lengths)
    frequencies = Counter(word for document in documents for word in document)
    scores = np.zeros(len(texts))
    for word in set(jieba.lcut(question)):
        idf = math.log(1 + (len(texts) - frequencies[word] + 0.5) / (frequencies[word] + 0.5))
        for i, document in enumerate(documents):
            tf = document[word]
            scores[i] += idf * tf * 2.5 / (tf + 1.5 * (0.25 + 0.75 * lengths[i] / mean)) if tf else 0.0
    return [int(i) for i in np.argsort(-scores)[:K]]


def measure(size: int, sets: Sequence[QuestionSet], *, rivals: bool) -> dict[str, Any]:
    """Build an index of `size` chunks, search it, and do the same with the rivals."""
    import faiss

    collection = Collection(sets)
    questions = [question for data in sets for question in data.questions]
    vectors = np.concatenate([data.question_vectors for data in sets])
    chosen = np.random.default_rng(1).choice(len(questions), QUESTIONS, replace=False)
    texts_asked, asked = [questions[i] for i in chosen], vectors[chosen]
    index = HybridIndex(vectors.shape[1])
    flat = faiss.IndexFlatL2(vectors.shape[1])
    store: dict[int, Document] = {}
    texts: list[str] = []
    rows = []
    build = 0.0
    for first in range(0, size, BATCH):
        count = min(BATCH, size - first)
        batch, fresh = collection.texts(count), collection.vectors(count)
        start = time.perf_counter()
        index.add(range(first, first + count), batch, fresh)
        build += time.perf_counter() - start
        flat.add(fresh)
        if rivals:
            texts += batch
            rows.append(fresh)
            store.update({first + i: Document(text) for i, text in enumerate(batch)})
    start = time.perf_counter()
    index.wait()
    result: dict[str, Any] = {"size": size, "build_s": build, "training_s": time.perf_counter() - start}

    for i in range(20):
        index.search(texts_asked[i], asked[i], k=K)
    result["hybrid_p50_ms"], result["hybrid_p95_ms"] = timed(
        lambda i: index.search(texts_asked[i], asked[i], k=K), QUESTIONS
    )
    result["dense_p50_ms"], result["dense_p95_ms"] = timed(
        lambda i: index._dense.search(asked[i], K), QUESTIONS
    )
    terms = [lexical_question(fold(text), lambda _: 1.0).selective for text in texts_asked]
    result["keyword_p50_ms"], result["keyword_p95_ms"] = timed(
        lambda i: index._keyword.search(terms[i], K), QUESTIONS
    )
    result["flat_l2_p50_ms"], result["flat_l2_p95_ms"] = timed(lambda i: flat.search(asked[i : i + 1], K), 50)
    _, exact = flat.search(asked, K)
    found = [
        len(set(row) & {i for i, _ in index._dense.search(asked[n], K)})
        for n, row in enumerate(exact.tolist())
    ]
    result["dense_recall@10"] = sum(found) / exact.size
    if rivals:
        memory = InMemoryVectorStore(DeterministicFakeEmbedding(size=vectors.shape[1]))
        for i, (row, text) in enumerate(zip(np.concatenate(rows).tolist(), texts, strict=True)):
            memory.store[str(i)] = {"id": str(i), "vector": row, "text": text, "metadata": {}}
        result["langchain_in_memory_p50_ms"], _ = timed(
            lambda i: memory.similarity_search_by_vector(asked[i].tolist(), k=K), 3
        )
        jieba_bm25(texts_asked[0], texts[:10])
        result["jieba_bm25_p50_ms"], _ = timed(lambda i: jieba_bm25(texts_asked[i], texts), 3)
        result["keyword_speedup"] = result["jieba_bm25_p50_ms"] / result["keyword_p50_ms"]
    gc.collect()
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        index.save(Path(folder))
        result["save_s"] = time.perf_counter() - start
        result["disk_mb"] = sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file()) / 1e6
        start = time.perf_counter()
        HybridIndex.load(Path(folder))
        result["load_s"] = time.perf_counter() - start
    result["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in result.items()}


def main() -> None:
    """Run the sizes from the smallest, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--sizes", nargs="+", type=int, default=[5_000, 20_000, 200_000])
    parser.add_argument("--cache", type=Path, default=Path("data/cache/calibrate"))
    parser.add_argument("--models", type=Path, default=Path("data/models"))
    parser.add_argument("--json", type=Path)
    options: Any = parser.parse_args()
    logging.getLogger("jieba").setLevel(logging.ERROR)
    options.cache.mkdir(parents=True, exist_ok=True)
    splitter = ChineseTextSplitter(chunk_size=300, overlap=60)
    embedder = load_embedder("default", cache_dir=options.models, threads=2)
    sets = [read_set(path, splitter, embedder, options.cache) for path in options.sets]
    results = []
    for size in sorted(options.sizes):
        results.append(measure(size, sets, rivals=size == min(options.sizes) and size <= RIVALS))
        for name, value in results[-1].items():
            print(f"{name:>28} {value}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
