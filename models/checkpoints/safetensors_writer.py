"""Writing safetensors files one tensor at a time, so that only one is in memory.

The format: eight bytes with the length of the header, the header as JSON (name to type, shape and
place), and the tensors one after the other.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from models.checkpoints.weights import TensorInfo

if TYPE_CHECKING:
    import torch


def write_safetensors(
    path: Path, tensors: Mapping[str, TensorInfo], numbers: Iterable[tuple[str, Iterator[torch.Tensor]]]
) -> None:
    """Write `tensors` in their order; `numbers` yields each one's name and it, in parts, in that order.

    Parts are whole rows of the type that `tensors` gives. Raises `ValueError` when they do not fill
    their place.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, info in tensors.items():
        header[name] = {
            "dtype": info.dtype,
            "shape": list(info.shape),
            "data_offsets": [at, at + info.size],
        }
        at += info.size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for (name, info), (given, parts) in zip(tensors.items(), numbers, strict=True):
            written = sum(file.write(_bytes(part)) for part in parts)
            if given != name or written != info.size:
                raise ValueError(f"{given}: {written} bytes for the {info.size} of {name}")
        file.flush()
        os.fsync(file.fileno())


def _bytes(tensor: torch.Tensor) -> memoryview:
    import torch

    data: memoryview = tensor.contiguous().view(-1).view(torch.uint8).numpy().data
    return data
