"""Weights of 8 and 4 bits: the same function but for rounding, in less memory; or what is missing for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.causal_loader import Quantisation, load_causal_model
from models.errors import ModelError, ModelPackageMissingError
from tests.models.tiny_models import save_llama


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"), hidden=128)


@pytest.mark.parametrize(("quantisation", "share", "bound"), [("int8", 0.5, 0.05), ("int4", 0.4, 0.5)])
def test_quantised_weights(folder: Path, quantisation: Quantisation, share: float, bound: float) -> None:
    pytest.importorskip("bitsandbytes", reason="the package bitsandbytes is not installed")
    import torch

    ids = torch.tensor([[3, 20, 30, 40, 50]])
    whole = load_causal_model(folder, device="cpu")
    small = load_causal_model(folder, device="cpu", quantisation=quantisation)
    with torch.no_grad():
        expected, found = whole.model(ids).logits, small.model(ids).logits.float()
    assert 0 < (found - expected).abs().max() <= bound * expected.abs().max()
    assert small.memory_bytes <= share * whole.memory_bytes
    assert small.device.startswith("cpu")


def test_what_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    with pytest.raises(ModelPackageMissingError) as caught:
        load_causal_model(folder, device="cpu", quantisation="int4")
    assert caught.value.details["install"] == "pip install bitsandbytes accelerate"


def test_a_lora_needs_whole_weights(folder: Path) -> None:
    with pytest.raises(ModelError, match="without quantisation"):
        load_causal_model(folder, device="cpu", quantisation="int8", adapter=folder)
