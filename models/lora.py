"""Merging a LoRA adapter into the weights of a loaded model, also one trained on the original names.

`W + alpha/r · B·A` (Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021). An adapter
made for the original code of ChatGLM or Baichuan names modules that the native classes have not: a
fused `query_key_value` or `W_pack` is split, `A` going to all three and `B` by its rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.errors import ModelError, ModelNotFoundError

_KEY = re.compile(r"^base_model\.model\.(?P<module>.+)\.lora_(?P<part>[AB])(?:\.default)?\.weight$")
_RENAMES = (
    ("transformer.encoder.layers.", "model.layers."),
    ("transformer.layers.", "model.layers."),
    ("self_attention.", "self_attn."),
    ("self_attn.dense", "self_attn.o_proj"),
    ("mlp.dense_h_to_4h", "mlp.gate_up_proj"),
    ("mlp.dense_4h_to_h", "mlp.down_proj"),
)
_FUSED = re.compile(r"^(?P<parent>.+)\.(?:query_key_value|W_pack)$")
_UNSUPPORTED = {"use_dora": False, "bias": "none", "modules_to_save": None, "fan_in_fan_out": False}


def merge_adapter(model: Any, folder: Path) -> None:
    """Add the adapter in `folder` to the weights of `model`, for good.

    Raises `ModelNotFoundError` when the folder holds no adapter, and `ModelError` when the adapter
    is damaged, does not fit the model, or does more than LoRA.
    """
    config_file, weights_file = folder / "adapter_config.json", folder / "adapter_model.safetensors"
    if not config_file.is_file() or not weights_file.is_file():
        raise ModelNotFoundError(
            f"{folder} is not the folder of a LoRA adapter: it needs adapter_config.json and "
            "adapter_model.safetensors.",
            name=str(folder),
        )
    config, weights = _read(folder, config_file, weights_file)
    if config.get("peft_type", "LORA") != "LORA":
        raise _refused(folder, f"it is a {config['peft_type']}, no LoRA")
    for key, plain in _UNSUPPORTED.items():
        if config.get(key) not in (plain, None, []):
            raise _refused(folder, f"{key}={config[key]} is not supported")
    parts: dict[str, dict[str, Any]] = {}
    for key, tensor in weights.items():
        match = _KEY.match(key)
        if match is None:
            raise _refused(folder, f"it holds the unknown weight {key}")
        parts.setdefault(match["module"], {})[match["part"]] = tensor
    modules = dict(model.named_modules())
    changes = []
    for name, pair in parts.items():
        if pair.keys() != {"A", "B"}:
            raise _refused(folder, f"half of {name} is missing")
        scale = _scale(config, name, rank=pair["A"].shape[0])
        for target, a, b in _targets(name, pair["A"], pair["B"], modules, folder):
            weight = modules[target].weight
            if weight.shape != (b.shape[0], a.shape[1]):
                raise _refused(
                    folder, f"{name} is of {b.shape[0]}×{a.shape[1]}, {target} of {tuple(weight.shape)}"
                )
            changes.append((weight, scale, a, b))
    # Only now that all of it fits is anything changed.
    for weight, scale, a, b in changes:
        delta = scale * (b.float() @ a.float())
        weight.data += delta.to(weight.device, weight.dtype)


def _read(folder: Path, config_file: Path, weights_file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config = json.loads(config_file.read_text("utf-8"))
        weights = load_file(weights_file)
    except (OSError, ValueError, SafetensorError) as error:
        raise _refused(folder, f"it cannot be read ({error})") from error
    if not isinstance(config, dict):
        raise _refused(folder, f"{config_file.name} holds no settings")
    return config, weights


def _scale(config: dict[str, Any], name: str, *, rank: int) -> float:
    alpha = float(config.get("lora_alpha", rank))
    for pattern, value in (config.get("alpha_pattern") or {}).items():
        if re.search(rf"(?:^|\.){pattern}$", name):
            alpha = float(value)
    return alpha / (rank**0.5 if config.get("use_rslora") else rank)


def _targets(
    name: str, a: Any, b: Any, modules: dict[str, Any], folder: Path
) -> Iterator[tuple[str, Any, Any]]:
    """The modules of the model that the adapter's module `name` changes, with their part of it."""
    if name not in modules:
        for old, new in _RENAMES:
            name = name.replace(old, new)
    fused = _FUSED.match(name)
    if name in modules:
        yield name, a, b
    elif fused:
        targets = [f"{fused['parent']}.{part}_proj" for part in "qkv"]
        if any(target not in modules for target in targets):
            raise _refused(folder, f"the model has no {name}")
        rows = [modules[target].weight.shape[0] for target in targets]
        if sum(rows) != b.shape[0]:
            raise _refused(folder, f"{name} has {b.shape[0]} rows, the model's q, k and v {sum(rows)}")
        for target, part in zip(targets, b.split(rows), strict=True):
            yield target, a, part
    else:
        raise _refused(folder, f"the model has no {name}")


def _refused(folder: Path, reason: str) -> ModelError:
    return ModelError(f"The LoRA adapter in {folder} cannot be used: {reason}.", folder=str(folder))
