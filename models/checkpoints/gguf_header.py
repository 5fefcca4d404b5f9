"""The description at the start of a GGUF file, as far as it is needed here."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

from models.checkpoints.weights import refuse_pointer
from models.errors import CheckpointError

# The types of values by their number: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_LONGEST = 1 << 26


def read_gguf(path: Path) -> dict[str, Any]:
    """Keys and values of the header, arrays left out; raises `CheckpointError` for a damaged file."""
    refuse_pointer(path)
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise ValueError("it does not start as a GGUF file")
            version, _, count = _unpack(file, "<IQQ")
            if version not in (2, 3):
                raise ValueError(f"version {version} is not known")
            return dict(
                pair for pair in (_pair(file) for _ in range(min(count, 10_000))) if pair[1] is not None
            )
    except (ValueError, RecursionError, struct.error) as error:
        raise CheckpointError(
            "damaged_weights", f"{path.name} cannot be read: {error}", file=path.name, reason=str(error)
        ) from error


def _pair(file: BinaryIO) -> tuple[str, Any]:
    return _string(file), _value(file, _unpack(file, "<I")[0])


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(file)
    if kind == _ARRAY:
        inner, count = _unpack(file, "<IQ")
        if inner in _NUMBERS:
            file.seek(count * struct.calcsize(_NUMBERS[inner]), 1)
        else:
            for _ in range(count):
                _value(file, inner)
        return None
    if kind not in _NUMBERS:
        raise ValueError(f"a value has the unknown type {kind}")
    return _unpack(file, "<" + _NUMBERS[kind])[0]


def _string(file: BinaryIO) -> str:
    (length,) = _unpack(file, "<Q")
    if length > _LONGEST:
        raise ValueError("a text in it is too long")
    return file.read(length).decode("utf-8")


def _unpack(file: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))
