"""What recall diversity, folding and another script cost, on question sets in SQuAD format.

    python -m benchmarks.ranking SET... [--every 1]

Ranks count chunks, as `zhiwen evaluate` counts them, each passage being a document; the calibration is
the shipped one. "Other script" asks the questions in the script that the passages are not written in,
simplified for traditional and the reverse. Vectors are cached as `benchmarks.calibrate` caches them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.calibrate import QuestionSet, read_set
from knowledge_base.diversity import diversify
from knowledge_base.folding import fold_near_duplicates
from knowledge_base.metrics import mrr_at_k, recall_at_k
from knowledge_base.retrieval import CANDIDATES
from knowledge_base.types import Hit
from loaders.splitter import ChineseTextSplitter
from models.embedder import Embedder
from models.registry import load_embedder
from vectorstore.chinese import fold
from vectorstore.hybrid import HybridIndex

TOP = 10
ORDERS: dict[str, Callable[[Sequence[Hit]], Sequence[Hit]]] = {
    "as scored": lambda hits: hits,
    "folded": fold_near_duplicates,
    "folded, diversity 0.5": lambda hits: diversify(fold_near_duplicates(hits), 0.5),
    "folded, diversity 1": lambda hits: diversify(fold_near_duplicates(hits), 1.0),
}


def searched(data: QuestionSet) -> list[list[Hit]]:
    """What a search for `TOP` looks at, for every question, best first."""
    index = HybridIndex(data.vectors.shape[1])
    index.add(range(len(data.chunks)), data.chunks, data.vectors)
    found = []
    for question, vector in zip(data.questions, data.question_vectors, strict=True):
        scored = index.search(question, vector, k=CANDIDATES * TOP)
        found.append([_hit(data, s.id, s.score, s.dense_score, s.keyword_score) for s in scored])
    return found


def _hit(data: QuestionSet, chunk: int, *scores: float) -> Hit:
    owner = str(data.owners[chunk])
    return Hit(*scores, data.name, owner, owner, chunk, None, data.chunks[chunk])


def report(name: str, data: QuestionSet, found: Sequence[Sequence[Hit]]) -> None:
    """Print a line of figures: recall, mean reciprocal rank and documents among the first five."""
    ranks, documents = [], []
    for hits, gold in zip(found, data.gold, strict=True):
        first = [hit.document_id for hit in hits[:TOP]]
        ranks.append(first.index(str(gold)) + 1 if str(gold) in first else 0)
        documents.append(len(set(first[:5])))
    ranked = np.array(ranks)
    figures = [*(recall_at_k(ranked, k) for k in (1, 5, 10)), mrr_at_k(ranked, 10), np.mean(documents)]
    print(f"| {data.name}, {name} | " + " | ".join(f"{value:.4f}" for value in figures) + " |", flush=True)


def in_other_script(data: QuestionSet, embedder: Embedder) -> QuestionSet:
    """The questions as they are written where the other script is."""
    import opencc

    sample = "".join(data.chunks)[:20_000]
    traditional = sum(a != b for a, b in zip(sample, fold(sample), strict=False)) > len(sample) / 10
    convert = opencc.OpenCC("t2s" if traditional else "s2t").convert
    questions = [convert(question) for question in data.questions]
    vectors = np.stack([embedder.encode_query(question) for question in questions])
    return replace(data, questions=questions, question_vectors=vectors)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--every", type=int, default=1, help="ask each so manieth question only")
    parser.add_argument("--cache", type=Path, default=Path("data/cache/calibrate"))
    parser.add_argument("--models", type=Path, default=Path("data/models"))
    options: Any = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    embedder = load_embedder("default", cache_dir=options.models, threads=2)
    print("| | recall@1 | recall@5 | recall@10 | MRR@10 | documents in the first 5 |\n" + "| --- " * 6 + "|")
    for path in options.sets:
        whole = read_set(path, ChineseTextSplitter(chunk_size=480, overlap=80), embedder, options.cache)
        data = replace(
            whole,
            questions=whole.questions[:: options.every],
            question_vectors=whole.question_vectors[:: options.every],
            gold=whole.gold[:: options.every],
        )
        found = searched(data)
        for name, order in ORDERS.items():
            report(name, data, [order(hits) for hits in found])
        other = in_other_script(data, embedder)
        report("other script", other, searched(other))


if __name__ == "__main__":
    main()
