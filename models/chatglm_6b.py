"""ChatGLM-6B, the first version, which transformers has no class for.

The prompt up to `<sop>` is read in both directions and the answer from left to right. Each half of
the channels is rotated by a position of its own: the place in the prompt, where the answer stays
at the place of `[gMASK]`, and the place in the answer, which is 0 in the prompt (Du et al., "GLM",
2022; Zeng et al., "GLM-130B", 2023). Importing this module imports torch;
`models.checkpoints.registration` does that when a model is loaded.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import GenerationMixin, PreTrainedConfig, PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache
from transformers.modeling_outputs import CausalLMOutputWithPast


class ChatGLM6BConfig(PreTrainedConfig):
    """Shape and control tokens; `bos_token_id` is `<sop>`, where the answer begins."""

    model_type = "chatglm_6b"
    keys_to_ignore_at_inference = ("past_key_values",)

    vocab_size: int = 130528
    hidden_size: int = 4096
    intermediate_size: int = 16384
    num_hidden_layers: int = 28
    num_attention_heads: int = 32
    max_position_embeddings: int = 2048
    layer_norm_eps: float = 1e-5
    gmask_token_id: int = 130001
    bos_token_id: int | None = 130004
    eos_token_id: int | list[int] | None = 130005
    pad_token_id: int | None = 3
    tie_word_embeddings: bool = False
    use_cache: bool = True


class Attention(nn.Module):
    """Multi-head attention; query, key and value of a head lie together in the projection."""

    def __init__(self, config: ChatGLM6BConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.heads = config.num_attention_heads
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self, states: torch.Tensor, angles: torch.Tensor, mask: torch.Tensor | None, cache: Cache | None
    ) -> torch.Tensor:
        """Attend from [batch, length, hidden]; `angles` are [batch, 1, length, 2, width / 4]."""
        batch, length, hidden = states.shape
        fused = self.query_key_value(states).view(batch, length, self.heads, -1).transpose(1, 2)
        query, key, value = fused.chunk(3, dim=-1)
        query, key = _rotated(query, angles), _rotated(key, angles)
        if cache is not None:
            key, value = cache.update(key, value, self.layer)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.dense(mixed.transpose(1, 2).reshape(batch, length, hidden))


def _rotated(states: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Rotate each half of the channels, whose own halves are the coordinates, by its angles."""
    first, second = states.view(*states.shape[:-1], 2, 2, -1).float().unbind(-2)
    cos, sin = angles.cos(), angles.sin()
    turned = torch.stack((first * cos - second * sin, second * cos + first * sin), dim=-2)
    return turned.flatten(-3).to(states.dtype)


class Block(nn.Module):
    """A layer: each part's normalised input, enlarged, is added to its output."""

    def __init__(self, config: ChatGLM6BConfig, layer: int) -> None:
        super().__init__()
        self.scale = math.sqrt(2 * config.num_hidden_layers)
        self.input_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = Attention(config, layer)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = nn.ModuleDict(
            {
                "dense_h_to_4h": nn.Linear(config.hidden_size, config.intermediate_size),
                "dense_4h_to_h": nn.Linear(config.intermediate_size, config.hidden_size),
            }
        )

    def forward(
        self, states: torch.Tensor, angles: torch.Tensor, mask: torch.Tensor | None, cache: Cache | None
    ) -> torch.Tensor:
        """States [batch, length, hidden] after this layer."""
        states = self.input_layernorm(states)
        states = states * self.scale + self.attention(states, angles, mask, cache)
        states = self.post_attention_layernorm(states)
        inner = functional.gelu(self.mlp["dense_h_to_4h"](states), approximate="tanh")
        return states * self.scale + self.mlp["dense_4h_to_h"](inner)


class ChatGLM6BPreTrainedModel(PreTrainedModel):
    """What transformers must know about the model."""

    config: ChatGLM6BConfig
    config_class = ChatGLM6BConfig
    base_model_prefix = "transformer"
    _no_split_modules = ("Block",)
    _supports_sdpa = True


class ChatGLM6BModel(ChatGLM6BPreTrainedModel):
    """The decoder without its head."""

    def __init__(self, config: ChatGLM6BConfig) -> None:
        super().__init__(config)
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([Block(config, n) for n in range(config.num_hidden_layers)])
        self.final_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The table of word vectors."""
        return self.word_embeddings

    def forward(
        self,
        input_ids: torch.Tensor,
        *,
        position_ids: torch.Tensor,
        mask: torch.Tensor | None,
        cache: Cache | None,
    ) -> torch.Tensor:
        """States [batch, length, hidden] for ids at positions [batch, 2, length]."""
        states = self.word_embeddings(input_ids)
        angles = self._angles(position_ids)
        for layer in self.layers:
            states = layer(states, angles, mask, cache)
        return self.final_layernorm(states)

    def _angles(self, position_ids: torch.Tensor) -> torch.Tensor:
        width = self.config.hidden_size // (2 * self.config.num_attention_heads)
        steps = torch.arange(0, width, 2, dtype=torch.float32, device=position_ids.device)
        # The original keeps the frequencies in half precision, and its weights know them so.
        frequencies = (10000.0 ** (-steps / width)).half().float()
        return (position_ids.float()[..., None] * frequencies).transpose(1, 2)[:, None]


class ChatGLM6BForConditionalGeneration(ChatGLM6BPreTrainedModel, GenerationMixin):
    """The language model. A prompt holds `[gMASK]` and ends with `<sop>`; it may be padded on the left."""

    _tied_weights_keys = {"lm_head.weight": "transformer.word_embeddings.weight"}  # noqa: RUF012

    def __init__(self, config: ChatGLM6BConfig) -> None:
        super().__init__(config)
        self.transformer = ChatGLM6BModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_output_embeddings(self) -> nn.Module:
        """The head."""
        return self.lm_head

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int = 0,
        **_: Any,
    ) -> CausalLMOutputWithPast:
        """Logits [batch, length, vocabulary].

        After the first call `position_ids` [batch, 2, length] must be given, because they cannot be
        told from the new ids alone: `positions` of all ids so far, cut to the new ones.
        """
        if past_key_values is None and (self.config.use_cache if use_cache is None else use_cache):
            past_key_values = DynamicCache(config=self.config)
        before = past_key_values.get_seq_length() if past_key_values is not None else 0
        if position_ids is None:
            if before:
                raise ValueError("position_ids are needed once the cache holds the prompt")
            position_ids = self.positions(input_ids, attention_mask)
        states = self.transformer(
            input_ids,
            position_ids=position_ids,
            mask=self._mask(input_ids, attention_mask, before),
            cache=past_key_values,
        )
        logits = self.lm_head(states[:, -logits_to_keep:] if logits_to_keep else states)
        return CausalLMOutputWithPast(logits=logits, past_key_values=past_key_values)

    def positions(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Both positions [batch, 2, length] of whole sequences; padding does not count."""
        start = self._starts(input_ids)
        columns = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
        if attention_mask is None:
            padding = torch.zeros_like(start)
        else:
            padding = (attention_mask.long().cumsum(-1) == 0).sum(-1, keepdim=True)
        masks = input_ids == self.config.gmask_token_id
        if not masks.any(-1).all():
            raise ValueError("a prompt has no [gMASK]")
        place = torch.where(columns < start, columns, masks.int().argmax(-1, keepdim=True)) - padding
        return torch.stack((place, columns - start + 1), dim=1).clamp(min=0)

    def prepare_inputs_for_generation(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Inputs of the next step, with both positions of its ids."""
        kwargs["position_ids"] = self.positions(input_ids, attention_mask)
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(
            input_ids, attention_mask=attention_mask, **kwargs
        )
        return inputs

    def _starts(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Column [batch, 1] of the first `<sop>`, up to which attention goes both ways."""
        found = input_ids.eq(self.config.bos_token_id or 0)
        if not found.any(-1).all():
            raise ValueError("a prompt has no <sop>")
        return found.int().argmax(-1, keepdim=True)

    def _mask(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None, before: int
    ) -> torch.Tensor | None:
        """Which keys each query sees [batch, 1, queries, keys], or None for all of them."""
        length = input_ids.shape[1]
        padded = attention_mask is not None and not bool(attention_mask.all())
        if length == 1 and not padded:
            return None
        rows = torch.arange(before, before + length, device=input_ids.device)[:, None]
        keys = torch.arange(before + length, device=input_ids.device)
        visible = (keys <= rows)[None].expand(len(input_ids), -1, -1)
        if before == 0:
            visible = visible | (keys < self._starts(input_ids))[:, None]
        if padded and attention_mask is not None:
            # A padded query sees itself, for a softmax over nothing is not a number.
            visible = visible & attention_mask.bool()[:, None] | (keys == rows)
        return visible[:, None]
