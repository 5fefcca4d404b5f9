"""Hits without a knowledge base."""

from __future__ import annotations

from typing import Any

from knowledge_base.types import Hit
from loaders.document import Box, Line


def make_hit(text: str, **fields: Any) -> Hit:
    """A hit of the document 手册.pdf whose text stands on one line."""
    defaults: dict[str, Any] = {
        "score": 0.9,
        "dense_score": 0.8,
        "keyword_score": 0.7,
        "knowledge_base": "制度",
        "document": "手册.pdf",
        "document_id": "d1",
        "chunk_id": 1,
        "page": 2,
        "lines": (Line(0, len(text), Box(2, 0.0, 0.0, 1.0, 0.1)),),
    }
    return Hit(text=text, **{**defaults, **fields})
