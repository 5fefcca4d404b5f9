"""Several documents rather than many passages of one."""

from __future__ import annotations

import pytest

from knowledge_base.diversity import diversify
from knowledge_base.types import Hit


def _hits(documents: str) -> list[Hit]:
    return [
        Hit(1 - place / 10, 0.9, 0.5, "制度", f"{name}.md", name, place, None, name)
        for place, name in enumerate(documents)
    ]


@pytest.mark.parametrize(
    ("documents", "strength", "order"),
    [
        ("aaab", 0.0, [0, 1, 2, 3]),
        ("aaab", 1.0, [0, 3, 1, 2]),
        ("aabbc", 1.0, [0, 2, 4, 1, 3]),
        ("aab", 0.5, [0, 2, 1]),
        ("aab", 0.2, [0, 1, 2]),
        ("abc", 0.5, [0, 1, 2]),
        ("", 0.5, []),
    ],
)
def test_a_documents_further_hits_come_later(documents: str, strength: float, order: list[int]) -> None:
    assert [hit.chunk_id for hit in diversify(_hits(documents), strength)] == order
