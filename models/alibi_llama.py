"""Llama with ALiBi instead of RoPE: Baichuan-13B and Baichuan2-13B.

ALiBi adds slope · (key position - query position) to every attention score (Press et al., "Train
Short, Test Long", 2022). Here that bias is part of the product of query and key: both get
`BIAS_CHANNELS` more channels, so that every attention implementation, cache and batching scheme
applies it without knowing. Importing this module imports torch; `models.checkpoints.registration`
does that when a model is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel, LlamaPreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.llama.modeling_llama import eager_attention_forward

BIAS_CHANNELS = 8
"""Channels beyond those of the weights; seven are used, and eight keep kernels aligned."""

_BLOCK = 256


class AlibiLlamaConfig(LlamaConfig):
    """A Llama's configuration; `head_dim` counts the channels that carry the bias."""

    model_type = "alibi_llama"

    def __post_init__(self, **kwargs: Any) -> None:
        self.head_dim = self.hidden_size // self.num_attention_heads + BIAS_CHANNELS
        super().__post_init__(**kwargs)


def alibi_slopes(heads: int) -> list[float]:
    """Slopes of the heads: powers of 2^(-8/n) for n = 2^k heads; others interleave with those of 2n."""
    power = 1 << (heads.bit_length() - 1)
    start = 2.0 ** (-8.0 / power)
    slopes = [start ** (n + 1) for n in range(power)]
    if power < heads:
        between = 2.0 ** (-4.0 / power)
        slopes += [between ** (2 * n + 1) for n in range(heads - power)]
    return slopes


class BiasChannels(nn.Module):
    """What the queries and the keys at given positions carry of the bias.

    Positions, slopes and their products are split into parts that bfloat16 holds exactly, so that
    near keys keep their order whatever the precision. The query's own position is subtracted:
    softmax does not need that, but scores in half precision do.
    """

    def __init__(self, config: AlibiLlamaConfig) -> None:
        super().__init__()
        width = config.hidden_size // config.num_attention_heads
        # Attention scales the product by width^-1/2, the bias too.
        self.slopes = [slope * math.sqrt(width) for slope in alibi_slopes(config.num_attention_heads)]

    @torch.no_grad()
    def forward(self, states: torch.Tensor, position_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Channels of queries [batch, heads, length, 8] and of keys [batch, 1, length, 8]."""
        positions = position_ids[:, None].float()
        slopes = torch.tensor(self.slopes, dtype=torch.float32, device=states.device)
        high, low = _parts(slopes, 2)
        own = -(high + low)[:, None] * positions
        shape = own.shape
        by_head = [part[:, None].expand(shape) for part in (high, high, low, low)]
        queries = torch.stack((*by_head, *_parts(own, 3), torch.zeros_like(own)), dim=-1)
        far = torch.floor(positions / _BLOCK) * _BLOCK
        near, one = positions - far, torch.ones_like(positions)
        keys = torch.stack((far, near, far, near, one, one, one, torch.zeros_like(one)), dim=-1)
        return queries.to(states.dtype), keys.to(states.dtype)


def _parts(values: torch.Tensor, count: int) -> list[torch.Tensor]:
    """Numbers that bfloat16 can hold and that sum to `values`, the largest first."""
    parts = []
    for _ in range(count):
        parts.append(values.bfloat16().float())
        values = values - parts[-1]
    return parts


class AlibiAttention(nn.Module):
    """Multi-head attention whose queries and keys carry the bias."""

    def __init__(self, config: AlibiLlamaConfig, layer_idx: int) -> None:
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.width = config.hidden_size // config.num_attention_heads
        self.head_dim = config.head_dim
        self.num_key_value_groups = 1
        self.scaling = self.width**-0.5
        self.attention_dropout = 0.0
        self.is_causal = True
        size = config.hidden_size
        self.q_proj = nn.Linear(size, size, bias=False)
        self.k_proj = nn.Linear(size, size, bias=False)
        self.v_proj = nn.Linear(size, size, bias=False)
        self.o_proj = nn.Linear(size, size, bias=False)

    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        attention_mask: torch.Tensor | None = None,
        past_key_values: Any = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Attend from [batch, length, hidden] as `LlamaAttention` does."""
        shape = hidden_states.shape[:-1]
        query, key, value = (
            projection(hidden_states).view(*shape, -1, self.width).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        of_queries, of_keys = position_embeddings
        query = torch.cat((query, of_queries.expand(len(query), -1, -1, -1)), dim=-1)
        key = torch.cat((key, of_keys.expand(len(key), key.shape[1], -1, -1)), dim=-1)
        value = functional.pad(value, (0, BIAS_CHANNELS))
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)
        attend: Callable[..., Any] = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        output, weights = attend(
            self, query, key, value, attention_mask, dropout=0.0, scaling=self.scaling, **kwargs
        )
        return self.o_proj(output[..., : self.width].reshape(*shape, -1)), weights


class AlibiLlamaModel(LlamaModel):
    """The decoder without its head."""

    config: AlibiLlamaConfig
    config_class = AlibiLlamaConfig

    def __init__(self, config: AlibiLlamaConfig) -> None:
        super().__init__(config)
        self.rotary_emb = BiasChannels(config)
        for index, layer in enumerate(self.layers):
            layer.self_attn = AlibiAttention(config, index)
        self.post_init()


class AlibiLlamaForCausalLM(LlamaForCausalLM):
    """The language model."""

    config: AlibiLlamaConfig
    config_class = AlibiLlamaConfig

    def __init__(self, config: AlibiLlamaConfig) -> None:
        LlamaPreTrainedModel.__init__(self, config)
        self.model = AlibiLlamaModel(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()
