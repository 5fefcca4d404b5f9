"""The original models' functions, written plainly from their description, for one sequence at a time.

Each takes the weights under the original names and gives the logits [length, vocabulary] of a
whole sequence, without cache, batch or padding. Rotations are products of complex numbers.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional

Weights = dict[str, torch.Tensor]


def _rms(states: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    return weight * states / torch.sqrt(states.square().mean(-1, keepdim=True) + eps)


def _turn(length: int, width: int, base: float, positions: torch.Tensor | None = None) -> torch.Tensor:
    """Unit complex numbers [length, width / 2]."""
    frequencies = base ** (-torch.arange(0, width, 2).double() / width)
    if positions is None:
        positions = torch.arange(length)
    angles = positions.double()[:, None] * frequencies
    return torch.polar(torch.ones_like(angles), angles)


def _pairs(states: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Rotate channels that are pairs of neighbours: 0 with 1, 2 with 3 and so on."""
    numbers = torch.view_as_complex(states.reshape(*states.shape[:-1], -1, 2).contiguous())
    return torch.view_as_real(numbers * turn).flatten(-2)


def _halves(states: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Rotate channels whose partner is half the width away."""
    first, second = states.chunk(2, dim=-1)
    turned = torch.complex(first.contiguous(), second.contiguous()) * turn
    return torch.cat((turned.real, turned.imag), dim=-1)


def _attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, hidden: torch.Tensor, bias: Any = 0.0
) -> torch.Tensor:
    """Heads [head, length, width]; `hidden` is true where a query may not see a key."""
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]) + bias
    return torch.softmax(scores.masked_fill(hidden, -math.inf), dim=-1) @ value


def _future(length: int) -> torch.Tensor:
    return torch.ones(length, length, dtype=torch.bool).triu(1)


def glm(
    weights: Weights, config: dict[str, Any], ids: list[int], *, base_factor: float = 1, divisor: float = 1
) -> torch.Tensor:
    """ChatGLM2, ChatGLM3, GLM-4: the base times `base_factor`, positions divided by `divisor`."""
    length, heads, width = len(ids), config["num_attention_heads"], config["kv_channels"]
    groups, eps = config["multi_query_group_num"], config["layernorm_epsilon"]
    states = weights["transformer.embedding.word_embeddings.weight"][ids]
    turn = _turn(length, width // 2, 10000 * base_factor, torch.arange(length) / divisor)
    for n in range(config["num_layers"]):
        layer = {k.partition(f"layers.{n}.")[2]: v for k, v in weights.items() if k.startswith(_glm_layer(n))}
        normed = _rms(states, layer["input_layernorm.weight"], eps)
        mixed = (
            normed @ layer["self_attention.query_key_value.weight"].T
            + layer["self_attention.query_key_value.bias"]
        )
        query, key, value = torch.split(mixed, [heads * width, groups * width, groups * width], dim=-1)
        rotated = []
        for part, count in ((query, heads), (key, groups)):
            of_heads = part.view(length, count, width).transpose(0, 1)
            turned = _pairs(of_heads[..., : width // 2], turn)
            rotated.append(torch.cat((turned, of_heads[..., width // 2 :]), dim=-1))
        shared = heads // groups
        value = value.view(length, groups, width).transpose(0, 1)
        context = _attend(
            rotated[0],
            rotated[1].repeat_interleave(shared, 0),
            value.repeat_interleave(shared, 0),
            _future(length),
        )
        states = states + context.transpose(0, 1).reshape(length, -1) @ layer["self_attention.dense.weight"].T
        normed = _rms(states, layer["post_attention_layernorm.weight"], eps)
        gate, up = (normed @ layer["mlp.dense_h_to_4h.weight"].T).chunk(2, dim=-1)
        states = states + (functional.silu(gate) * up) @ layer["mlp.dense_4h_to_h.weight"].T
    states = _rms(states, weights["transformer.encoder.final_layernorm.weight"], eps)
    return states @ weights["transformer.output_layer.weight"].T


def _glm_layer(n: int) -> str:
    return f"transformer.encoder.layers.{n}."


def baichuan(
    weights: Weights, config: dict[str, Any], ids: list[int], *, alibi: bool, norm_head: bool
) -> torch.Tensor:
    """Baichuan and Baichuan2 with RoPE or ALiBi."""
    length, heads, hidden = len(ids), config["num_attention_heads"], config["hidden_size"]
    eps = config["rms_norm_eps"]
    states = weights["model.embed_tokens.weight"][ids]
    turn = _turn(length, hidden // heads, 10000)
    distance = torch.arange(length)[None, :] - torch.arange(length)[:, None]
    bias = torch.tensor(_slopes(heads))[:, None, None] * distance if alibi else torch.tensor(0.0)
    for n in range(config["num_hidden_layers"]):
        layer = {
            k.partition(f"layers.{n}.")[2]: v
            for k, v in weights.items()
            if k.startswith(f"model.layers.{n}.")
        }
        normed = _rms(states, layer["input_layernorm.weight"], eps)
        query, key, value = (
            part.view(length, heads, -1).transpose(0, 1)
            for part in (normed @ layer["self_attn.W_pack.weight"].T).chunk(3, dim=-1)
        )
        if not alibi:
            query, key = _halves(query, turn), _halves(key, turn)
        context = _attend(query, key, value, _future(length), bias)
        states = states + context.transpose(0, 1).reshape(length, -1) @ layer["self_attn.o_proj.weight"].T
        normed = _rms(states, layer["post_attention_layernorm.weight"], eps)
        inner = functional.silu(normed @ layer["mlp.gate_proj.weight"].T) * (
            normed @ layer["mlp.up_proj.weight"].T
        )
        states = states + inner @ layer["mlp.down_proj.weight"].T
    head = weights["lm_head.weight"]
    if norm_head:
        head = head / head.norm(dim=-1, keepdim=True)
    return _rms(states, weights["model.norm.weight"], eps) @ head.T


def _slopes(heads: int) -> list[float]:
    """ALiBi's slopes: for 2^k heads a geometric series from 2^(-8/n); the rest from the series of 2n."""

    def series(count: int) -> list[float]:
        return [2 ** (-8 * (n + 1) / count) for n in range(count)]

    power = 2 ** int(math.log2(heads))
    return series(power) + series(2 * power)[::2][: heads - power]


def chatglm_6b(weights: Weights, config: dict[str, Any], ids: list[int]) -> torch.Tensor:
    """ChatGLM-6B: two positions, a prompt that is read both ways."""
    length, heads, hidden = len(ids), config["num_attention_heads"], config["hidden_size"]
    start, mask = ids.index(config["bos_token_id"]), ids.index(config["gmask_token_id"])
    place = torch.tensor([n if n < start else mask for n in range(length)])
    block = torch.tensor([0 if n < start else n - start + 1 for n in range(length)])
    width = hidden // heads // 2
    frequencies = (1 / 10000 ** (torch.arange(0, width, 2).float() / width)).half().double()
    turns = [
        torch.polar(torch.ones(length, width // 2).double(), p.double()[:, None] * frequencies).to(
            torch.complex64
        )
        for p in (place, block)
    ]
    unseen = _future(length)
    unseen[:, :start] = False
    states = weights["transformer.word_embeddings.weight"][ids]
    enlarge = math.sqrt(2 * config["num_layers"])

    def norm(name: str, states: torch.Tensor) -> torch.Tensor:
        centred = states - states.mean(-1, keepdim=True)
        scaled = centred / torch.sqrt(centred.square().mean(-1, keepdim=True) + config["layernorm_epsilon"])
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def linear(name: str, states: torch.Tensor) -> torch.Tensor:
        return states @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    for n in range(config["num_layers"]):
        layer = f"transformer.layers.{n}"
        states = norm(f"{layer}.input_layernorm", states)
        fused = linear(f"{layer}.attention.query_key_value", states).view(length, heads, 6 * width)
        query, key, value = torch.split(fused.transpose(0, 1), 2 * width, dim=-1)
        query, key = (
            torch.cat([_halves(half, turn) for half, turn in zip(part.chunk(2, -1), turns, strict=True)], -1)
            for part in (query, key)
        )
        context = _attend(query, key, value, unseen).transpose(0, 1).reshape(length, -1)
        states = states * enlarge + linear(f"{layer}.attention.dense", context)
        states = norm(f"{layer}.post_attention_layernorm", states)
        inner = linear(f"{layer}.mlp.dense_h_to_4h", states)
        inner = 0.5 * inner * (1 + torch.tanh(math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3)))
        states = states * enlarge + linear(f"{layer}.mlp.dense_4h_to_h", inner)
    return norm("transformer.final_layernorm", states) @ weights["lm_head.weight"].T
