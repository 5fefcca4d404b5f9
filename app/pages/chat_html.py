"""The conversation as HTML: questions, answers, and citations that open the page they come from."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from app.answering.answerer import QUOTE_MODEL
from app.answering.types import Answer, Citation
from app.messages import Language
from app.pages.conversation import Conversation, Exchange
from app.pages.keeping import INTERRUPTED
from app.pages.markup import button, highlighted, markdown_answer, plain_answer, with_doubts
from app.pages.texts import text

REASONS = ("wrong", "wrong_source", "incomplete", "unclear")
"""Why an answer was of no use."""


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
    edit = ""
    if not exchange.running:
        edit = button(text("edit_question", language), "edit", exchange=str(number), kind="quiet")
    question = (
        f'<div class="zw-question"><span class="zw-hidden">{escape(text("you", language))}</span>'
        f"{edit}<p>{escape(exchange.question)}</p></div>"
    )
    state = ' aria-busy="true"' if exchange.running else ""
    body = _badges(exchange, language) + _body(exchange, number, language)
    if not exchange.running:
        body += _pending(exchange, language) + _sources(exchange, number, language)
        body += _tools(exchange, number, language, newest=newest)
        if newest:
            body += _suggestions(exchange, language)
    return f'<article class="zw-exchange">{question}<div class="zw-reply"{state}>{body}</div></article>'


def editing_html(language: Language) -> str:
    """That the next question takes the place of an earlier one, and the way out."""
    line = escape(text("editing", language))
    return f'<p class="zw-notice" role="status">{line} {button(text("editing_end", language), "keep")}</p>'


def welcome_html(language: Language, *, libraries: int, documents: int, pending: int, samples: bool) -> str:
    """What a conversation without exchanges shows: what to do next."""
    if not libraries:
        title, hint, action = "none_title", "none_hint", "none_action"
    elif not documents and pending:
        title, hint, action = "pending_title", "pending_hint", "pending_action"
    elif not documents:
        title, hint, action = "no_documents_title", "no_documents_hint", "no_documents_action"
    else:
        title, hint, action = "empty_title", "empty_hint", ""
    parts = [f"<h2>{escape(text(title, language))}</h2><p>{escape(text(hint, language))}</p>"]
    if action:
        parts.append(button(text(action, language), "open", tab="library", kind="primary"))
    elif samples:
        examples = (text(f"example_{n}", language) for n in range(1, 5))
        buttons = "".join(button(question, "ask", question=question) for question in examples)
        parts.append(f"<p>{escape(text('empty_examples', language))}</p><div>{buttons}</div>")
    return f'<div class="zw-welcome">{"".join(parts)}</div>'


def mode_welcome_html(mode: str, language: Language) -> str:
    """What an empty conversation shows that does not ask knowledge bases."""
    title, hint = (escape(text(f"{mode}_{part}", language)) for part in ("title", "hint"))
    return f'<div class="zw-welcome"><h2>{title}</h2><p>{hint}</p></div>'


def _badges(exchange: Exchange, language: Language) -> str:
    badges = []
    answer = exchange.answer
    if exchange.error:
        badges.append(("error", text("badge_error", language), ""))
    elif answer is not None and answer.refused:
        badges.append(("refused", text("badge_refused", language), text("badge_refused_hint", language)))
    elif answer is not None and answer.model == QUOTE_MODEL:
        badges.append(("quoted", text("badge_quote", language), text("badge_quote_hint", language)))
    elif answer is not None and not answer.citations:
        badges.append(("model", text("badge_plain", language, model=answer.model), ""))
    elif answer is not None:
        badges.append(("model", text("badge_model", language, model=answer.model), ""))
    doubtful = sum(not sentence.supported for sentence in answer.sentences) if answer else 0
    if doubtful:
        label = text("badge_doubtful", language, count=doubtful)
        badges.append(("doubtful", label, text("doubt_hint", language)))
    if exchange.stopped:
        badges.append(("stopped", text("badge_stopped", language), ""))
    items = "".join(
        f'<span class="zw-badge {kind}" title="{escape(hint)}">{escape(label)}</span>'
        for kind, label, hint in badges
    )
    return f'<div class="zw-badges">{items}</div>' if items else ""


def _body(exchange: Exchange, number: int, language: Language) -> str:
    if exchange.error:
        reason = text("interrupted", language) if exchange.error == INTERRUPTED else exchange.error
        return f'<div class="zw-answer" role="alert"><p>{escape(reason)}</p></div>'
    answer = exchange.answer
    if answer is None and not exchange.text:
        key = "waiting" if exchange.waiting else "searching"
        waiting = f'<p class="zw-waiting">{escape(text(key, language, count=exchange.waiting))}</p>'
        return f'<div class="zw-answer">{waiting if exchange.running else ""}</div>'
    reference = _references(answer, number)
    if answer is None:
        # Who answers is known at the end only; until then the text stays plain.
        inner = plain_answer(exchange.text, reference)
    elif answer.model == QUOTE_MODEL or answer.refused:
        inner = plain_answer(answer.answer, reference)
    else:
        hint = escape(text("doubt_hint", language))
        sign = (
            f'<span class="zw-doubt" tabindex="0" data-tip="{hint}">{escape(text("doubt", language))}</span>'
        )
        ends = [sentence.end for sentence in answer.sentences if not sentence.supported]
        inner = markdown_answer(with_doubts(answer.answer, ends), reference, doubt=sign)
    return f'<div class="zw-answer">{inner}</div>'


def _pending(exchange: Exchange, language: Language) -> str:
    count = exchange.answer.documents_pending if exchange.answer else 0
    if not count:
        return ""
    return f'<p class="zw-notice">{escape(text("pending", language, count=count))}</p>'


def _references(answer: Answer | None, number: int) -> Callable[[int], str]:
    citations = {c.index: c for c in answer.citations} if answer else {}

    def reference(index: int) -> str:
        if index not in citations:
            return escape(f"[{index}]")
        citation = citations[index]
        tip = escape(f"{citation.document}: {citation.quote}")
        return (
            f'<button type="button" class="zw-reference" data-action="read" data-event="read"'
            f' data-exchange="{number}" data-index="{index}" data-tip="{tip}">[{index}]</button>'
        )

    return reference


def _sources(exchange: Exchange, number: int, language: Language) -> str:
    answer = exchange.answer
    if answer is None or answer.refused:
        return ""
    if not answer.citations:
        return f'<p class="zw-note">{escape(text("unsupported", language))}</p>'
    label = escape(text("sources", language, count=len(answer.citations)))
    items = "".join(_citation(c, number, language) for c in answer.citations)
    return f'<section class="zw-sources"><h3>{label}</h3>{items}</section>'


def _citation(citation: Citation, number: int, language: Language) -> str:
    place = [text("page", language, page=citation.page)] if citation.page is not None else []
    place.append(text("score", language, score=f"{citation.score:.2f}"))
    if citation.edited:
        place.append(text("chunk_edited", language))
    details = "".join(f"<span>{escape(part)}</span>" for part in place)
    passage = highlighted(citation.text, citation.quote)
    address = {"exchange": str(number), "index": str(citation.index)}
    opening = button(text("open_source", language), "read", event="read", **address)
    return (
        f'<details class="zw-citation" id="zw-{number}-{citation.index}">'
        f'<summary><b>[{citation.index}]</b><bdi title="{escape(citation.knowledge_base)}">'
        f"{escape(citation.document)}</bdi>{details}</summary>"
        f'<div class="zw-unfolded"><blockquote>{passage}</blockquote>{opening}</div></details>'
    )


def _tools(exchange: Exchange, number: int, language: Language, *, newest: bool) -> str:
    parts = []
    if exchange.answer is not None and exchange.answer.refused:
        nearest = text("see_nearest", language)
        parts.append(
            button(nearest, "open", tab="retrieval", question=exchange.question, kind="quiet zw-nearest")
        )
    if exchange.text or exchange.answer is not None:
        copied = escape(text("copied", language))
        parts.append(
            f'<button type="button" class="zw-button quiet" data-copy data-copied="{copied}">'
            f"{escape(text('copy', language))}</button>"
        )
    if newest:
        parts.append(button(text("regenerate", language), "regenerate", kind="quiet"))
    tools = f'<div class="zw-tools">{"".join(parts)}{_thumbs(exchange, number, language)}</div>'
    return tools + _reasons(exchange, number, language)


def _thumbs(exchange: Exchange, number: int, language: Language) -> str:
    if exchange.answer is None or not exchange.message_id:
        return ""
    parts = []
    for rating, key in ((1, "useful"), (-1, "useless")):
        chosen = exchange.rating == rating
        wish = "0" if chosen else str(rating)
        parts.append(
            f'<button type="button" class="zw-button quiet" data-action="rate" data-exchange="{number}"'
            f' data-value="{wish}" aria-pressed="{str(chosen).lower()}">'
            f"{escape(text(key, language))}</button>"
        )
    return "".join(parts)


def _reasons(exchange: Exchange, number: int, language: Language) -> str:
    if exchange.rating >= 0:
        return ""
    parts = [
        f'<button type="button" class="zw-button" data-action="rate" data-exchange="{number}" data-value="-1"'
        f' data-reason="{reason}" aria-pressed="{str(exchange.reason == reason).lower()}">'
        f"{escape(text(f'reason_{reason}', language))}</button>"
        for reason in REASONS
    ]
    return (
        f'<div class="zw-reasons"><span>{escape(text("reason_ask", language))}</span>{"".join(parts)}</div>'
    )


def _suggestions(exchange: Exchange, language: Language) -> str:
    if not exchange.suggestions:
        return ""
    label = escape(text("suggestions", language))
    items = "".join(button(question, "ask", question=question) for question in exchange.suggestions)
    return f'<div class="zw-suggestions"><h3>{label}</h3>{items}</div>'
