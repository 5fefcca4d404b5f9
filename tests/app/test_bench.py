"""Measurements: what they measure with, and what is made of the figures."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.bench import collection, rival_server, rivals, stages
from app.bench.collection import Collection, Nearest, Source, read_source, read_texts
from app.bench.everything import write_report
from app.bench.indexing import measure_index
from app.bench.measuring import growth_exponent, latencies, rounded
from app.bench.pipeline import write_passages
from app.bench.plot import LATENCIES, draw
from app.bench.retrieval import measure_retrieval
from app.bench.serving import Chats
from app.bench.tables import exponents, markdown, misses
from app.cli.main import main
from models.embedder import Embedder

pytestmark = pytest.mark.slow


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


@pytest.fixture
def source() -> Source:
    vectors = unit(np.random.default_rng(0).normal(size=(40, 8)) + 1)
    return Source(["甲乙甲丙", "丁。"], vectors, ["甲？"], vectors[:1])


def test_texts_walk_along_the_pairs_of_the_passages(source: Source) -> None:
    texts = Collection(source).texts(20)
    assert {len(text) for text in texts} <= set(range(150, 350))
    pairs = Counter(text[i : i + 2] for text in texts for i in range(len(text) - 1))
    assert set(pairs) == {"甲乙", "乙甲", "甲丙", "丙\n", "\n丁", "丁。", "。甲"}
    assert 0.4 < pairs["甲乙"] / (pairs["甲乙"] + pairs["甲丙"]) < 0.6


def test_a_collection_is_the_same_for_the_same_seed(source: Source) -> None:
    ((ids, texts, vectors),) = Collection(source).batches(30)
    ((_, again, same),) = Collection(source).batches(30)
    assert (list(ids), texts) == (list(range(30)), again)
    assert np.array_equal(vectors, same)
    assert not np.array_equal(vectors, Collection(source, seed=1).vectors(30))
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert [len(batch[0]) for batch in Collection(source).batches(10_001)] == [10_000, 1]
    whole = list(Collection(source).batches(20_000))
    ((ids, texts, vectors),) = Collection(source).batches(20_000, start=10_000)
    assert (ids, texts) == (whole[1][0], whole[1][1])
    assert np.array_equal(vectors, whole[1][2])


def test_the_nearest_over_batches_are_those_over_all(source: Source) -> None:
    vectors = Collection(source).vectors(200)
    nearest = Nearest(vectors[:5], 3)
    for start in range(0, 200, 60):
        nearest.update(range(start, min(start + 60, 200)), vectors[start : start + 60])
    assert nearest.ids.tolist() == np.argsort(-(vectors[:5] @ vectors.T), axis=1)[:, :3].tolist()


def test_the_samples_are_the_passages_by_default() -> None:
    passages, questions = read_texts()
    assert len(passages) > 100
    assert "我工龄六年，一年有几天年休假？" in questions


def test_latencies_are_taken_in_turns() -> None:
    order: list[tuple[str, int]] = []
    tasks: dict[str, Any] = {name: lambda i, n=name: order.append((n, i)) for name in "ab"}
    figures = latencies(tasks, 2, rounds=2)
    assert order == [("a", 0), ("a", 1), ("b", 0), ("b", 1)] * 2
    assert set(figures) == {f"{n}_p{p}_{unit}" for n in "ab" for p in (50, 95) for unit in ("ms", "cpu_ms")}
    assert 0 <= figures["a_p50_ms"] <= figures["a_p95_ms"] < 1000


def test_growth() -> None:
    assert growth_exponent([10, 100, 1000], [3, 30, 300]) == pytest.approx(1)
    assert growth_exponent([10, 1000], [3, 30]) == pytest.approx(0.5)
    assert growth_exponent([10], [3]) is None
    rows = [{"size": 10, "a_ms": 3.0, "dense_recall@10": 1.0}, {"size": 1000, "a_ms": 30.0, "b_ms": 1.0}]
    assert exponents(rows) == {"a_ms": 0.5}
    assert rounded({"a": 1.23456, "b": 3, "c": "x"}) == {"a": 1.235, "b": 3, "c": "x"}


def test_table_and_missed_bars() -> None:
    rows = [
        {"size": 5_000, "hybrid_p95_ms": 100.0, "keyword_speedup": 99.0},
        {"size": 200_000, "hybrid_p95_ms": 15.1, "dense_recall@10": 0.985},
        {"size": 1_000_000, "hybrid_p95_ms": 40.0, "dense_recall@10": 0.99},
    ]
    assert markdown(rows[:2]).splitlines() == [
        "| | 5,000 | 200,000 |",
        "|---|---|---|",
        "| hybrid_p95_ms | 100.0 | 15.1 |",
        "| keyword_speedup | 99.0 |  |",
        "| dense_recall@10 |  | 0.985 |",
    ]
    assert misses(rows) == [
        "keyword_speedup 99.0 < 100 (5,000)",
        "hybrid_p95_ms 15.1 > 15 (200,000)",
        "dense_recall@10 0.985 < 0.99 (200,000)",
    ]


def test_the_plot_is_an_svg_with_text() -> None:
    rows = [{"size": size, "hybrid_p50_ms": size**0.5} for size in (100, 10_000)]
    plot = draw(LATENCIES, rows)
    assert "<svg" in plot
    assert "hybrid search: n^0.50" in plot
    assert "keyword arm" not in plot
    assert plot == draw(LATENCIES, rows)


@pytest.mark.skipif(bool(rivals.missing()), reason="the rivals are not installed")
def test_the_rivals_find_what_is_there(source: Source) -> None:
    texts = ["水稻喜高温多湿。", "北极熊以海豹为食。", "长城东起鸭绿江。"]
    assert rivals.jieba_bm25("北极熊吃什么？", texts, 1) == [1]
    store = rivals.LangChainFaiss(8)
    store.add(range(3), texts, source.vectors[:3])
    store.add([7], ["新"], source.vectors[7:8])
    assert store.search(source.vectors[7], 1) == [7]
    store.remove([7])
    assert store.search(source.vectors[1], 1) == [1]


@pytest.mark.model
def test_the_vectors_of_a_source_are_kept(embedder: Embedder, tmp_path: Path) -> None:
    steps: list[str] = []
    made = read_source(embedder, cache=tmp_path, passages=3, progress=steps.append)
    assert (len(made.passages), made.vectors.shape, steps) == (3, (3, 384), ["embed 0/3"])
    again = read_source(embedder, cache=tmp_path, passages=3, progress=steps.append)
    assert np.array_equal(made.vectors, again.vectors)
    assert np.array_equal(made.question_vectors, again.question_vectors)
    assert len(steps) == 1


@pytest.mark.parametrize("sizes", ["many", "5", "100,x"])
def test_sizes_that_are_none(capsys: pytest.CaptureFixture[str], tmp_path: Path, sizes: str) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--data-dir", str(tmp_path), "bench", "index", "--sizes", sizes, "--json"])
    assert exit_.value.code == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


@pytest.mark.skipif(bool(rivals.missing()), reason="the rivals are not installed")
def test_a_small_collection_is_searched_beside_the_rivals(source: Source) -> None:
    figures = measure_retrieval(300, source, rounds=1, progress=print)
    assert (figures["size"], figures["dense_recall@10"]) == (300, 1)
    for name in ("hybrid", "dense", "keyword", "langchain_faiss", "jieba_bm25"):
        assert 0 < figures[f"{name}_p50_ms"] <= figures[f"{name}_p95_ms"]
    assert figures["keyword_speedup"] > 1


def test_a_collection_that_is_kept_goes_on_where_it_ended(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "BATCH", 50)
    monkeypatch.setattr(stages, "BATCH", 50)
    steps: list[str] = []
    options: dict[str, Any] = {"folder": tmp_path, "stage": 100, "progress": steps.append}

    def interrupt(step: str) -> None:
        if step == "200: build 200/200":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stages.grown(200, source, 3, **{**options, "progress": interrupt})
    index, exact = stages.grown(200, source, 3, **options)
    assert steps == ["200: build 150/200", "200: build 200/200", "200: train"]
    rows = np.concatenate([rows for _, _, rows in Collection(source).batches(200)])
    assert len(index) == 200
    assert exact.ids[0].tolist() == np.argsort(-(rows @ source.question_vectors[0]))[:3].tolist()
    steps.clear()
    assert len(stages.grown(200, source, 3, **options)[0]) == 200
    assert len(stages.grown(80, source, 3, **options)[0]) == 80
    assert steps == ["200: train", "80: build 50/80", "80: build 80/80", "80: train"]
    assert len(stages.grown(200, source, 3, **options)[0]) == 200
    assert steps[4:] == ["200: train"]


def test_a_small_index_is_built_and_changed_without_rivals(source: Source) -> None:
    figures = measure_index(300, source, rivals_up_to=0, progress=print)
    assert set(figures) == {
        "size",
        *("build_s", "training_s", "memory_mb", "add_256_s", "remove_256_s", "save_s", "load_s", "disk_mb"),
    }
    assert figures["disk_mb"] > 300 * 8 * 4 / 1e6


def test_passages_become_files_of_their_own(tmp_path: Path) -> None:
    paths = write_passages(["一", "二"], tmp_path / "new", 5)
    assert [path.read_text("utf-8") for path in paths] == ["一", "二", "一\n第1版", "二\n第1版", "一\n第2版"]


def test_the_report_has_a_table_a_part_and_plots_beside_it(tmp_path: Path) -> None:
    rows = [{"size": size, "ingest_s": size / 2, "build_s": 1.0, "hybrid_p95_ms": 16.0} for size in (10, 200)]
    measured: dict[str, Any] = {"machine": {"processors": 2}}
    measured |= {part: {"ratio": 3.0} for part in ("limits", "embedding", "pdf", "scan", "start")}
    measured |= dict.fromkeys(("retrieval", "index", "documents", "chats"), rows)
    text = write_report(measured, tmp_path)
    assert (tmp_path / "report.md").read_text("utf-8") == text
    assert sorted(path.stem for path in tmp_path.glob("*.svg")) == [
        "chats",
        "documents",
        "index",
        "retrieval",
    ]
    assert "| ingest_s | 5.0 | 100.0 |" in text
    assert "ingest_s ~ n^1.0" in text
    assert "| ratio | 3.0 |" in text
    assert "from a cold start" not in write_report({"machine": {}, "limits": {}}, tmp_path).lower()


def test_chats_are_counted_by_what_became_of_them() -> None:
    figures = Chats(first_s=[0.1, 0.3], whole_s=[0.2, 0.4], turned_away=3, failed=1).figures(4.0)
    assert (figures["answers"], figures["answers_per_s"]) == (2, 0.5)
    assert figures["first_p50_ms"] == pytest.approx(200)
    assert (figures["turned_away"], figures["failed"]) == (3, 1)


def test_what_the_rival_is_told_is_no_setting_of_ours() -> None:
    """Its server reads the settings too, which refuse unknown variables."""
    assert not rival_server.STORE.startswith("ZHIWEN_")
