"""The conversation as HTML: questions, answers, and citations that unfold."""

from __future__ import annotations

from html import escape
from urllib.parse import quote as url_quote

from app.answering.answerer import QUOTE_MODEL
from app.answering.types import Citation
from app.messages import Language
from app.pages.conversation import Conversation, Exchange
from app.pages.markup import button, highlighted, markdown_answer, plain_answer
from app.pages.texts import text
from loaders.document import Box


def history_html(conversation: Conversation, language: Language) -> str:
    """All exchanges but the newest."""
    earlier = list(enumerate(conversation.exchanges))[:-1]
    return "".join(exchange_html(e, n, language, newest=False) for n, e in earlier)


def current_html(conversation: Conversation, language: Language) -> str:
    """The newest exchange, empty when there is none."""
    exchange = conversation.current
    if exchange is None:
        return ""
    return exchange_html(exchange, len(conversation.exchanges) - 1, language, newest=True)


def exchange_html(exchange: Exchange, number: int, language: Language, *, newest: bool) -> str:
    """A question with its answer; `number` makes the anchors of its citations unique."""
    question = (
        f'<div class="zw-question"><span class="zw-hidden">{escape(text("you", language))}</span>'
        f"<p>{escape(exchange.question)}</p></div>"
    )
    state = ' aria-busy="true"' if exchange.running else ""
    body = _badges(exchange, language) + _body(exchange, number, language)
    if not exchange.running:
        body += _sources(exchange, number, language) + _tools(exchange, language, newest=newest)
    return f'<article class="zw-exchange">{question}<div class="zw-reply"{state}>{body}</div></article>'


def welcome_html(language: Language, *, libraries: int, documents: int, samples: bool) -> str:
    """What a conversation without exchanges shows: what to do next."""
    if not libraries:
        title, hint, action = "none_title", "none_hint", "none_action"
    elif not documents:
        title, hint, action = "no_documents_title", "no_documents_hint", "no_documents_action"
    else:
        title, hint, action = "empty_title", "empty_hint", ""
    parts = [f"<h2>{escape(text(title, language))}</h2><p>{escape(text(hint, language))}</p>"]
    if action:
        parts.append(button(text(action, language), "library", kind="primary"))
    elif samples:
        examples = (text(f"example_{n}", language) for n in range(1, 5))
        buttons = "".join(button(question, "ask", question=question) for question in examples)
        parts.append(f"<p>{escape(text('empty_examples', language))}</p><div>{buttons}</div>")
    return f'<div class="zw-welcome">{"".join(parts)}</div>'


def _badges(exchange: Exchange, language: Language) -> str:
    badges = []
    answer = exchange.answer
    if exchange.error:
        badges.append(("error", text("badge_error", language), ""))
    elif answer is not None and answer.refused:
        badges.append(("refused", text("badge_refused", language), text("badge_refused_hint", language)))
    elif answer is not None and answer.model == QUOTE_MODEL:
        badges.append(("quoted", text("badge_quote", language), text("badge_quote_hint", language)))
    elif answer is not None:
        badges.append(("model", text("badge_model", language, model=answer.model), ""))
    if exchange.stopped:
        badges.append(("stopped", text("badge_stopped", language), ""))
    items = "".join(
        f'<span class="zw-badge {kind}" title="{escape(hint)}">{escape(label)}</span>'
        for kind, label, hint in badges
    )
    return f'<div class="zw-badges">{items}</div>' if items else ""


def _body(exchange: Exchange, number: int, language: Language) -> str:
    if exchange.error:
        return f'<div class="zw-answer" role="alert"><p>{escape(exchange.error)}</p></div>'
    answer = exchange.answer
    if answer is None and not exchange.text:
        waiting = f'<p class="zw-waiting">{escape(text("searching", language))}</p>'
        return f'<div class="zw-answer">{waiting if exchange.running else ""}</div>'
    citations = {c.index: c for c in answer.citations} if answer else {}

    def reference(index: int) -> str:
        if index not in citations:
            return escape(f"[{index}]")
        citation = citations[index]
        return (
            f'<a class="zw-reference" href="#{_anchor(number, index)}" data-unfold="{_anchor(number, index)}"'
            f' title="{escape(citation.document)}: {escape(citation.quote)}">[{index}]</a>'
        )

    if answer is None:
        # Who answers is known at the end only; until then the text stays plain.
        inner = plain_answer(exchange.text, reference)
    elif answer.model == QUOTE_MODEL or answer.refused:
        inner = plain_answer(answer.answer, reference)
    else:
        inner = markdown_answer(answer.answer, reference)
    return f'<div class="zw-answer">{inner}</div>'


def _sources(exchange: Exchange, number: int, language: Language) -> str:
    answer = exchange.answer
    if answer is None or answer.refused:
        return ""
    if not answer.citations:
        return f'<p class="zw-note">{escape(text("unsupported", language))}</p>'
    label = escape(text("sources", language, count=len(answer.citations)))
    items = "".join(_citation(c, number, exchange.pictured, language) for c in answer.citations)
    return f'<section class="zw-sources"><h3>{label}</h3>{items}</section>'


def _citation(citation: Citation, number: int, pictured: frozenset[str], language: Language) -> str:
    place = [text("page", language, page=citation.page)] if citation.page is not None else []
    place.append(text("score", language, score=f"{citation.score:.2f}"))
    details = "".join(f"<span>{escape(part)}</span>" for part in place)
    passage = highlighted(citation.text, citation.quote)
    pages = _pages(citation, language) if citation.document_id in pictured else ""
    return (
        f'<details class="zw-citation" id="{_anchor(number, citation.index)}">'
        f'<summary><b>[{citation.index}]</b><bdi title="{escape(citation.knowledge_base)}">'
        f"{escape(citation.document)}</bdi>{details}</summary>"
        f'<div class="zw-unfolded"><blockquote>{passage}</blockquote>{pages}</div></details>'
    )


def _pages(citation: Citation, language: Language) -> str:
    by_page: dict[int, list[Box]] = {}
    for box in citation.boxes:
        by_page.setdefault(box.page, []).append(box)
    if not by_page and citation.page is not None:
        by_page[citation.page] = []
    folder = f"api/knowledge-bases/{url_quote(citation.knowledge_base, safe='')}/documents"
    figures = []
    for page, boxes in by_page.items():
        source = f"{folder}/{url_quote(citation.document_id, safe='')}/pages/{page}.png"
        label = text("page_picture", language, document=citation.document, page=page)
        marks = "".join(_rectangle(box) for box in boxes)
        figures.append(
            f'<figure class="zw-page"><img src="{escape(source)}" alt="{escape(label)}" loading="lazy">'
            f"{marks}</figure>"
        )
    return "".join(figures)


def _rectangle(box: Box) -> str:
    left, top, width, height = (
        f"{100 * value:.2f}%" for value in (box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0)
    )
    return f'<span style="left:{left};top:{top};width:{width};height:{height}"></span>'


def _tools(exchange: Exchange, language: Language, *, newest: bool) -> str:
    parts = []
    if exchange.text or exchange.answer is not None:
        copied = escape(text("copied", language))
        parts.append(
            f'<button type="button" class="zw-button quiet" data-copy data-copied="{copied}">'
            f"{escape(text('copy', language))}</button>"
        )
    if newest:
        parts.append(button(text("regenerate", language), "regenerate", kind="quiet"))
    return f'<div class="zw-tools">{"".join(parts)}</div>' if parts else ""


def _anchor(number: int, index: int) -> str:
    return f"zw-{number}-{index}"
