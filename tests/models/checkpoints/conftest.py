from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from models.checkpoints.conversion import convert
from tests.models.checkpoints.originals import ORIGINALS

Converted = Callable[[str], Path]


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Converted:
    """The converted folder of an original, made once."""
    made: dict[str, Path] = {}
    parent = tmp_path_factory.mktemp("checkpoints")

    def get(name: str) -> Path:
        if name not in made:
            folder = ORIGINALS[name].write(parent / "originals", files=2)
            made[name] = parent / "converted" / name
            convert(folder, made[name])
        return made[name]

    return get
