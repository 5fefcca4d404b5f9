"""Throughput and recall of the default embedder beside SentenceTransformer's default, in one run.

    python -m benchmarks.embedding ../shared/data/qa/cmrc2018_trial.json [--passages 128] [--rounds 2]

The rivals take turns over the same passages, so that a busy machine slows both. Besides the time on
the clock the processor time is printed, which other processes hardly touch. Recall is over whole
passages, without splitting, and each question has one right passage.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from models.e5_conversion import ensure_default_model
from models.onnx_embedder import OnnxE5Embedder
from models.onnx_texts import usable_cpus


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, help="question-answer pairs in SQuAD's format")
    parser.add_argument("--passages", type=int, default=128, help="passages that are timed")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--limit", type=int, help="take only the file's first passages")
    parser.add_argument("--speed-only", action="store_true")
    parser.add_argument("--cache", type=Path, help="where the converted model is kept")
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    passages, questions, gold = read_squad(arguments.file, limit=arguments.limit)
    with TemporaryDirectory() as scratch:
        folder = ensure_default_model(arguments.cache or Path(scratch))
        compare_speed(folder, passages[: arguments.passages], rounds=arguments.rounds)
        if not arguments.speed_only:
            compare_recall(folder, passages, questions, gold)


def read_squad(path: Path, *, limit: int | None = None) -> tuple[list[str], list[str], np.ndarray]:
    """Passages, questions and the index of each question's passage; empty questions are left out."""
    data = json.loads(path.read_text("utf-8"))["data"]
    paragraphs = [paragraph for article in data for paragraph in article["paragraphs"]][:limit]
    pairs = [
        (qa["question"], i) for i, p in enumerate(paragraphs) for qa in p["qas"] if qa["question"].strip()
    ]
    return [p["context"] for p in paragraphs], [q for q, _ in pairs], np.array([i for _, i in pairs])


def compare_speed(folder: Path, passages: list[str], *, rounds: int) -> None:
    """Time both over the passages, `rounds` times in turn; the best round counts."""
    from sentence_transformers import SentenceTransformer

    ours = OnnxE5Embedder(folder)
    rival = SentenceTransformer(str(folder), device="cpu")
    runs: dict[str, Callable[[], object]] = {
        "SentenceTransformer default (fp32)": lambda: rival.encode(passages, prompt_name="document"),
        "ONNX Runtime int8": lambda: ours.encode_documents(passages),
    }
    ours.encode_documents(passages[:2])
    rival.encode(passages[:2], prompt_name="document")
    best: dict[str, tuple[float, float]] = {}
    for _ in range(rounds):
        for name, run in runs.items():
            wall, processor = time.perf_counter(), time.process_time()
            run()
            took = (time.perf_counter() - wall, time.process_time() - processor)
            best[name] = min(best.get(name, took), took)
    print(f"{len(passages)} passages of {np.mean([len(p) for p in passages]):.0f} characters, ", end="")
    print(f"{usable_cpus()} processors, best of {rounds} rounds")
    print(f"{'':36}{'passages/s':>12}{'cpu ms each':>14}")
    for name, (wall, processor) in best.items():
        print(f"{name:36}{len(passages) / wall:12.1f}{processor / len(passages) * 1e3:14.0f}")
    (slow, slow_cpu), (fast, fast_cpu) = best.values()
    print(f"ratio {slow / fast:.2f} by the clock, {slow_cpu / fast_cpu:.2f} by processor time")
    query = median_of(lambda i: ours.encode_query(f"第{i}种情况要谁审批？"))
    rival_query = median_of(lambda i: rival.encode(f"第{i}种情况要谁审批？", prompt_name="query"))
    print(f"one question: {query:.1f} ms against {rival_query:.1f} ms\n")


def median_of(run: Callable[[int], object], times: int = 20) -> float:
    """Median time of a call in milliseconds."""
    taken = []
    for i in range(times):
        start = time.perf_counter()
        run(i)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken)) * 1e3


def compare_recall(folder: Path, passages: list[str], questions: list[str], gold: np.ndarray) -> None:
    """Recall at 1, 5 and 10 and MRR at 10 of both precisions, and the cosine between them."""
    from sentence_transformers import SentenceTransformer

    ours = OnnxE5Embedder(folder)
    rival = SentenceTransformer(str(folder), device="cpu")
    fp32 = rival.encode(passages, prompt_name="document"), rival.encode(questions, prompt_name="query")
    int8 = ours.encode_documents(passages), np.array([ours.encode_query(q) for q in questions])
    print(f"{len(passages)} passages, {len(questions)} questions")
    print(f"{'':8}{'recall@1':>10}{'recall@5':>10}{'recall@10':>11}{'mrr@10':>9}")
    figures = {"fp32": _ranks(*fp32, gold), "int8": _ranks(*int8, gold)}
    for name, ranks in figures.items():
        recall = [float((ranks < k).mean()) for k in (1, 5, 10)]
        mrr = float(np.where(ranks < 10, 1 / (ranks + 1), 0).mean())
        print(f"{name:8}{recall[0]:10.4f}{recall[1]:10.4f}{recall[2]:11.4f}{mrr:9.4f}")
    cosine = (fp32[0] * int8[0]).sum(axis=1)
    print(f"cosine of int8 with fp32: mean {cosine.mean():.4f}, least {cosine.min():.4f}")


def _ranks(passages: np.ndarray, questions: np.ndarray, gold: np.ndarray) -> np.ndarray:
    scores = questions @ passages.T
    ranks: np.ndarray = (scores > scores[np.arange(len(gold)), gold][:, None]).sum(axis=1)
    return ranks


if __name__ == "__main__":
    main()
