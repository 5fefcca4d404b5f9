"""Fits the relevance of hits on question sets in SQuAD format, and measures it across the sets.

    python -m benchmarks.calibrate SET... [--embedder NAME] [--write]

Each set is measured with the others' term frequencies, with a model fitted on the other sets and
with models fitted on other articles of all; the model that is written is fitted on everything.
Vectors are cached under --cache.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from knowledge_base.metrics import mrr_at_k, recall_at_k, roc_auc
from loaders.splitter import ChineseTextSplitter
from models.embedder import Embedder
from models.registry import load_embedder
from vectorstore import background, calibration
from vectorstore.background import Background
from vectorstore.calibration import Calibration
from vectorstore.chinese import fold
from vectorstore.fitting import FALSE_REFUSALS, Candidates, Score, fit, held_out
from vectorstore.hybrid import HybridIndex

WIDE = 40
"""Entries taken from each arm; wider than in use, so that enough are left of half a collection."""
FOLDS = 4
"""Parts that the articles are divided into, each measured with a model fitted on the others."""
RARE = 3
"""Terms in fewer texts are left out of the background table."""


@dataclass(frozen=True)
class QuestionSet:
    """A set, split and embedded. `owners` and `gold` number the passages."""

    name: str
    chunks: list[str]
    owners: np.ndarray
    vectors: np.ndarray
    questions: list[str]
    question_vectors: np.ndarray
    gold: np.ndarray
    answers: list[list[str]]
    articles: np.ndarray
    """The article that each passage is of."""


def read_set(path: Path, splitter: ChineseTextSplitter, embedder: Embedder, cache: Path) -> QuestionSet:
    """Read, split and embed a set; questions without text are passed over."""
    data = json.loads(path.read_text(encoding="utf-8"))["data"]
    chunks, owners, questions, gold, answers = [], [], [], [], []
    paragraphs = [paragraph for article in data for paragraph in article["paragraphs"]]
    for number, paragraph in enumerate(paragraphs):
        pieces = splitter.split_text(paragraph["context"])
        chunks += pieces
        owners += [number] * len(pieces)
        for entry in paragraph["qas"]:
            if entry["question"].strip():
                questions.append(entry["question"])
                gold.append(number)
                answers.append([fold(answer["text"]) for answer in entry["answers"]])

    def embed(kind: str, texts: list[str], encode: Callable[[list[str]], np.ndarray]) -> np.ndarray:
        key = hashlib.sha256("\0".join([embedder.fingerprint, kind, *texts]).encode()).hexdigest()
        file = cache / f"{key[:32]}.npy"
        if not file.exists():
            np.save(file, encode(texts))
        return np.asarray(np.load(file, allow_pickle=False))

    return QuestionSet(
        path.stem,
        chunks,
        np.array(owners),
        embed("documents", chunks, embedder.encode_documents),
        questions,
        embed("queries", questions, lambda texts: np.stack([embedder.encode_query(t) for t in texts])),
        np.array(gold),
        answers,
        np.array([number for number, article in enumerate(data) for _ in article["paragraphs"]]),
    )


def candidates(
    data: QuestionSet, table: Background, chunks: list[list[int]] | None = None
) -> list[Candidates]:
    """The parts of every question's candidates, as the index computes them.

    Which chunks they are is appended to `chunks`.
    """
    index = HybridIndex(data.vectors.shape[1], calibration=Calibration.unfitted(), background=table)
    index.add(range(len(data.chunks)), data.chunks, data.vectors)
    folded = [fold(chunk) for chunk in data.chunks]
    found = []
    for question, vector, gold, answers in zip(
        data.questions, data.question_vectors, data.gold, data.answers, strict=True
    ):
        ids, parts = index.parts(question, vector, wide=WIDE)
        if chunks is not None:
            chunks.append(ids)
        passages = data.owners[ids]
        holds = np.array([any(answer in folded[i] for answer in answers) for i in ids], dtype=bool)
        found.append(Candidates(passages, parts, holds & (passages == gold), int(gold)))
    return found


def rank(one: Candidates, score: Score) -> int:
    """The rank of the question's passage, from 1; 0 when it is no candidate. Ties count against it."""
    scores = score(one.parts)
    own = one.passages == one.gold
    if not own.any():
        return 0
    return 1 + len(np.unique(one.passages[~own & (scores >= scores[own].max())]))


def report(title: str, runs: Sequence[tuple[Sequence[Candidates], Score]], threshold: float | None) -> None:
    """Print one line of figures; refusal is the mean over four halves of the passages.

    A run is some of a set's questions with the score of a model that has not seen them.
    """
    ranks = np.array([rank(one, score) for asked, score in runs for one in asked])
    line = " | ".join(f"{recall_at_k(ranks, k):.4f}" for k in (1, 5, 10)) + f" | {mrr_at_k(ranks, 10):.4f}"
    aucs, at_five, refused = [], [], []
    for seed in range(10, 14):
        halves = [held_out(asked, score, seed) for asked, score in runs]
        best = np.concatenate([best for best, _ in halves])
        there = np.concatenate([there for _, there in halves])
        aucs.append(roc_auc(there, best))
        at_five.append((best[~there] < np.quantile(best[there], FALSE_REFUSALS)).mean())
        if threshold is not None:
            refused.append(((best[~there] < threshold).mean(), (best[there] < threshold).mean()))
    fixed = " | ".join(f"{value:.4f}" for value in np.mean(refused, axis=0)) if refused else " | "
    print(f"| {title} | {line} | {np.mean(aucs):.4f} | {np.mean(at_five):.4f} | {fixed} |", flush=True)


def linear(weights: np.ndarray) -> Score:
    """A score by the first parts alone."""
    return lambda parts: np.asarray(parts[:, : len(weights)] @ weights)


def compare(sets: Sequence[QuestionSet], found: Sequence[Sequence[Candidates]]) -> None:
    """Print what each arm finds alone, what both find, and how the calibration carries over."""
    print(
        "| set and model | R@1 | R@5 | R@10 | MRR@10 | AUC | refused at 5 % "
        "| refused, not answerable | refused, answerable |\n" + "| --- " * 9 + "|"
    )
    folds = [np.random.default_rng(5).integers(FOLDS, size=data.articles.max() + 1) for data in sets]
    for number, (data, asked) in enumerate(zip(sets, found, strict=True)):
        report(f"{data.name}, dense", [(asked, linear(np.array([1.0])))], None)
        report(f"{data.name}, keyword", [(asked, linear(np.array([0.0, 1.0, 0.5])))], None)
        report(
            f"{data.name}, fused: cosine and coverage", [(asked, linear(np.array([10.0, 1.0, 0.5])))], None
        )
        others = [other for i, other in enumerate(found) if i != number]
        if others:
            model = fit(others)
            report(f"{data.name}, calibrated on the other set", [(asked, model.relevance)], model.threshold)
    shares: list[list[tuple[list[Candidates], Score]]] = [[] for _ in sets]
    thresholds = []
    for fold_number in range(FOLDS):
        parts = []
        for data, asked, fold_of in zip(sets, found, folds, strict=True):
            inside = fold_of[data.articles[data.gold]] == fold_number
            parts.append(([a for a, i in zip(asked, inside, strict=True) if not i], inside))
        model = fit([rest for rest, _ in parts])
        thresholds.append(model.threshold)
        for share, asked, (_, inside) in zip(shares, found, parts, strict=True):
            share.append(([a for a, i in zip(asked, inside, strict=True) if i], model.relevance))
    for data, share in zip(sets, shares, strict=True):
        report(f"{data.name}, calibrated on other articles of both", share, float(np.mean(thresholds)))


def main() -> None:
    """Measure, and write the files when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--embedder", default="default")
    parser.add_argument("--cache", type=Path, default=Path("data/cache/calibrate"))
    parser.add_argument("--models", type=Path, default=Path("data/models"))
    parser.add_argument("--chunk-size", type=int, default=480)
    parser.add_argument("--overlap", type=int, default=80)
    parser.add_argument("--write", action="store_true", help="into the package")
    options: Any = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    splitter = ChineseTextSplitter(chunk_size=options.chunk_size, overlap=options.overlap)
    embedder = load_embedder(options.embedder, cache_dir=options.models, threads=2)
    sets = [read_set(path, splitter, embedder, options.cache) for path in options.sets]
    found = []
    for data in sets:
        others = [chunk for other in sets if other is not data for chunk in other.chunks]
        found.append(candidates(data, Background.count(others or data.chunks)))
    if options.write:
        fit(found).save(calibration.FILE)
        fit([[without_cosine(one) for one in asked] for asked in found]).save(calibration.WORDS_FILE)
        chunks = [chunk for data in sets for chunk in data.chunks]
        Background.count(chunks, at_least=RARE).save(background.FILE)
    compare(sets, found)


def without_cosine(one: Candidates) -> Candidates:
    """The same, as it looks to an index whose cosines say nothing yet."""
    parts = one.parts.copy()
    parts[:, 0] = 0.0
    return replace(one, parts=parts)


if __name__ == "__main__":
    main()
