"""Fits what the sentences of a hit change about its relevance, on question sets in SQuAD format.

    python -m benchmarks.calibrate_sentences SET... [--write]

The first relevance is the one that is shipped; run this again after `benchmarks.calibrate --write`.
What is printed is measured on articles that the second model was not fitted on, before and after.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.calibrate import FOLDS, QuestionSet, candidates, read_set, report
from loaders.sentences import split_sentences
from loaders.splitter import ChineseTextSplitter
from models.embedder import Embedder
from models.registry import load_embedder
from vectorstore import calibration
from vectorstore.background import Background
from vectorstore.calibration import Calibration
from vectorstore.evidence import EVIDENCE, UNSURE, Asked, SentenceEvidence, evidence_parts
from vectorstore.fitting import Candidates, Score, lowest, scale, tell_apart


def with_sentences(
    data: QuestionSet,
    found: Sequence[Candidates],
    ids: Sequence[Sequence[int]],
    vectors: dict[str, np.ndarray],
) -> list[Candidates]:
    """The candidates with `EVIDENCE` for parts; `ids` are the chunks that they are."""
    first = Calibration.default()
    weights = np.array([first.weights[name] for name in calibration.PARTS])
    sentences = [[chunk[start:end] for start, end in split_sentences(chunk)] for chunk in data.chunks]
    made = []
    for one, chunks, question, vector in zip(found, ids, data.questions, data.question_vectors, strict=True):
        asked, parts = Asked.of(question), []
        for chunk, row in zip(chunks, one.parts, strict=True):
            closest = [sentences[chunk][number] for number in asked.closest(sentences[chunk])]
            cosines = np.array([vectors[sentence] @ vector for sentence in closest])
            missing = asked.missing_names(data.chunks[chunk])
            parts.append(evidence_parts(float(row @ weights + first.intercept), row[0], cosines, missing))
        made.append(replace(one, parts=np.array(parts)))
    return made


def fit_evidence(sets: Sequence[Sequence[Candidates]]) -> tuple[SentenceEvidence, Score, float]:
    """The model, the logits that it leads to, and the threshold of the relevance that fits them."""
    weights, _ = tell_apart(sets, range(len(EVIDENCE)))
    slope, shift = scale(sets, lambda parts: np.asarray(parts @ weights))
    evidence = SentenceEvidence(
        weights=dict(zip(EVIDENCE, (weights * slope).round(4).tolist(), strict=True)),
        intercept=round(shift, 4),
    )
    low, high = (float(np.log(edge / (1 - edge))) for edge in UNSURE)

    def score(parts: np.ndarray) -> np.ndarray:
        unsure = (parts[:, 0] > low) & (parts[:, 0] < high)
        return np.where(unsure, parts @ (weights * slope) + shift, parts[:, 0])

    return evidence, score, round(float(1 / (1 + np.exp(-lowest(sets, score)))), 2)


def compare(sets: Sequence[QuestionSet], found: Sequence[Sequence[Candidates]]) -> None:
    """Print what the second look changes on articles that it was not fitted on."""
    folds = [np.random.default_rng(5).integers(FOLDS, size=data.articles.max() + 1) for data in sets]
    shares: list[list[tuple[list[Candidates], Score]]] = [[] for _ in sets]
    for fold in range(FOLDS):
        inside = [of[data.articles[data.gold]] == fold for data, of in zip(sets, folds, strict=True)]
        rest = [
            [a for a, i in zip(asked, ins, strict=True) if not i]
            for asked, ins in zip(found, inside, strict=True)
        ]
        _, score, _ = fit_evidence(rest)
        for share, asked, ins in zip(shares, found, inside, strict=True):
            share.append(([a for a, i in zip(asked, ins, strict=True) if i], score))
    for data, asked, share in zip(sets, found, shares, strict=True):
        report(f"{data.name}, words and passages", [(asked, lambda parts: parts[:, 0])], None)
        report(f"{data.name}, sentences too", share, None)


def sentence_vectors(data: QuestionSet, embedder: Embedder, cache: Path) -> dict[str, np.ndarray]:
    """The vector of every sentence of the chunks."""
    sentences = sorted({chunk[a:b] for chunk in data.chunks for a, b in split_sentences(chunk)})
    key = hashlib.sha256("\0".join([embedder.fingerprint, *sentences]).encode()).hexdigest()
    file = cache / f"sentences-{key[:32]}.npy"
    if not file.exists():
        np.save(file, embedder.encode_documents(sentences))
    return dict(zip(sentences, np.load(file, allow_pickle=False), strict=True))


def main() -> None:
    """Measure, and write the file when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("data/cache/calibrate"))
    parser.add_argument("--models", type=Path, default=Path("data/models"))
    parser.add_argument("--write", action="store_true", help="into the package")
    options: Any = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    embedder = load_embedder("default", cache_dir=options.models, threads=2)
    splitter = ChineseTextSplitter(chunk_size=480, overlap=80)
    sets = [read_set(path, splitter, embedder, options.cache) for path in options.sets]
    found = []
    for data in sets:
        others = [chunk for other in sets if other is not data for chunk in other.chunks]
        ids: list[list[int]] = []
        asked = candidates(data, Background.count(others or data.chunks), ids)
        found.append(with_sentences(data, asked, ids, sentence_vectors(data, embedder, options.cache)))
    evidence, _, threshold = fit_evidence(found)
    print(evidence, threshold)
    if options.write:
        replace(Calibration.default(), sentences=evidence, threshold=threshold).save(calibration.FILE)
    compare(sets, found)


if __name__ == "__main__":
    main()
