"""Latency of a search by size of the collection, and recall of the dense arm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from app.bench import rivals
from app.bench.collection import LENGTHS, Collection, Nearest, Source
from app.bench.measuring import Progress, in_a_process, latencies, rounded
from app.bench.stages import grown
from vectorstore.chinese import fold
from vectorstore.hybrid import HybridIndex
from vectorstore.lexical import question as lexical_question

K = 10
ROUNDS = 3
SLOW_QUESTIONS = 3
"""Questions that a BM25 built anew for each is asked."""
BM25_UP_TO = 5_000
"""Chunks; a BM25 built per question takes seconds there already."""


def measure_retrieval(
    size: int,
    source: Source,
    *,
    rounds: int = ROUNDS,
    rivals_up_to: int = 200_000,
    keep: Path | None = None,
    progress: Progress,
) -> dict[str, Any]:
    """Search `size` chunks, ours and the rivals' in turn; times in milliseconds.

    Embedding the question is not counted on either side. With a folder to `keep` it in, a collection
    too large for the rivals is built in stages that a later run goes on with.
    """
    return in_a_process(
        _measure,
        size,
        source,
        rounds=rounds,
        with_rivals=size <= rivals_up_to and not rivals.missing(),
        keep=keep if size > rivals_up_to else None,
        progress=progress,
    )


def _measure(
    size: int, source: Source, *, rounds: int, with_rivals: bool, keep: Path | None, progress: Progress
) -> dict[str, Any]:
    store = rivals.LangChainFaiss(source.vectors.shape[1]) if with_rivals else None
    questions, vectors = source.questions, source.question_vectors
    if keep is not None:
        index, exact = grown(size, source, K, folder=keep, progress=progress)
    else:
        index, exact = _built(size, source, store, progress)
    terms = [lexical_question(fold(text), lambda _: 1.0).selective for text in questions]
    tasks: dict[str, Callable[[int], object]] = {
        "hybrid": lambda i: index.search(questions[i], vectors[i], k=K),
        "dense": lambda i: index.dense.search(vectors[i], K),
        "keyword": lambda i: index.keyword.search(terms[i], K),
    }
    if store is not None:
        tasks["langchain_faiss"] = lambda i: store.search(vectors[i], K)
    progress(f"{size}: search")
    for i in range(min(20, len(questions))):
        for task in tasks.values():
            task(i)
    result: dict[str, Any] = {"size": size, **latencies(tasks, len(questions), rounds=rounds)}
    found = [[entry for entry, _ in index.dense.search(vector, K)] for vector in vectors]
    result["dense_recall@10"] = _overlap(found, exact.ids)
    if with_rivals and size <= BM25_UP_TO:
        # Real passages, over and over: walks along character pairs would cost jieba four times as much.
        real = [source.passages[i % len(source.passages)][: sum(LENGTHS) // 2] for i in range(size)]
        rivals.jieba_bm25(questions[0], real[:10], K)  # reads its dictionary
        slow = {"jieba_bm25": lambda i: rivals.jieba_bm25(questions[i], real, K)}
        result |= latencies(slow, min(SLOW_QUESTIONS, len(questions)), rounds=1)
        result["keyword_speedup"] = result["jieba_bm25_p50_cpu_ms"] / result["keyword_p50_cpu_ms"]
    return rounded(result)


def _built(
    size: int, source: Source, store: rivals.LangChainFaiss | None, progress: Progress
) -> tuple[HybridIndex, Nearest]:
    index, exact = HybridIndex(source.vectors.shape[1]), Nearest(source.question_vectors, K)
    for ids, texts, rows in Collection(source).batches(size):
        progress(f"{size}: build {ids.stop}/{size}")
        index.add(ids, texts, rows)
        exact.update(ids, rows)
        if store is not None:
            store.add(ids, texts, rows)
    progress(f"{size}: train")
    index.wait()
    return index, exact


def _overlap(found: list[list[int]], exact: np.ndarray) -> float:
    hits = [len(set(ours) & set(row)) for ours, row in zip(found, exact.tolist(), strict=True)]
    return sum(hits) / exact.size
