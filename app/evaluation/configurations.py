"""The configurations that a run compares: every combination of what is varied."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import SettingsError
from app.settings import Settings, SplitterSettings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

AS_IT_IS = "as ingested"
"""Splitter of a knowledge base that is asked as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One row of a run. The weights multiply those of the calibration."""

    splitter: str
    dense: float
    keyword: float
    threshold: float
    top_k: int

    @property
    def label(self) -> str:
        """In few words."""
        return f"{self.searched} t={self.threshold:g} k={self.top_k}"

    @property
    def searched(self) -> str:
        """The part that the hits depend on."""
        weighted = (self.dense, self.keyword) != (1, 1)
        return f"{self.splitter} w={self.dense:g}:{self.keyword:g}" if weighted else self.splitter

    def as_json(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """What is varied; each empty tuple stands for what the settings say."""

    splitters: tuple[str, ...] = ()
    weights: tuple[tuple[float, float], ...] = ((1.0, 1.0),)
    """Of the dense and of the keyword arm."""
    thresholds: tuple[float, ...] = ()
    top_ks: tuple[int, ...] = ()


class _MatrixFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    splitters: list[str] = []
    chunk_sizes: list[int] = []
    overlaps: list[int] = []
    weights: list[str] = []
    thresholds: list[float] = Field([])
    top_k: list[int] = []


def matrix_of(
    settings: Settings,
    *,
    file: Path | None = None,
    splitters: Sequence[str] = (),
    weights: Sequence[str] = (),
    thresholds: Sequence[float] = (),
    top_ks: Sequence[int] = (),
) -> Matrix:
    """What the options vary, and a TOML file where they are silent.

    The file has the lists `splitters`, `weights`, `thresholds` and `top_k`, and `chunk_sizes` and
    `overlaps`, which are combined with the splitters' names. Raises `SettingsError`.
    """
    given = _read(file) if file is not None else _MatrixFile()
    named = list(splitters) or given.splitters
    if not splitters and (given.chunk_sizes or given.overlaps):
        named = _combined(settings.splitter, given)
    matrix = Matrix(
        splitters=tuple(dict.fromkeys(_name(splitter_settings(text, settings.splitter)) for text in named)),
        weights=tuple(dict.fromkeys(map(_weights, list(weights) or given.weights or ["1:1"]))),
        thresholds=tuple(dict.fromkeys(list(thresholds) or given.thresholds)),
        top_ks=tuple(dict.fromkeys(list(top_ks) or given.top_k)),
    )
    if any(not 0 <= value <= 1 for value in matrix.thresholds):
        raise _invalid("thresholds", "a threshold lies between 0 and 1")
    if any(not 1 <= value <= 100 for value in matrix.top_ks):
        raise _invalid("top_k", "top_k lies between 1 and 100")
    return matrix


def splitter_settings(text: str, base: SplitterSettings) -> SplitterSettings:
    """The splitter "name:size:overlap", whose missing parts are those of `base`."""
    parts: Mapping[str, Any] = dict(zip(("name", "chunk_size", "overlap"), text.split(":"), strict=False))
    try:
        found = SplitterSettings.model_validate({**base.model_dump(), **parts})
    except ValidationError as error:
        first = error.errors()[0]
        raise _invalid(".".join(("splitter", *map(str, first["loc"]))), first["msg"]) from error
    if found.overlap > found.chunk_size // 2:
        raise _invalid("splitter.overlap", "the overlap is more than half of the chunk size")
    return found


def _name(splitter: SplitterSettings) -> str:
    return f"{splitter.name}:{splitter.chunk_size}:{splitter.overlap}"


def settings_splitter(settings: Settings) -> str:
    """The splitter of the settings as "name:size:overlap"."""
    return _name(settings.splitter)


def _combined(base: SplitterSettings, given: _MatrixFile) -> list[str]:
    """Names with all sizes and overlaps, but for overlaps that a size is too small for."""
    names = [text.split(":")[0] for text in given.splitters] or [base.name]
    sizes, overlaps = given.chunk_sizes or [base.chunk_size], given.overlaps or [base.overlap]
    return [f"{n}:{size}:{over}" for n, size, over in product(names, sizes, overlaps) if over <= size // 2]


def _weights(text: str) -> tuple[float, float]:
    try:
        dense, keyword = (float(part) for part in text.split(":"))
    except ValueError as error:
        raise _invalid("weights", f"{text!r} is not DENSE:KEYWORD, such as 1:0.5") from error
    if not (0 <= dense < float("inf") and 0 <= keyword < float("inf") and dense + keyword > 0):
        raise _invalid("weights", f"{text!r}: weights are 0 or more, and not both 0")
    return dense, keyword


def _read(path: Path) -> _MatrixFile:
    try:
        return _MatrixFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise _invalid(str(path), error.strerror or str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        raise _invalid(".".join(map(str, first["loc"])), first["msg"]) from error
    except ValueError as error:
        raise _invalid(str(path), str(error)) from error


def _invalid(key: str, reason: str) -> SettingsError:
    return SettingsError(f"{key}: {reason}", key=key, reason=reason)
