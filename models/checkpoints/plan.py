"""What becomes of each tensor of a checkpoint, and the check that all are there as they should be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from models.checkpoints.weights import TensorInfo
from models.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class Target:
    """A tensor to write: rows `start` to `stop` of its source, or all of it."""

    name: str
    start: int = 0
    stop: int | None = None
    normalise_rows: bool = False
    """Divide each row by its Euclidean length."""


@dataclass(frozen=True, slots=True)
class Source:
    """A tensor of the original: its shape and what is made of it."""

    shape: tuple[int, ...]
    targets: tuple[Target, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The tensors of an original checkpoint by name, and the pattern of those that are only computed."""

    sources: Mapping[str, Source]
    computed: re.Pattern[str] = field(default_factory=lambda: re.compile(r"(?!)"))

    def wanted(self, name: str) -> bool:
        """Whether the tensor is read at all."""
        return not self.computed.fullmatch(name)

    def check(self, held: Mapping[str, TensorInfo]) -> None:
        """Raise `CheckpointError` unless the tensors held are those of the plan."""
        for name, info in held.items():
            if not self.wanted(name):
                continue
            source = self.sources.get(name)
            if source is None:
                raise CheckpointError(
                    "unexpected_tensor", f"the checkpoint holds {name}, which is not expected", tensor=name
                )
            if not info.floating:
                raise CheckpointError(
                    "foreign_quantisation",
                    f"{name} holds {info.dtype} numbers: the checkpoint is quantised in a format of its own",
                    flag=f"{name}: {info.dtype}",
                )
            if info.shape != source.shape:
                raise CheckpointError(
                    "wrong_shape",
                    f"{name} has the shape {list(info.shape)} where {list(source.shape)} is expected",
                    tensor=name,
                    shape=str(list(info.shape)),
                    expected=str(list(source.shape)),
                )

    def check_complete(self, names: Iterable[str]) -> None:
        """Raise `CheckpointError` when a tensor of the plan is not among the names."""
        missing = {name for name, source in self.sources.items() if not source.optional} - set(names)
        if missing:
            first = min(missing)
            raise CheckpointError(
                "missing_tensor",
                f"{len(missing)} tensors are missing, among them {first}",
                tensor=first,
                missing=len(missing),
            )


def renamed(name: str, *shape: int) -> Source:
    """A source that keeps its numbers under a new name."""
    return Source(shape, (Target(name),))


def split_rows(shape: tuple[int, ...], parts: Iterable[tuple[str, int]]) -> Source:
    """A source whose rows are cut into parts of the given names and numbers of rows."""
    targets, start = [], 0
    for name, rows in parts:
        targets.append(Target(name, start, start + rows))
        start += rows
    return Source(shape, tuple(targets))
