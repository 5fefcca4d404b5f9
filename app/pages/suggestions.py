"""What to ask next: questions that the cited documents answer. Always the same for the same answer."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from app.answering.types import Answer
from app.failures import KNOWN
from app.messages import Language
from app.pages.texts import text
from loaders.document import Chunk

if TYPE_CHECKING:
    from app.service import Service

SUGGESTIONS = 3
_MOST_CHUNKS = 3000
"""Longer documents are not looked through while somebody waits."""
_NUMBERING = re.compile(
    r"""^(?:第[一二三四五六七八九十百零\d]+[章节条篇]|[(（][一二三四五六七八九十\d]+[)）]|[一二三四五六七八九十]+[、.．]
        |\d+(?:[.．]\d+)*(?=[\s、.．:：])|(?:chapter|section|part|appendix)\s+[\dA-Z]+\b)[\s、.．:：]*""",
    re.IGNORECASE | re.VERBOSE,
)
_LONGEST = 40


def suggestions(
    service: Service, answer: Answer, language: Language, *, asked: Collection[str]
) -> tuple[str, ...]:
    """Up to `SUGGESTIONS` FAQ questions and headings that stand beside what the answer cites."""
    found: dict[str, None] = {}
    seen = set()
    for citation in answer.citations:
        if citation.document_id in seen:
            continue
        seen.add(citation.document_id)
        try:
            if service.document(citation.knowledge_base, citation.document_id).chunks > _MOST_CHUNKS:
                continue
            chunks = service.document_chunks(citation.knowledge_base, citation.document_id)
        except KNOWN:  # deleted since
            continue
        place = next((n for n, (id, _) in enumerate(chunks) if id == citation.chunk_id), 0)
        cited = chunks[place][1] if chunks else None
        for question in _beside([chunk for _, chunk in chunks], place, language):
            if question not in asked and (cited is None or question != cited.question):
                found.setdefault(question)
            if len(found) == SUGGESTIONS:
                return tuple(found)
    return tuple(found)


def _beside(chunks: Sequence[Chunk], place: int, language: Language) -> Iterator[str]:
    """Questions of the chunks after the one at `place`, then of those before it."""
    own = chunks[place].heading_path[-1:] if chunks else ()
    for chunk in (*chunks[place + 1 :], *reversed(chunks[:place])):
        if chunk.question:
            yield chunk.question
        elif chunk.heading_path and chunk.heading_path[-1:] != own and len(chunk.heading_path) > 1:
            heading = unnumbered(chunk.heading_path[-1])
            if 2 <= len(heading) <= _LONGEST:
                yield text("suggest_heading", language, heading=heading)


def unnumbered(heading: str) -> str:
    """A heading without its number: what "第三章：差旅" or "3.1 Travel" is about."""
    return _NUMBERING.sub("", heading).strip()
