"""The keys of an original `config.json`, each of which must be known before weights are trusted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from models.errors import CheckpointError

NEUTRAL = frozenset(
    (
        *("_from_model_config", "_name_or_path", "architectures", "auto_map", "dtype", "torch_dtype"),
        *("id2label", "label2id", "initializer_range", "model_type", "name_or_path", "problem_type"),
        *("tokenizer_class", "transformers_version", "use_cache", "gradient_checkpointing"),
        *("attention_dropout", "hidden_dropout", "dropout", "classifier_dropout", "bos_token_id"),
        *("eos_token_id", "pad_token_id", "mask_token_id", "gmask_token_id", "unk_token_id"),
        *("output_attentions", "output_hidden_states", "return_dict", "chunk_size_feed_forward"),
        *("max_length", "min_length", "do_sample", "temperature", "top_k", "top_p", "num_beams"),
        *("repetition_penalty", "z_loss_weight", "max_new_tokens", "_attn_implementation"),
        *("attn_implementation", "is_encoder_decoder", "is_decoder", "num_labels", "use_return_dict"),
    )
)
"""Keys that say nothing about the function that the weights compute."""

QUANTISATION = ("quantization_bit", "quantization_config", "quantization_embeddings", "quantized")


def check_flags(
    config: Mapping[str, Any], *, used: Collection[str], expected: Mapping[str, Any] | None = None
) -> None:
    """Raise `CheckpointError` for a key that is unknown or has another value than expected.

    `used` are keys that the caller looks at; `expected` gives the one value that a key may have.
    """
    for key in QUANTISATION:
        if config.get(key):
            raise CheckpointError(
                "foreign_quantisation",
                f"config.json has {key}: {config[key]}: the checkpoint is quantised in a format of its own",
                flag=f"{key}: {config[key]}",
            )
    expected = expected or {}
    for key, value in config.items():
        if key in NEUTRAL or key in used or value is None or key in QUANTISATION:
            continue
        if key not in expected:
            raise CheckpointError(
                "unknown_flag", f"config.json has the unknown key {key}: {value}", flag=f"{key}: {value}"
            )
        if value != expected[key]:
            raise CheckpointError(
                "unsupported_flag",
                f"config.json has {key}: {value} where {expected[key]} is expected",
                flag=f"{key}: {value}",
                expected=str(expected[key]),
            )


def number(config: Mapping[str, Any], key: str) -> int:
    """A positive whole number in the configuration; raises `CheckpointError` when it is missing."""
    value = config.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise CheckpointError(
            "unsupported_flag",
            f"config.json has {key}: {value} where a positive number is expected",
            flag=f"{key}: {value}",
            expected="> 0",
        )
    return value
