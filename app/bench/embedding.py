"""Throughput of the default embedder beside SentenceTransformer's default."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from app.bench import rivals
from app.bench.measuring import Progress, Stopwatch, latencies, rounded
from models.e5_conversion import ensure_default_model
from models.onnx_embedder import OnnxE5Embedder
from models.onnx_texts import usable_cpus


def measure_embedding(
    passages: list[str], questions: list[str], *, models: Path, rounds: int = 3, progress: Progress
) -> dict[str, Any]:
    """Embed the same passages with both, in turn; medians of the rounds, and of the rounds' ratios.

    `models` holds the converted model, or gets it.
    """
    folder = ensure_default_model(models)
    ours, rival = OnnxE5Embedder(folder, cached_queries=0), rivals.sentence_transformer(folder)
    encode: dict[str, Callable[[], Any]] = {
        "ours": lambda: ours.encode_documents(passages),
        "sentence_transformer": lambda: rival.encode(
            passages, prompt_name="document", show_progress_bar=False
        ),
    }
    ours.encode_documents(passages[:2])
    rival.encode(passages[:2], prompt_name="document", show_progress_bar=False)
    seconds: dict[str, list[float]] = {name: [] for name in encode}
    vectors: dict[str, np.ndarray] = {}
    for number in range(rounds):
        for name, run in encode.items():
            progress(f"round {number + 1}/{rounds}: {name}")
            with Stopwatch() as watch:
                vectors[name] = np.asarray(run())
            seconds[name].append(watch.seconds)
    ratios = [
        slow / fast for slow, fast in zip(seconds["sentence_transformer"], seconds["ours"], strict=True)
    ]
    ask: dict[str, Callable[[int], object]] = {
        "query_ours": lambda i: ours.encode_query(questions[i]),
        "query_sentence_transformer": lambda i: rival.encode(
            questions[i], prompt_name="query", show_progress_bar=False
        ),
    }
    progress("questions")
    return rounded(
        {
            "passages": len(passages),
            "characters": float(np.mean([len(passage) for passage in passages])),
            "threads": usable_cpus(),
            "rounds": rounds,
            **{f"{n}_passages_per_s": len(passages) / statistics.median(s) for n, s in seconds.items()},
            "ratio": statistics.median(ratios),
            "ratio_least": min(ratios),
            "ratio_most": max(ratios),
            "cosine_least": float((vectors["ours"] * vectors["sentence_transformer"]).sum(axis=1).min()),
            **latencies(ask, min(20, len(questions)), rounds=1),
        }
    )
