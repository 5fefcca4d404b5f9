"""A document beside what is said of it: its page as a picture, or its text, the quoted sentences marked."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import quote as url_quote

from app.answering.types import Citation
from app.failures import KNOWN
from app.messages import Language
from app.pages.flow import Piece, Spans, piece_html, pieces
from app.pages.markup import button, highlighted, holds, quote_spans
from app.pages.texts import text
from knowledge_base.types import DocumentInfo
from loaders.document import Box, Chunk

if TYPE_CHECKING:
    from app.service import Service

PICTURED = ("pdf", "image")
"""Formats whose pages are shown as they look."""
CHUNKS_SHOWN = 30
_BEFORE = 8


@dataclass(frozen=True, slots=True)
class _Opened:
    """What is open, and what the buttons send back to come here again."""

    knowledge_base: str
    info: DocumentInfo
    language: Language
    address: Mapping[str, str]
    quiet: bool = False


def citation_html(
    service: Service, citation: Citation, language: Language, *, address: Mapping[str, str], turn: str = ""
) -> str:
    """The document of a citation, open where the quoted sentence stands.

    `address` is what the buttons send back to come here again; `turn` is the page, or the place
    among the chunks, that is to be shown instead.
    """
    try:
        info = service.document(citation.knowledge_base, citation.document_id)
        chunks = service.document_chunks(citation.knowledge_base, citation.document_id)
    except KNOWN:
        return _gone(citation, language)
    place = next((n for n, (chunk_id, _) in enumerate(chunks) if chunk_id == citation.chunk_id), None)
    boxes: Sequence[Box] = citation.boxes
    if place is None:  # replaced or read anew: the sentence may stand there still, perhaps elsewhere
        holding = [n for n, (_, chunk) in enumerate(chunks) if holds(chunk.text, citation.quote)]
        if not holding:
            return _gone(citation, language)
        place = min(holding, key=lambda n: chunks[n][1].page != citation.page)
    chunk = chunks[place][1]
    quoted = quote_spans(chunk.text, citation.quote)
    if chunks[place][0] != citation.chunk_id:
        boxes = [part.box for line in chunk.lines for span in quoted if (part := line.cut(*span)) is not None]
    opened = _Opened(citation.knowledge_base, info, language, address)
    page = boxes[0].page if boxes else chunk.page
    if info.format in PICTURED and page is not None and not citation.edited:
        shown = _number(turn, page, info.pages)
        return _pictured(opened, shown, [box for box in boxes if box.page == shown])
    spans = [(chunk.start + low, chunk.start + high) for low, high in quoted]
    first = _number(turn, max(1, place - _BEFORE + 1), max(1, len(chunks))) - 1
    return _flowing(opened, chunks, first, spans, cited=place)


def document_html(
    service: Service,
    knowledge_base: str,
    document_id: str,
    language: Language,
    *,
    chunk_id: int | None = None,
    turn: str = "",
    quiet: bool = False,
) -> str:
    """A document as it looks, open where a chunk stands, which is marked; without one at its start.

    `turn` is as for `citation_html`; `quiet` leaves the keyboard where it is. A chunk that is gone
    marks nothing. Raises `DocumentNotFoundError`.
    """
    info = service.document(knowledge_base, document_id)
    chunks = service.document_chunks(knowledge_base, document_id)
    place = next((n for n, (found, _) in enumerate(chunks) if found == chunk_id), None)
    chunk = None if place is None else chunks[place][1]
    address = {"chunk": "" if chunk_id is None else str(chunk_id)}
    opened = _Opened(knowledge_base, info, language, address, quiet)
    if info.format in PICTURED:
        boxes = [line.box for line in chunk.lines] if chunk else []
        shown = _number(turn, (chunk.page if chunk else None) or 1, info.pages)
        marked_here = [box for box in boxes if box.page == shown]
        return _pictured(opened, shown, marked_here)
    first = _number(turn, max(1, (place or 0) - _BEFORE + 1), max(1, len(chunks))) - 1
    return _flowing(opened, chunks, first, (), cited=place)


def _pictured(opened: _Opened, page: int, boxes: Sequence[Box]) -> str:
    info, language = opened.info, opened.language
    source = f"{document_address(opened.knowledge_base, info.id)}/pages/{page}.png"
    label = text("page_picture", language, document=info.name, page=page)
    marks = "".join(_rectangle(box) for box in boxes)
    body = (
        f'<figure class="zw-page"><img src="{escape(source)}" alt="{escape(label)}">{marks}'
        f"<figcaption>{escape(text('page_failed', language))}</figcaption></figure>"
    )
    where = text("page_of", language, page=page, pages=info.pages)
    turns = {"previous_page": page - 1 if page > 1 else 0, "next_page": page + 1 if page < info.pages else 0}
    return _frame(opened, where, turns, body)


def _flowing(
    opened: _Opened,
    chunks: Sequence[tuple[int, Chunk]],
    first: int,
    marks: Spans,
    *,
    cited: int | None = None,
) -> str:
    language = opened.language
    last = min(len(chunks), first + CHUNKS_SHOWN)
    shown = pieces(chunks[first:last])
    parts = []
    for before, piece in pairwise([None, *shown]):
        if piece is None:
            continue
        html = piece_html(piece, marks, header=_begins_table(before, piece))
        kind = ' class="cited"' if cited is not None and piece.chunk_id == chunks[cited][0] else ""
        parts.append(f"<div{kind}>{html}</div>")
    body = f'<div class="zw-flow">{"".join(parts)}</div>'
    if not shown:
        body = f'<p class="zw-empty">{escape(text("document_empty", language))}</p>'
    where = text("chunks_range", language, first=first + 1, last=last, total=len(chunks)) if shown else ""
    turns = {
        "previous_part": max(1, first + 1 - CHUNKS_SHOWN) if first > 0 else 0,
        "next_part": last + 1 if last < len(chunks) else 0,
    }
    return _frame(opened, where, turns, body)


def _begins_table(before: Piece | None, piece: Piece) -> bool:
    return before is None or before.chunk.header != piece.chunk.header


def _frame(opened: _Opened, where: str, turns: Mapping[str, int], body: str) -> str:
    info, language = opened.info, opened.language
    turning = "".join(
        button(text(key, language), "read", turn=str(target), event="read", **opened.address)
        for key, target in turns.items()
        if target
    )
    content = escape(f"{document_address(opened.knowledge_base, info.id)}/content")
    download = (
        f'<a class="zw-button quiet" href="{content}" download>{escape(text("download", language))}</a>'
    )
    # Opened a second time, the same document must differ, or the browser would change nothing.
    quiet = " data-quiet" if opened.quiet else ""
    return (
        f'<section class="zw-reader" data-opened="{secrets.token_hex(4)}"{quiet}'
        f' aria-label="{escape(text("reader", language, name=info.name))}">'
        f'<header><h3 tabindex="-1"><bdi>{escape(info.name)}</bdi></h3>{_close(language)}</header>'
        f'<nav><span class="zw-faint">{escape(where)}</span>{turning}{download}</nav>'
        f'<div class="zw-reader-body" tabindex="0" role="region" aria-label="{escape(info.name)}">'
        f"{body}</div></section>"
    )


def _gone(citation: Citation, language: Language) -> str:
    passage = highlighted(citation.text, citation.quote)
    return (
        f'<section class="zw-reader" data-opened="{secrets.token_hex(4)}"'
        f' aria-label="{escape(text("reader", language, name=citation.document))}">'
        f'<header><h3 tabindex="-1"><bdi>{escape(citation.document)}</bdi></h3>{_close(language)}</header>'
        f'<p class="zw-note">{escape(text("document_changed", language))}</p>'
        f'<div class="zw-reader-body"><div class="zw-flow"><p>{passage}</p></div></div></section>'
    )


def _close(language: Language) -> str:
    return (
        f'<button type="button" class="zw-button quiet" data-close-reader>{escape(text("close", language))}'
        "</button>"
    )


def document_address(knowledge_base: str, document_id: str) -> str:
    """Address of a document below the page's own."""
    folder = f"api/knowledge-bases/{url_quote(knowledge_base, safe='')}/documents"
    return f"{folder}/{url_quote(document_id, safe='')}"


def _rectangle(box: Box) -> str:
    left, top, width, height = (
        f"{100 * value:.2f}%" for value in (box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0)
    )
    return f'<span style="left:{left};top:{top};width:{width};height:{height}"></span>'


def _number(wish: str, otherwise: int, most: int) -> int:
    return max(1, min(int(wish) if wish.isdecimal() else otherwise, most))
