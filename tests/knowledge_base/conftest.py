from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.knowledge_base.doubles import Home, open_home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An empty data folder, opened."""
    opened = open_home(tmp_path / "data")
    yield opened
    opened.close()
