"""From how many vectors an inverted file is faster than exact search, and what changes cost its recall.

    python -m benchmarks.inverted --questions SET... [--sizes 5000,10000,20000,40000,80000] [--changes 100000]

Synthetic collections as `zhiwen bench` makes them, real questions. Both searches run in turn over the
same vectors, on one thread as in the service; times are milliseconds a search of the ten nearest.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from app.bench.collection import BATCH, Collection, Nearest, Source, read_source
from app.bench.measuring import Stopwatch, latencies, rounded
from models.registry import load_embedder
from vectorstore.dense import DenseIndex

K = 10
SHARE = 0.2
"""Share of the entries that are replaced by others."""
NEVER = 1 << 60


def crossing(size: int, source: Source) -> dict[str, Any]:
    """Latencies of an exact and of an inverted index of `size` vectors, and the recall of the latter."""
    exact, inverted, nearest = _filled(size, source)
    with Stopwatch() as training:
        inverted.wait()
    questions = source.question_vectors
    tasks = {
        "exact": lambda i: exact.search(questions[i], K),
        "inverted": lambda i: inverted.search(questions[i], K),
    }
    for task in tasks.values():
        for i in range(20):
            task(i % len(questions))
    figures = latencies(tasks, len(questions), rounds=3)
    return rounded(
        {
            "size": size,
            "training_s": training.seconds,
            **figures,
            "recall@10": recall(inverted, source, nearest),
        }
    )


def replaced(size: int, source: Source) -> dict[str, Any]:
    """Recall before and after `SHARE` of an index were replaced; its size stays, so it is not trained anew.

    The new entries lie elsewhere: they are made of one half of the passages, all others of both.
    """
    _, index, nearest = _filled(size, source)
    index.wait()
    before = recall(index, source, nearest)
    count = int(SHARE * size)
    old = np.random.default_rng(1).choice(size, count, replace=False)
    half = Source(
        source.passages,
        source.vectors[: len(source.vectors) // 2],
        source.questions,
        source.question_vectors,
    )
    new = np.concatenate([rows for _, _, rows in Collection(half, seed=1).batches(count)])
    with Stopwatch() as changing:
        for start in range(0, count, BATCH):
            index.remove(old[start : start + BATCH].tolist())
            index.add(range(size + start, size + min(start + BATCH, count)), new[start : start + BATCH])
    after = Nearest(source.question_vectors, K)
    gone = set(old.tolist())
    for ids, _, rows in Collection(source).batches(size):
        kept = [i not in gone for i in ids]
        after.update([i for i in ids if i not in gone], rows[kept])
    after.update(range(size, size + count), new)
    return rounded(
        {
            "size": size,
            "replaced": count,
            "changing_s": changing.seconds,
            "recall@10 before": before,
            "recall@10 after": recall(index, source, after),
        }
    )


def _filled(size: int, source: Source) -> tuple[DenseIndex, DenseIndex, Nearest]:
    exact = DenseIndex(source.vectors.shape[1], inverted_from=NEVER)
    inverted = DenseIndex(source.vectors.shape[1], inverted_from=size)
    nearest = Nearest(source.question_vectors, K)
    for ids, _, rows in Collection(source).batches(size):
        exact.add(ids, rows)
        inverted.add(ids, rows)
        nearest.update(ids, rows)
    return exact, inverted, nearest


def recall(index: DenseIndex, source: Source, nearest: Nearest) -> float:
    """Share of the exact ten nearest that the index finds, over all questions."""
    found = [{entry for entry, _ in index.search(vector, K)} for vector in source.question_vectors]
    hits = sum(len(ours & set(row)) for ours, row in zip(found, nearest.ids.tolist(), strict=True))
    return hits / nearest.ids.size


def main() -> None:
    """Measure, and print one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", nargs="*", type=Path, default=[])
    parser.add_argument("--sizes", default="5000,10000,20000,40000,80000")
    parser.add_argument("--changes", type=int, default=100_000)
    parser.add_argument("--models", type=Path, default=Path("data/models"))
    parser.add_argument("--cache", type=Path, default=Path("data/cache/bench"))
    options: Any = parser.parse_args()
    embedder = load_embedder("default", cache_dir=options.models)
    source = read_source(embedder, options.questions, cache=options.cache, progress=lambda _: None)
    for size in map(int, options.sizes.split(",")):
        print(json.dumps(crossing(size, source)), flush=True)
    if options.changes:
        print(json.dumps(replaced(options.changes, source)), flush=True)


if __name__ == "__main__":
    main()
