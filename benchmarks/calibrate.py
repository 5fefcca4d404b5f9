"""Fits the relevance of hits on question sets in SQuAD format, and measures it across the sets.

    python -m benchmarks.calibrate SET... [--embedder NAME] [--write]

Each set is measured with a model fitted on the others and with the others' term frequencies; the
model that is written is fitted on all of them. Vectors are cached under --cache.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from knowledge_base.metrics import mrr_at_k, recall_at_k, roc_auc
from loaders.splitter import ChineseTextSplitter
from models.embedder import Embedder
from models.registry import load_embedder
from vectorstore import background, calibration
from vectorstore.background import Background
from vectorstore.calibration import PARTS, Calibration
from vectorstore.chinese import fold
from vectorstore.hybrid import HybridIndex

WIDE = 40
"""Entries taken from each arm; wider than in use, so that enough are left of half a collection."""
NEGATIVES = 12
"""Chunks of other passages that a question is told apart from."""
FALSE_REFUSALS = 0.05
"""Share of the answerable questions of a set that the threshold may refuse, the bar of the design."""
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

    @property
    def passages(self) -> int:
        """How many there are."""
        return int(self.owners.max()) + 1


@dataclass(frozen=True)
class Pairs:
    """The candidates of each question: passage, parts, and 1 with the answer, 0 elsewhere, else -1."""

    owners: list[np.ndarray]
    parts: list[np.ndarray]
    labels: list[np.ndarray]


Score = Callable[[np.ndarray], np.ndarray]


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
    )


def pairs(data: QuestionSet, table: Background) -> Pairs:
    """The parts of every question's candidates, as the index computes them."""
    index = HybridIndex(data.vectors.shape[1], background=table)
    index.add(range(len(data.chunks)), data.chunks, data.vectors)
    folded = [fold(chunk) for chunk in data.chunks]
    result = Pairs([], [], [])
    for question, vector, gold, answers in zip(
        data.questions, data.question_vectors, data.gold, data.answers, strict=True
    ):
        ids, parts = index.parts(question, vector, wide=WIDE)
        owners = data.owners[ids]
        holds = np.array([any(answer in folded[i] for answer in answers) for i in ids])
        result.owners.append(owners)
        result.parts.append(parts)
        result.labels.append(np.where(owners != gold, 0, np.where(holds, 1, -1)))
    return result


def fit(sets: Sequence[tuple[QuestionSet, Pairs]], columns: Sequence[int]) -> tuple[np.ndarray, float]:
    """Weights and intercept of a logistic regression that tells answers from their nearest rivals.

    Each set weighs the same, and in it each question, and in that both classes.
    """
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    rows, labels, weights = [], [], []
    for data, found in sets:
        for parts, label in zip(found.parts, found.labels, strict=True):
            rivals = np.flatnonzero(label == 0)
            rough = parts[:, 0] * 10 + parts[:, 1] + parts[:, 3]
            rivals = rivals[np.argsort(-rough[rivals])[:NEGATIVES]]
            for chosen, value in ((np.flatnonzero(label == 1), 1), (rivals, 0)):
                rows.append(parts[chosen][:, list(columns)])
                labels.append(np.full(len(chosen), value))
                weights.append(np.full(len(chosen), 1 / max(1, len(chosen)) / len(data.questions)))
    weight = np.concatenate(weights)
    scale = np.concatenate(rows).std(axis=0) + 1e-9
    model = LogisticRegression(C=1.0, max_iter=5_000)
    model.fit(np.concatenate(rows) / scale, np.concatenate(labels), sample_weight=weight / weight.mean())
    return model.coef_[0] / scale, float(model.intercept_[0])


def ranks(data: QuestionSet, found: Pairs, score: Score) -> np.ndarray:
    """The rank of each question's passage, from 1; 0 when it is no candidate. Ties count against it."""
    result = []
    for owners, parts, gold in zip(found.owners, found.parts, data.gold, strict=True):
        scores = score(parts)
        own = scores[owners == gold]
        if not len(own):
            result.append(0)
            continue
        better = np.unique(owners[(owners != gold) & (scores >= own.max())])
        result.append(1 + len(better))
    return np.array(result)


def held_out(data: QuestionSet, found: Pairs, score: Score, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The best score of each question when half of the passages are missing, and whether its is there."""
    kept = np.random.default_rng(seed).permutation(data.passages) < data.passages // 2
    best = [
        max(score(parts)[kept[owners]], default=-np.inf)
        for owners, parts in zip(found.owners, found.parts, strict=True)
    ]
    return np.array(best), kept[data.gold]


def platt(sets: Sequence[tuple[QuestionSet, Pairs]], score: Score) -> tuple[float, float]:
    """Slope and intercept that make the best hit's score the log odds that it answers."""
    from sklearn.linear_model import LogisticRegression

    runs = [held_out(data, found, score, seed) for data, found in sets for seed in range(4)]
    weight = np.concatenate([np.full(len(best), 1 / len(best)) for best, _ in runs])
    best = np.concatenate([best for best, _ in runs])
    model = LogisticRegression(C=1e6)
    model.fit(best[:, None], np.concatenate([y for _, y in runs]), sample_weight=weight / weight.mean())
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def calibrated(sets: Sequence[tuple[QuestionSet, Pairs]]) -> Calibration:
    """Fit everything; the threshold refuses no more than `FALSE_REFUSALS` of any of the sets."""
    weights, intercept = fit(sets, range(len(PARTS)))

    def logit(parts: np.ndarray) -> np.ndarray:
        return np.asarray(parts @ weights + intercept)

    slope, shift = platt(sets, logit)
    limits = []
    for data, found in sets:
        runs = [held_out(data, found, logit, seed) for seed in range(4)]
        limits.append(np.mean([np.quantile(best[y], FALSE_REFUSALS) for best, y in runs]))
    threshold = 1 / (1 + np.exp(-(slope * min(limits) + shift)))
    return Calibration(
        weights=dict(zip(PARTS, (weights * slope).round(4).tolist(), strict=True)),
        intercept=round(intercept * slope + shift, 4),
        threshold=round(float(threshold), 2),
    )


def report(name: str, data: QuestionSet, found: Pairs, score: Score, threshold: float | None) -> None:
    """Print one line of figures; refusal is the mean over four halves of the passages."""
    order = ranks(data, found, score)
    line = " | ".join(f"{recall_at_k(order, k):.4f}" for k in (1, 5, 10)) + f" | {mrr_at_k(order, 10):.4f}"
    aucs, at_five, refused = [], [], []
    for seed in range(10, 14):
        best, y = held_out(data, found, score, seed)
        aucs.append(roc_auc(y, best))
        at_five.append((best[~y] < np.quantile(best[y], 0.05)).mean())
        if threshold is not None:
            refused.append(((best[~y] < threshold).mean(), (best[y] < threshold).mean()))
    fixed = " | ".join(f"{value:.4f}" for value in np.mean(refused, axis=0)) if refused else " | "
    print(f"| {data.name} | {name} | {line} | {np.mean(aucs):.4f} | {np.mean(at_five):.4f} | {fixed} |")


def _linear(weights: np.ndarray) -> Score:
    return lambda parts: np.asarray(parts[:, : len(weights)] @ weights)


def main() -> None:
    """Measure, and write the files when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--embedder", default="default")
    parser.add_argument("--cache", type=Path, default=Path("data/cache/calibrate"))
    parser.add_argument("--models", type=Path, default=Path("data/models"))
    parser.add_argument("--chunk-size", type=int, default=300)
    parser.add_argument("--overlap", type=int, default=60)
    parser.add_argument("--out", type=Path, default=calibration.FILE)
    parser.add_argument("--write", action="store_true")
    options: Any = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    splitter = ChineseTextSplitter(chunk_size=options.chunk_size, overlap=options.overlap)
    embedder = load_embedder(options.embedder, cache_dir=options.models, threads=2)
    sets = [read_set(path, splitter, embedder, options.cache) for path in options.sets]
    found = []
    for data in sets:
        others = [chunk for other in sets if other is not data for chunk in other.chunks]
        found.append((data, pairs(data, Background.count(others))))
    print(
        "| set | arms | R@1 | R@5 | R@10 | MRR@10 | AUC | refused at 5 % "
        "| refused, not answerable | refused, answerable |"
    )
    for i, (data, own) in enumerate(found):
        rest = found[:i] + found[i + 1 :] or found
        report("dense", data, own, _linear(np.array([1.0])), None)
        report("keyword coverage", data, own, _linear(np.array([0.0, 1.0, 0.5])), None)
        weights, _ = fit(rest, (0, 1))
        report("fused: cosine and coverage", data, own, _linear(weights), None)
        other = calibrated(rest)
        report("calibrated on the others", data, own, other.relevance, other.threshold)
    final = calibrated(found)
    for data, own in found:
        report("calibrated on all", data, own, final.relevance, final.threshold)
    print(final)
    if options.write:
        final.save(options.out)
        if options.embedder == "default":
            chunks = [chunk for data in sets for chunk in data.chunks]
            Background.count(chunks, at_least=RARE).save(background.FILE)


if __name__ == "__main__":
    main()
