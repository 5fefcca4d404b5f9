"""What a language model takes in memory, and whether this machine has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.checkpoints.weights import TensorInfo

_TABLES = ("embed", "wte", "lm_head", "output_layer")
_BITSANDBYTES = {"int8": 1.0, "int4": 0.5 + 4 / 64}
"""Bytes a number: 8 bits, or 4 bits with a scale of 4 bytes for each 64 numbers."""
_CONTEXT = 4096
_ACTIVATIONS = 1.1


@dataclass(frozen=True, slots=True)
class Needs:
    """Bytes of the weights in each precision, and of the cache for 1,000 tokens of context."""

    bfloat16: int
    int8: int
    int4: int
    kv_cache_per_1000_tokens: int | None

    def total(self, precision: str) -> float:
        """Bytes to answer with a context of 4,096 tokens, activations included."""
        cache = (self.kv_cache_per_1000_tokens or 0) * _CONTEXT / 1000
        return (float(getattr(self, precision)) + cache) * _ACTIVATIONS


@dataclass(frozen=True, slots=True)
class Gpu:
    """A graphics card that torch can use."""

    name: str
    memory: int
    free: int


@dataclass(frozen=True, slots=True)
class Machine:
    """Memory of this machine in bytes."""

    ram: int
    ram_available: int
    gpus: tuple[Gpu, ...]

    def runs(self, needs: Needs) -> tuple[str, str] | None:
        """Where a model runs, "gpu" or "cpu", and in which precision at most; None when nowhere.

        Fewer bits are proposed for a card only; on a processor they have to be asked for.
        """
        free = max((gpu.free for gpu in self.gpus), default=0)
        for precision in ("bfloat16", "int8", "int4"):
            if needs.total(precision) <= free:
                return "gpu", precision
        return ("cpu", "bfloat16") if needs.total("bfloat16") <= self.ram_available else None


def this_machine() -> Machine:
    """Memory as it is now."""
    import psutil

    from models.registry import gpu_visible

    memory = psutil.virtual_memory()
    return Machine(memory.total, memory.available, _gpus() if gpu_visible() else ())


def _gpus() -> tuple[Gpu, ...]:
    import torch

    found = []
    for n in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(n)
        found.append(Gpu(torch.cuda.get_device_name(n), total, free))
    return tuple(found)


def needs_of(tensors: Mapping[str, TensorInfo], config: Mapping[str, Any]) -> Needs:
    """What weights with these tensors take; word tables and heads keep 16 bits in any precision."""
    whole = sum(info.numbers for info in tensors.values())
    linear = sum(
        info.numbers
        for name, info in tensors.items()
        if len(info.shape) == 2 and not any(table in name for table in _TABLES)
    )
    few = {name: int(2 * (whole - linear) + width * linear) for name, width in _BITSANDBYTES.items()}
    return Needs(2 * whole, few["int8"], few["int4"], _cache(config))


def _cache(config: Mapping[str, Any]) -> int | None:
    """Bytes of keys and values of 1,000 tokens in 16 bits."""
    inner = config.get("text_config")
    if isinstance(inner, dict):
        config = {**config, **inner}
    layers, heads = config.get("num_hidden_layers"), config.get("num_attention_heads")
    hidden = config.get("hidden_size")
    if not layers or not heads or not hidden:
        return None
    width = config.get("head_dim") or hidden // heads
    return 2 * 2 * 1000 * int(layers) * int(config.get("num_key_value_heads") or heads) * int(width)
