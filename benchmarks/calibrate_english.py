"""Fits how much lower the parts of a question without Chinese characters lie, and measures what comes of it.

    python -m benchmarks.calibrate_english [SET] [--write]

SET is in SQuAD format, by default `english_questions.json` beside this file, whose passages and
questions were written for it. Only the weight of the part "latin" is fitted, in both calibrations, so
that nothing changes for other questions. Run this after `benchmarks.calibrate --write`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from benchmarks.calibrate import candidates, read_set, report, without_cosine
from loaders.splitter import ChineseTextSplitter
from models.registry import load_embedder
from vectorstore import calibration
from vectorstore.background import Background
from vectorstore.calibration import PARTS, Calibration
from vectorstore.fitting import HALVES, Candidates, held_out

SET = Path(__file__).with_name("english_questions.json")


def shifted(model: Calibration, asked: Sequence[Candidates]) -> Calibration:
    """The model with the weight of "latin" that expects as many answers as half of the set holds."""
    bare = replace(model, weights={**model.weights, "latin": 0.0})
    weights = np.array([bare.weights[name] for name in PARTS])
    halves = [held_out(asked, lambda parts: parts @ weights + bare.intercept, seed) for seed in range(HALVES)]
    best = np.concatenate([best for best, _ in halves])
    there = np.concatenate([there for _, there in halves])
    shift = brentq(lambda value: expit(best + value).mean() - there.mean(), -30.0, 30.0)
    return replace(bare, weights={**bare.weights, "latin": round(float(shift), 4)})


def main() -> None:
    """Measure before and after, and write the files when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", nargs="?", type=Path, default=SET)
    parser.add_argument("--cache", type=Path, default=Path("data/cache/calibrate"))
    parser.add_argument("--models", type=Path, default=Path("data/models"))
    parser.add_argument("--write", action="store_true", help="into the package")
    options: Any = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    embedder = load_embedder("default", cache_dir=options.models, threads=2)
    data = read_set(options.set, ChineseTextSplitter(), embedder, options.cache)
    found = candidates(data, Background.default())
    by_words = [without_cosine(one) for one in found]
    for file, asked in ((calibration.FILE, found), (calibration.WORDS_FILE, by_words)):
        before = Calibration.load(file)
        after = shifted(before, asked)
        print(f"{file.name}: latin {before.weights['latin']} -> {after.weights['latin']}")
        for title, model in (("before", before), ("after", after)):
            report(title, [(asked, model.relevance)], model.threshold)
        if options.write:
            after.save(file)


if __name__ == "__main__":
    main()
