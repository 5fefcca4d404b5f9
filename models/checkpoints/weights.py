"""The weight files of a model folder: which there are, whether they are whole, what they hold.

Of safetensors files only the headers are read here, without torch. PyTorch files are opened with
`weights_only`, which builds tensors and nothing else, and mapped rather than read.
"""

from __future__ import annotations

import json
import math
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import CheckpointError

if TYPE_CHECKING:
    import torch

INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
SINGLE = ("model.safetensors", "pytorch_model.bin")

_POINTER = b"version https://git-lfs.github.com/spec/"
_WIDTHS = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "F16": 2, "BF16": 2}
_LONGEST_HEADER = 100_000_000


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor in a file: its type as safetensors names it, its shape, its bytes."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def numbers(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        width = _WIDTHS.get(self.dtype) or (8 if self.dtype in ("F64", "I64", "U64") else 4)
        return width * self.numbers

    @property
    def floating(self) -> bool:
        """Whether the numbers are ordinary floating point ones."""
        return self.dtype in ("F16", "BF16", "F32", "F64")


def is_pointer(path: Path) -> bool:
    """Whether the file is a Git LFS pointer, which stands for a file that was never downloaded."""
    with path.open("rb") as file:
        return file.read(len(_POINTER)) == _POINTER


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; raises `CheckpointError` when there is none."""
    refuse_pointer(path)
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            "bad_json", f"{path.name} is not valid JSON: {error}", file=path.name
        ) from error
    if not isinstance(found, dict):
        raise CheckpointError("bad_json", f"{path.name} holds no JSON object", file=path.name)
    return found


def refuse_pointer(path: Path) -> None:
    """Raise `CheckpointError` when the file is a Git LFS pointer."""
    if path.is_file() and is_pointer(path):
        raise CheckpointError(
            "lfs_pointer",
            f"{path.name} is a Git LFS pointer of {path.stat().st_size} bytes, not the file itself",
            file=path.name,
        )


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """The files of a folder's weights in order, and where its index says each tensor is."""

    files: tuple[Path, ...]
    index: Mapping[str, str] | None

    @classmethod
    def of(cls, folder: Path) -> WeightFiles:
        """Find the weights, safetensors before PyTorch files; raises `CheckpointError`."""
        for name, single in zip(INDEXES, SINGLE, strict=True):
            if (folder / name).is_file():
                return cls._indexed(folder, name)
            if (folder / single).is_file():
                return cls((folder / single,), None)
        raise CheckpointError("no_weights", f"{folder} holds no weights in safetensors or PyTorch files")

    @classmethod
    def _indexed(cls, folder: Path, name: str) -> WeightFiles:
        index = read_json(folder / name).get("weight_map")
        if not isinstance(index, dict) or not index:
            raise CheckpointError("bad_json", f"{name} has no weight_map", file=name)
        names = sorted(set(index.values()))
        # A name with a folder in it could lead anywhere.
        if any(not isinstance(file, str) or Path(file).name != file for file in names):
            raise CheckpointError("bad_json", f"{name} names files outside the folder", file=name)
        missing = [file for file in names if not (folder / file).is_file()]
        if missing:
            raise CheckpointError(
                "shard_missing",
                f"{len(missing)} of {len(names)} weight files are missing: {_some(missing)}",
                files=_some(missing),
                missing=len(missing),
                expected=len(names),
            )
        return cls(tuple(folder / file for file in names), index)

    def tensors(
        self, progress: Callable[[Path], None] | None = None
    ) -> Iterator[tuple[Path, Mapping[str, TensorInfo]]]:
        """What each file holds; raises `CheckpointError` for a damaged file or a wrong index."""
        owners: dict[str, str] = {}
        for path in self.files:
            if progress is not None:
                progress(path)
            held = describe(path)
            for name in held:
                if owners.setdefault(name, path.name) != path.name:
                    raise CheckpointError(
                        "index_disagrees",
                        f"{name} is in {owners[name]} and in {path.name}",
                        tensor=name,
                        file=path.name,
                    )
            yield path, held
        for name, file in (self.index or {}).items():
            if owners.get(name) != file:
                raise CheckpointError(
                    "index_disagrees",
                    f"the index says that {name} is in {file}, and it is not",
                    tensor=name,
                    file=file,
                )


def describe(path: Path) -> dict[str, TensorInfo]:
    """The tensors in a weight file, without their numbers; raises `CheckpointError`."""
    refuse_pointer(path)
    if path.suffix == ".safetensors":
        return _safetensors_header(path)
    with _torch_file(path) as tensors:
        return {name: TensorInfo(_dtype_name(t), tuple(t.shape)) for name, t in tensors.items()}


@contextmanager
def opened(path: Path) -> Iterator[Callable[[str], torch.Tensor]]:
    """Give a function from a tensor's name to the tensor, mapped from the file where it can be."""
    refuse_pointer(path)
    if path.suffix != ".safetensors":
        with _torch_file(path) as tensors:
            yield tensors.__getitem__
        return
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            yield file.get_tensor
    except SafetensorError as error:
        raise _damaged(path, error) from error


def _safetensors_header(path: Path) -> dict[str, TensorInfo]:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(_LONGEST_HEADER, size - 8):
            raise _damaged(path, "it has no header, or is cut short in it")
        text = file.read(length)
    try:
        header = json.loads(text)
        header.pop("__metadata__", None)
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        found = {name: TensorInfo(entry["dtype"], tuple(entry["shape"])) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise _damaged(path, f"its header cannot be read ({error})") from error
    if size != 8 + length + end:
        raise CheckpointError(
            "truncated",
            f"{path.name} has {size} bytes where its header wants {8 + length + end}",
            file=path.name,
            bytes=size,
            expected=8 + length + end,
        )
    return found


@contextmanager
def _torch_file(path: Path) -> Iterator[dict[str, torch.Tensor]]:
    import torch

    # Files of before PyTorch 1.6 are no archives and cannot be mapped.
    archive = zipfile.is_zipfile(path)
    if not archive:
        with path.open("rb") as file:
            if file.read(2) == b"PK":
                raise _damaged(path, "it is cut short")
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
    except Exception as error:  # pickle and zip raise many kinds
        raise _damaged(path, str(error).partition("\n")[0][:200]) from error
    if not isinstance(tensors, dict) or not all(isinstance(t, torch.Tensor) for t in tensors.values()):
        raise _damaged(path, "it holds other things than tensors by name")
    yield tensors


def _dtype_name(tensor: torch.Tensor) -> str:
    import torch

    names = {
        torch.float16: "F16",
        torch.bfloat16: "BF16",
        torch.float32: "F32",
        torch.float64: "F64",
        torch.int8: "I8",
        torch.uint8: "U8",
        torch.int16: "I16",
        torch.int32: "I32",
        torch.int64: "I64",
        torch.bool: "BOOL",
    }
    return names.get(tensor.dtype, str(tensor.dtype))


def _damaged(path: Path, reason: object) -> CheckpointError:
    return CheckpointError(
        "damaged_weights", f"{path.name} cannot be read: {reason}", file=path.name, reason=str(reason)
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
