"""Whether the folder of a PaddleOCR model is whole: its settings, and its ONNX file to the last byte."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from models.checkpoints.weights import is_pointer
from models.errors import CheckpointError, ModelNotFoundError
from models.ocr_models import model_name

_MODEL, _SETTINGS = "inference.onnx", "inference.yml"
_FIXED = {1: 8, 5: 4}
"""Bytes of a value by its wire type, for those that have a size of their own."""
_BYTES, _VARINT = 2, 0
_GRAPH = 7
"""The field of an ONNX model that holds its graph: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"""


def is_ocr_folder(folder: Path) -> bool:
    """Whether it looks like the folder of a text detection or recognition model, whole or not."""
    return any(folder.glob("inference.*")) or any(folder.glob("*_rec*.onnx"))


def ocr_name(folder: Path) -> str:
    """The name that the model gives itself; raises `CheckpointError` when the folder is not whole."""
    missing = [name for name in (_MODEL, _SETTINGS) if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            "shard_missing",
            f"{', '.join(missing)} is missing",
            expected=2,
            missing=len(missing),
            files=", ".join(missing),
        )
    try:
        name = model_name(folder)
    except (ModelNotFoundError, UnicodeDecodeError) as error:
        raise _damaged(_SETTINGS, "it names no model") from error
    if not is_pointer(folder / _MODEL):
        check_onnx(folder / _MODEL)
    return name


def check_onnx(path: Path) -> None:
    """Raise `CheckpointError` unless the fields of the message end where the file does, with a graph."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            fields = set(_fields(file, size))
    except ValueError as error:
        raise _damaged(path.name, str(error)) from error
    if _GRAPH not in fields:
        raise _damaged(path.name, "it holds no graph")


def _fields(file: BinaryIO, size: int) -> Iterator[int]:
    """Numbers of the outermost fields, whose contents are passed over."""
    while file.tell() < size:
        field, kind = divmod(_varint(file), 8)
        if kind == _VARINT:
            _varint(file)
        elif kind == _BYTES or kind in _FIXED:
            file.seek(_varint(file) if kind == _BYTES else _FIXED[kind], os.SEEK_CUR)
        else:
            raise ValueError("it is no ONNX file")
        if file.tell() > size:
            raise ValueError(f"it ends {file.tell() - size} bytes too early")
        yield field


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise ValueError("it ends too early")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("it is no ONNX file")


def _damaged(file: str, reason: str) -> CheckpointError:
    return CheckpointError("damaged_weights", f"{file} cannot be read: {reason}", file=file, reason=reason)
