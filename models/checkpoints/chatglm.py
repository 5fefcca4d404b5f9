"""ChatGLM-6B, ChatGLM2-6B, ChatGLM3-6B and GLM-4-9B: their configuration and tensors in native form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from models.checkpoints.families import Family
from models.checkpoints.flags import check_flags, number
from models.checkpoints.plan import Plan, Source, renamed, split_rows

_EXPECTED = {
    "add_bias_linear": False,
    "add_qkv_bias": True,
    "apply_residual_connection_post_layernorm": False,
    "interleaved_qkv": False,
    "original_rope": True,
    "post_layer_norm": True,
    "prefix_projection": False,
    "rmsnorm": True,
    "tie_word_embeddings": False,
}
_USED = frozenset(
    (
        *("ffn_hidden_size", "hidden_size", "kv_channels", "layernorm_epsilon", "multi_query_attention"),
        *("multi_query_group_num", "num_attention_heads", "num_layers", "padded_vocab_size"),
        *("rope_ratio", "seq_length"),
        # These change the precision of intermediate results, or nothing.
        *("apply_query_key_layer_scaling", "attention_softmax_in_fp32", "bias_dropout_fusion"),
        "fp32_residual_connection",
    )
)


def glm(family: Family, config: Mapping[str, Any]) -> tuple[dict[str, Any], Plan]:
    """Native configuration and plan of ChatGLM2, ChatGLM3 and GLM-4; raises `CheckpointError`."""
    layers, vocabulary = number(config, "num_layers"), number(config, "padded_vocab_size")
    # Published configurations repeat these under the names of other models.
    same = {"num_hidden_layers": layers, "vocab_size": vocabulary}
    stated = {**config, "original_rope": bool(config.get("original_rope"))}
    check_flags(stated, used=_USED, expected={**_EXPECTED, **same})
    hidden, inner = number(config, "hidden_size"), number(config, "ffn_hidden_size")
    heads = number(config, "num_attention_heads")
    width = int(config.get("kv_channels") or hidden // heads)
    groups = number(config, "multi_query_group_num") if config.get("multi_query_attention") else heads
    native = {
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "head_dim": width,
        "max_position_embeddings": number(config, "seq_length"),
        "rms_norm_eps": float(config.get("layernorm_epsilon", 1e-5)),
        "rope_parameters": _rope(family, float(config.get("rope_ratio") or 1)),
        "attention_bias": True,
        "tie_word_embeddings": False,
    }
    sources = {
        "transformer.embedding.word_embeddings.weight": renamed(
            "model.embed_tokens.weight", vocabulary, hidden
        ),
        "transformer.encoder.final_layernorm.weight": renamed("model.norm.weight", hidden),
        "transformer.output_layer.weight": renamed("lm_head.weight", vocabulary, hidden),
    }
    queries, keys = heads * width, groups * width
    for n in range(layers):
        old, new = f"transformer.encoder.layers.{n}", f"model.layers.{n}"
        for kind, shape in (("weight", (queries + 2 * keys, hidden)), ("bias", (queries + 2 * keys,))):
            parts = [
                (f"{new}.self_attn.{part}_proj.{kind}", rows)
                for part, rows in zip("qkv", (queries, keys, keys), strict=True)
            ]
            sources[f"{old}.self_attention.query_key_value.{kind}"] = split_rows(shape, parts)
        sources |= {
            f"{old}.self_attention.dense.weight": renamed(f"{new}.self_attn.o_proj.weight", hidden, queries),
            f"{old}.mlp.dense_h_to_4h.weight": renamed(f"{new}.mlp.gate_up_proj.weight", 2 * inner, hidden),
            f"{old}.mlp.dense_4h_to_h.weight": renamed(f"{new}.mlp.down_proj.weight", hidden, inner),
        }
        for norm in ("input_layernorm", "post_attention_layernorm"):
            sources[f"{old}.{norm}.weight"] = renamed(f"{new}.{norm}.weight", hidden)
    return native, Plan(sources, re.compile(r"transformer\.rotary_pos_emb\.inv_freq"))


def _rope(family: Family, ratio: float) -> dict[str, Any]:
    """Rotary positions over the first half of the channels; `ratio` stretches them for long contexts.

    ChatGLM2 divides the positions by it, its successors multiply the base.
    """
    rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}
    if ratio == 1:
        return rope
    if family.name == "chatglm2-6b":
        return {**rope, "rope_type": "linear", "factor": ratio}
    return {**rope, "rope_theta": 10000.0 * ratio}


def chatglm_6b(config: Mapping[str, Any], *, tied: bool) -> tuple[dict[str, Any], Plan]:
    """Configuration and plan of the first ChatGLM-6B; `tied` when its head is its word table."""
    used = {
        *("hidden_size", "inner_hidden_size", "layernorm_epsilon", "max_sequence_length", "num_layers"),
        *("num_attention_heads", "vocab_size", "tie_word_embeddings"),
    }
    check_flags(config, used=used, expected={"position_encoding_2d": True, "prefix_projection": False})
    layers, vocabulary = number(config, "num_layers"), number(config, "vocab_size")
    hidden, inner = number(config, "hidden_size"), number(config, "inner_hidden_size")
    native = {
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": number(config, "num_attention_heads"),
        "max_position_embeddings": number(config, "max_sequence_length"),
        "layer_norm_eps": float(config.get("layernorm_epsilon", 1e-5)),
        "tie_word_embeddings": tied,
    }
    shapes: dict[str, tuple[int, ...]] = {"transformer.word_embeddings.weight": (vocabulary, hidden)}
    norms = ["transformer.final_layernorm"]
    for n in range(layers):
        layer = f"transformer.layers.{n}"
        norms += [f"{layer}.input_layernorm", f"{layer}.post_attention_layernorm"]
        for name, rows, columns in (
            ("attention.query_key_value", 3 * hidden, hidden),
            ("attention.dense", hidden, hidden),
            ("mlp.dense_h_to_4h", inner, hidden),
            ("mlp.dense_4h_to_h", hidden, inner),
        ):
            shapes |= {f"{layer}.{name}.weight": (rows, columns), f"{layer}.{name}.bias": (rows,)}
    for norm in norms:
        shapes |= {f"{norm}.weight": (hidden,), f"{norm}.bias": (hidden,)}
    sources = {name: renamed(name, *shape) for name, shape in shapes.items()}
    head = (vocabulary, hidden)
    sources["lm_head.weight"] = Source(head, (), optional=True) if tied else renamed("lm_head.weight", *head)
    computed = r"transformer\.layers\.\d+\.attention\.rotary_emb\.inv_freq"
    return native, Plan(sources, re.compile(computed))
