"""The text before and after a hit, from the chunks beside it in its document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from sqlalchemy import Connection, select

from knowledge_base.tables import chunks
from knowledge_base.types import Hit


def with_neighbours(connection: Connection, hits: Sequence[Hit]) -> list[Hit]:
    """The hits with `before` and `after`, the text of the chunk before and of the one after.

    What chunks share is not said again. Text, score and boxes of a hit stay as they are.
    """
    own = chunks.alias()
    rows = connection.execute(
        select(own.c.id.label("hit"), chunks.c.id, chunks.c.start, chunks.c.end, chunks.c.text)
        .join(
            chunks,
            (chunks.c.document_id == own.c.document_id)
            & (chunks.c.generation == own.c.generation)
            & chunks.c.position.between(own.c.position - 1, own.c.position + 1),
        )
        .where(own.c.id.in_([hit.chunk_id for hit in hits]), chunks.c.enabled)
        .order_by(own.c.id, chunks.c.position)
    ).all()
    before: dict[int, str] = {}
    after: dict[int, str] = {}
    for first, second in pairwise(rows):
        if first.hit != second.hit:
            continue
        # A text by hand has another length than its place in the document, and shares nothing.
        as_read = all(len(row.text) == row.end - row.start for row in (first, second))
        shared = max(0, first.end - second.start) if as_read else 0
        joint = "" if as_read and first.end >= second.start else "\n"
        if second.id == second.hit:
            before[second.hit] = first.text[: len(first.text) - shared] + joint
        else:
            after[first.hit] = joint + second.text[shared:]
    return [
        replace(hit, before=before.get(hit.chunk_id, ""), after=after.get(hit.chunk_id, "")) for hit in hits
    ]
