"""Baichuan and Baichuan2 with 7 and 13 billion parameters: configuration and tensors in native form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from models.checkpoints.families import Family
from models.checkpoints.flags import check_flags, number
from models.checkpoints.plan import Plan, Source, Target, renamed, split_rows

_USED = frozenset(
    (
        *("hidden_size", "intermediate_size", "max_position_embeddings", "model_max_length"),
        *("num_attention_heads", "num_hidden_layers", "rms_norm_eps", "vocab_size"),
    )
)
_EXPECTED = {
    "hidden_act": "silu",
    "pretraining_tp": 1,
    "rope_theta": 10000,
    "tie_word_embeddings": False,
}


def baichuan(family: Family, config: Mapping[str, Any]) -> tuple[dict[str, Any], Plan]:
    """Native configuration and plan; raises `CheckpointError`."""
    expected: dict[str, Any] = {**_EXPECTED, "num_key_value_heads": config.get("num_attention_heads")}
    check_flags(config, used=_USED, expected=expected)
    hidden, inner = number(config, "hidden_size"), number(config, "intermediate_size")
    layers, vocabulary = number(config, "num_hidden_layers"), number(config, "vocab_size")
    rotary = family.model_type == "llama"
    native: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": number(config, "num_attention_heads"),
        "max_position_embeddings": number(
            config, "max_position_embeddings" if rotary else "model_max_length"
        ),
        "rms_norm_eps": float(config.get("rms_norm_eps", 1e-6)),
        "tie_word_embeddings": False,
    }
    if rotary:
        native["rope_parameters"] = {"rope_type": "default", "rope_theta": 10000.0}
    else:
        from models.alibi_llama import BIAS_CHANNELS

        native["head_dim"] = hidden // native["num_attention_heads"] + BIAS_CHANNELS
    # Baichuan2 divides each row of its head by its length whenever it is used: do it once.
    head = Target("lm_head.weight", normalise_rows=family.name.startswith("baichuan2"))
    sources = {
        "model.embed_tokens.weight": renamed("model.embed_tokens.weight", vocabulary, hidden),
        "model.norm.weight": renamed("model.norm.weight", hidden),
        "lm_head.weight": Source((vocabulary, hidden), (head,)),
    }
    for n in range(layers):
        layer = f"model.layers.{n}"
        sources[f"{layer}.self_attn.W_pack.weight"] = split_rows(
            (3 * hidden, hidden), [(f"{layer}.self_attn.{part}_proj.weight", hidden) for part in "qkv"]
        )
        for name, shape in (
            ("self_attn.o_proj", (hidden, hidden)),
            ("mlp.gate_proj", (inner, hidden)),
            ("mlp.up_proj", (inner, hidden)),
            ("mlp.down_proj", (hidden, inner)),
            ("input_layernorm", (hidden,)),
            ("post_attention_layernorm", (hidden,)),
        ):
            sources[f"{layer}.{name}.weight"] = renamed(f"{layer}.{name}.weight", *shape)
    computed = (
        r"model\.layers\.\d+\.self_attn\.rotary_emb\.(inv_freq|(cos|sin)_cached)|model\.(future|alibi)_mask"
    )
    return native, Plan(sources, re.compile(computed))
