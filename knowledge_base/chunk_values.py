"""A chunk as the columns of its row, or as JSON, and back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from sqlalchemy import Row

from loaders.document import Box, Chunk, Line


def search_hash(chunk: Chunk) -> bytes:
    """Digest of what is embedded: chunks that share it share their vector."""
    return hashlib.sha256(chunk.search_text.encode("utf-8", "replace")).digest()[:16]


def to_chunk(row: Row[Any]) -> Chunk:
    """Read a chunk back from its row."""
    return from_values(row._asdict())


def from_values(values: Mapping[str, Any]) -> Chunk:
    """A chunk of what `to_values` gave."""
    return Chunk(
        start=values["start"],
        end=values["end"],
        text=values["text"],
        page=values["page"],
        heading_path=tuple(values["heading_path"]),
        kind=values["kind"],
        header=values["header"],
        question=values["question"],
        lines=tuple(Line(start, end, Box(page, *box)) for start, end, page, *box in values["lines"]),
    )


def to_values(chunk: Chunk) -> dict[str, Any]:
    """A chunk as columns, or as JSON."""
    lines = [
        [
            line.start,
            line.end,
            line.box.page,
            *(round(v, 5) for v in (line.box.x0, line.box.y0, line.box.x1, line.box.y1)),
        ]
        for line in chunk.lines
    ]
    return {
        "start": chunk.start,
        "end": chunk.end,
        "page": chunk.page,
        "kind": chunk.kind,
        "text": chunk.text,
        "header": chunk.header,
        "question": chunk.question,
        "heading_path": list(chunk.heading_path),
        "lines": lines,
    }


def vector(blob: bytes) -> np.ndarray:
    """A stored vector of shape (dimension,), float32."""
    return np.frombuffer(blob, dtype="<f4")
