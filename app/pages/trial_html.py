"""What the retrieval test shows: hits with the parts of their scores, and a document cut another way."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from statistics import mean

from app.messages import Language
from app.pages.markup import button
from app.pages.texts import text
from app.splitting import Trial
from knowledge_base.types import Hit
from loaders.document import Chunk
from vectorstore import lexical
from vectorstore.chinese import fold
from vectorstore.synonyms import Synonyms

_SHOWN_CHUNKS = 60
_SHORT = 50
"""Characters below which a chunk says little by itself."""


def hits_html(
    hits: Sequence[Hit], query: str, threshold: float, language: Language, *, weighted: bool = False
) -> str:
    """Hits with what their scores are made of; those below the threshold in grey.

    `weighted` says that other weights than the calibrated ones were tried, and what they leave out.
    """
    if not hits:
        return f'<p class="zw-empty">{escape(text("search_none", language))}</p>'
    used = sum(hit.score >= threshold for hit in hits)
    note = text("search_threshold", language, threshold=f"{threshold:.2f}", used=used, total=len(hits))
    if weighted:
        note += text("search_weighted", language)
    items = "".join(_hit(hit, number, query, threshold, language) for number, hit in enumerate(hits, start=1))
    return f'<p class="zw-faint" role="status">{escape(note)}</p><ol class="zw-hits">{items}</ol>'


def _hit(hit: Hit, number: int, query: str, threshold: float, language: Language) -> str:
    below = hit.score < threshold
    place = [] if hit.page is None else [text("page", language, page=hit.page)]
    place += [" › ".join(hit.heading_path)] if hit.heading_path else []
    if hit.edited:
        place.append(text("chunk_edited", language))
    if below:
        place.append(text("search_below", language))
    lead = ""
    if hit.question or hit.header:
        lead = f'<p class="zw-lead">{found_html(hit.question or hit.header, query)}</p>'
    address = {"base": hit.knowledge_base, "document": hit.document_id, "chunk": str(hit.chunk_id)}
    show = button(text("chunk_show", language), "read", event="read", kind="quiet", **address)
    title = (
        f'<p class="zw-hit-head"><b>{number}.</b> <bdi>{escape(hit.document)}</bdi> '
        f'<span class="zw-faint">{escape(" · ".join((hit.knowledge_base, *place)))}</span>{show}</p>'
    )
    scores = "".join(
        _bar(text(key, language), value)
        for key, value in (
            ("score_part", hit.score),
            ("dense_part", hit.dense_score),
            ("keyword_part", hit.keyword_score),
        )
    )
    kind = "zw-chunk below" if below else "zw-chunk"
    return (
        f'<li class="{kind}">{title}<div class="zw-scores">{scores}</div>{lead}'
        f"<p>{found_html(hit.text, query)}</p></li>"
    )


def _bar(label: str, value: float) -> str:
    width = 100 * max(0.0, min(1.0, value))
    return (
        f'<span class="zw-score">{escape(label)} <b>{value:.2f}</b>'
        f'<i><i style="width:{width:.0f}%"></i></i></span>'
    )


def found_html(passage: str, query: str) -> str:
    """The passage with the query's words marked, traditional and simplified alike, and others for them."""
    folded = fold(passage)
    if len(folded) != len(passage):  # places would not agree
        folded = passage.lower()
    if len(folded) != len(passage):
        return escape(passage)
    asked = fold(query)
    marks = [False] * len(passage)
    for term in (*lexical.question(asked, lambda _: 1.0).names, *Synonyms.default().others(asked)):
        start = folded.find(term)
        while start >= 0:
            marks[start : start + len(term)] = [True] * len(term)
            start = folded.find(term, start + 1)
    return _marked(passage, marks)


def _marked(passage: str, marks: Sequence[bool]) -> str:
    parts = []
    start = 0
    for end in range(1, len(passage) + 1):
        if end == len(passage) or marks[end] != marks[start]:
            piece = escape(passage[start:end])
            parts.append(f"<mark>{piece}</mark>" if marks[start] else piece)
            start = end
    return "".join(parts)


def trial_html(trial: Trial, present: int, language: Language) -> str:
    """How a splitter cuts a document; `present` is how many chunks it has now."""
    chunks = trial.chunks
    if not chunks:
        return f'<p class="zw-empty">{escape(text("document_empty", language))}</p>'
    lengths = [len(chunk.text) for chunk in chunks]
    facts = text(
        "split_facts",
        language,
        count=len(chunks),
        mean=round(mean(lengths)),
        least=min(lengths),
        most=max(lengths),
        short=sum(length < _SHORT for length in lengths),
    )
    notes = [facts]
    if trial.partly:
        notes.append(text("split_partly", language, pages=trial.pages))
    else:
        notes.append(text("split_present", language, count=present))
    items = "".join(_chunk(chunk, number, language) for number, chunk in enumerate(chunks[:_SHOWN_CHUNKS], 1))
    left = len(chunks) - _SHOWN_CHUNKS
    more = f'<p class="zw-faint">… +{left}</p>' if left > 0 else ""
    said = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return (
        f'<div class="zw-facts" role="status">{said}</div><section class="zw-panel">{items}{more}</section>'
    )


def _chunk(chunk: Chunk, number: int, language: Language) -> str:
    place = [text("chunk_number", language, number=number)]
    place.append(text("split_characters", language, count=len(chunk.text)))
    if chunk.page is not None:
        place.append(text("page", language, page=chunk.page))
    if chunk.heading_path:
        place.append(" › ".join(chunk.heading_path))
    before = chunk.question or chunk.header
    lead = f'<p class="zw-lead">{escape(before)}</p>' if before else ""
    return (
        f'<div class="zw-chunk"><p class="zw-faint">{escape(" · ".join(place))}</p>{lead}'
        f"<p>{escape(chunk.text)}</p></div>"
    )
