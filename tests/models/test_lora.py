"""Adapters merged into the weights, under native names and under those of the original code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from models.causal_loader import load_causal_model
from models.errors import ModelError, ModelNotFoundError
from tests.models.tiny_models import save_llama

LAYER = "base_model.model.model.layers.1.self_attn"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


def _adapter(path: Path, weights: dict[str, torch.Tensor], **config: Any) -> Path:
    path.mkdir()
    save_file(weights, path / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "none", **config}
    (path / "adapter_config.json").write_text(json.dumps(settings))
    return path


def _pair(module: str, rows: int, columns: int, *, seed: int = 0) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return {
        f"{module}.lora_A.weight": torch.randn(4, columns, generator=random),
        f"{module}.lora_B.weight": torch.randn(rows, 4, generator=random),
    }


def _weight(folder: Path, name: str, adapter: Path | None = None) -> torch.Tensor:
    model = load_causal_model(folder, device="cpu", adapter=adapter).model
    weight: torch.Tensor = dict(model.named_parameters())[name]
    return weight


def test_native_names(folder: Path, tmp_path: Path) -> None:
    pair = _pair(f"{LAYER}.o_proj", 32, 32)
    adapter = _adapter(tmp_path / "a", pair)
    a, b = pair.values()
    name = "model.layers.1.self_attn.o_proj.weight"
    torch.testing.assert_close(_weight(folder, name, adapter), _weight(folder, name) + 2 * b @ a)
    other = "model.layers.0.self_attn.o_proj.weight"
    torch.testing.assert_close(_weight(folder, other, adapter), _weight(folder, other))


def test_original_names_of_a_fused_projection(folder: Path, tmp_path: Path) -> None:
    """The llama here has q of 32 rows and k and v of 16 each, as ChatGLM has fewer of those."""
    pair = _pair("base_model.model.transformer.encoder.layers.1.self_attention.query_key_value", 64, 32)
    adapter = _adapter(tmp_path / "a", pair, lora_alpha=4)
    delta = pair[next(k for k in pair if "lora_B" in k)] @ pair[next(k for k in pair if "lora_A" in k)]
    for part, rows in (("q", slice(0, 32)), ("k", slice(32, 48)), ("v", slice(48, 64))):
        name = f"model.layers.1.self_attn.{part}_proj.weight"
        torch.testing.assert_close(_weight(folder, name, adapter), _weight(folder, name) + delta[rows])


def test_rank_stabilised_scale(folder: Path, tmp_path: Path) -> None:
    pair = _pair("base_model.model.model.layers.0.mlp.down_proj", 32, 64)
    adapter = _adapter(tmp_path / "a", pair, use_rslora=True)
    a, b = pair.values()
    name = "model.layers.0.mlp.down_proj.weight"
    torch.testing.assert_close(_weight(folder, name, adapter), _weight(folder, name) + 4 * b @ a)


@pytest.mark.parametrize(
    ("module", "rows", "config", "reason"),
    [
        (f"{LAYER}.o_proj", 16, {}, "is of 16×32"),
        ("base_model.model.model.layers.9.self_attn.o_proj", 32, {}, "the model has no"),
        (f"{LAYER}.W_pack", 96, {}, "has 96 rows"),
        (f"{LAYER}.o_proj", 32, {"use_dora": True}, "use_dora=True"),
        (f"{LAYER}.o_proj", 32, {"peft_type": "IA3"}, "no LoRA"),
    ],
)
def test_what_does_not_fit(
    folder: Path, tmp_path: Path, module: str, rows: int, config: dict[str, Any], reason: str
) -> None:
    adapter = _adapter(tmp_path / "a", _pair(module, rows, 32), **config)
    with pytest.raises(ModelError, match=reason):
        load_causal_model(folder, device="cpu", adapter=adapter)


def test_no_adapter(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="is not the folder of a LoRA"):
        load_causal_model(folder, device="cpu", adapter=tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("adapter_config.json", b'{"peft_type"'),
        ("adapter_config.json", b"[]"),
        ("adapter_model.safetensors", b"12"),
    ],
)
def test_a_damaged_adapter_is_told(folder: Path, tmp_path: Path, name: str, content: bytes) -> None:
    adapter = _adapter(tmp_path / "a", _pair(f"{LAYER}.o_proj", 32, 32))
    (adapter / name).write_bytes(content)
    with pytest.raises(ModelError, match="cannot be used"):
        load_causal_model(folder, device="cpu", adapter=adapter)
