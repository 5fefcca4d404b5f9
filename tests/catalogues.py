"""Catalogues that are up to date at once: making one takes longer than most tests do."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from knowledge_base.database import Database


@cache
def _empty() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, "catalogue.db")
        Database(path).close()
        return path.read_bytes()


def lay_empty_catalogue(folder: Path) -> Path:
    """Its path within `folder`; a catalogue that is there already stays as it is."""
    path = folder / "catalogue.db"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_empty())
    return path
