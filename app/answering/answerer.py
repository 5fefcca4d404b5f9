"""From a question to an answer with citations, or a refusal, as a stream of events."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from app.answering.citations import (
    CitationReader,
    Mark,
    cited_sentences,
    claim_of,
    claimed,
    supporting_span,
)
from app.answering.followups import (
    new_topic,
    rewriting_ends,
    rewriting_messages,
    rewritten,
    speaks_of,
    standalone_question,
)
from app.answering.prompt import build_prompt
from app.answering.prompt_files import Prompts
from app.answering.quoting import Quote, quote
from app.answering.refusals import is_refusal, needs_no_citation
from app.answering.speech import NEWS_SECONDS, ChatModel, spoken
from app.answering.support import SUPPORTED, Embed, support
from app.answering.types import (
    Answer,
    AnswerSentence,
    Citation,
    Event,
    Final,
    Sources,
    Token,
    TokenUsage,
    Turn,
    Waiting,
)
from app.errors import ModelNeededError
from app.messages import text_language, translate
from knowledge_base.retrieval import Retrieval
from knowledge_base.types import Hit
from loaders.document import Box

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

QUOTE_MODEL = "quote"
"""Name of the answerer that quotes the documents; it needs no language model."""


class Answerer:
    """Answers one question at a time; safe to be called from several threads at once."""

    def __init__(
        self,
        search: Callable[[str], Retrieval] | None,
        *,
        chat_model: ChatModel | None = None,
        prompts: Prompts | None = None,
        embed: Embed | None = None,
    ) -> None:
        """`search` finds the passages; without it the chat model, which must be given, just chats.

        `embed` serves to compare an answer's sentences with what they cite.
        """
        self._search = search
        self._chat_model = chat_model
        self._prompts = prompts
        self._embed = embed

    def stream(self, question: str, history: Sequence[Turn] = ()) -> Iterator[Event]:
        """Yield `Sources`, `Token`s, and at last `Final`; `Waiting` may come before the first token.

        A refusal has no sources and asks no model.
        """
        clock = _Clock()
        if self._search is None:
            yield from self._chat(question, history, clock)
            return
        standalone = yield from self._standalone(question, history)
        clock.stage("rewrite")
        retrieval = self._search(standalone)
        if self._chat_model is None and standalone != question:
            retrieval = _about(new_topic(question), retrieval)
        clock.part("embed", retrieval.embed_seconds)
        clock.stage("search")
        if not retrieval.hits:
            yield from self._refuse(question, standalone, clock)
        elif self._chat_model is None:
            yield from self._quote(standalone, retrieval, clock)
        else:
            yield from self._generate(self._chat_model, question, standalone, retrieval.hits, history, clock)

    def _standalone(self, question: str, history: Sequence[Turn]) -> Generator[Event, None, str]:
        """The question as it is searched, by the language model where there is one, else by rules."""
        chat = self._chat_model
        messages = rewriting_messages(question, history, fits=chat.budget.holds) if chat else None
        if chat is None or messages is None:
            return standalone_question(question, history)
        said = ""
        last = time.monotonic()
        with closing(spoken(chat, messages)) as events:
            for event in events:
                if isinstance(event, str):
                    said += event
                    if rewriting_ends(said):
                        break
                # Only while something is yielded can an answer be ended.
                if isinstance(event, Waiting) or time.monotonic() - last >= NEWS_SECONDS:
                    last = time.monotonic()
                    yield event if isinstance(event, Waiting) else Waiting(0)
        return rewritten(said) or standalone_question(question, history)

    def _refuse(self, question: str, standalone: str, clock: _Clock) -> Iterator[Event]:
        text = translate("refusal", text_language(question))
        yield Sources(())
        yield Token(text)
        yield Final(Answer(text, True, self._model_name, (), clock.timings(), standalone))

    def _quote(self, standalone: str, retrieval: Retrieval, clock: _Clock) -> Iterator[Event]:
        quotes = quote(standalone, retrieval.hits, read=retrieval.read)
        numbers = {index: n for n, index in enumerate(dict.fromkeys(q.hit_index for q in quotes), start=1)}
        citations = tuple(
            _quoted_citation(number, retrieval.hits[index], [q for q in quotes if q.hit_index == index])
            for index, number in numbers.items()
        )
        yield Sources(citations)
        pieces = [f"{_readable(q)} [{numbers[q.hit_index]}]" for q in quotes]
        clock.stage("first_token")
        for piece in pieces[:-1]:
            yield Token(f"{piece}\n\n")
        yield Token(pieces[-1])
        yield Final(Answer("\n\n".join(pieces), False, QUOTE_MODEL, citations, clock.timings(), standalone))

    def _generate(
        self,
        chat: ChatModel,
        question: str,
        standalone: str,
        hits: Sequence[Hit],
        history: Sequence[Turn],
        clock: _Clock,
    ) -> Iterator[Event]:
        messages, used = build_prompt(question, hits, history, budget=chat.budget, prompts=self._prompts)
        yield Sources(tuple(_citation(n, hit, standalone) for n, hit in enumerate(hits[:used], start=1)))
        # A sentence that refuses needs no citation.
        reader = CitationReader(used, drop=needs_no_citation)
        usage = yield from _tokens(chat, messages, reader.feed, clock)
        if text := reader.finish():
            yield Token(text)
        clock.stage("generate")
        answer = reader.text.rstrip()
        if not answer:
            answer = translate("refusal", text_language(question))
            yield Token(answer)
        refused = is_refusal(answer)
        cited = [] if refused else reader.cited
        citations = tuple(_citation(n, hits[n - 1], claim_of(answer, n)) for n in cited)
        sentences = () if refused else self._checked(answer, reader.marks, hits[:used])
        clock.stage("check")
        yield Final(
            Answer(answer, refused, chat.name, citations, clock.timings(), standalone, sentences, usage)
        )

    def _chat(self, question: str, history: Sequence[Turn], clock: _Clock) -> Iterator[Event]:
        chat = self._chat_model
        if chat is None:
            raise ModelNeededError("only a chat model can answer without documents")
        messages, _ = build_prompt(question, (), history, budget=chat.budget, prompts=self._prompts)
        yield Sources(())
        parts: list[str] = []

        def kept(text: str) -> str:
            parts.append(text)
            return text

        usage = yield from _tokens(chat, messages, kept, clock)
        answer = "".join(parts).rstrip()
        yield Final(Answer(answer, False, chat.name, (), clock.timings(), question, usage=usage))

    def _checked(self, answer: str, marks: Sequence[Mark], hits: Sequence[Hit]) -> tuple[AnswerSentence, ...]:
        found = []
        for start, end, numbers in cited_sentences(answer, marks):
            sources = [_everything(hits[n - 1]) for n in numbers] or [_everything(hit) for hit in hits]
            value = support(claimed(answer[start:end]), sources, embed=self._embed)
            found.append(AnswerSentence(start, end, numbers, value, value is None or value >= SUPPORTED))
        return tuple(found)

    @property
    def _model_name(self) -> str:
        return self._chat_model.name if self._chat_model else QUOTE_MODEL


def _about(topic: str, retrieval: Retrieval) -> Retrieval:
    """What was found for "X呢？", as far as it speaks of X: the older topic alone answers nothing."""
    if not topic:
        return retrieval
    return replace(retrieval, hits=[hit for hit in retrieval.hits if speaks_of(topic, _everything(hit))])


def _readable(quoted: Quote) -> str:
    """The quoted text; a row of a table is nothing without the header above it."""
    return "\n".join(part for part in (quoted.header, quoted.text.strip()) if part)


def _everything(hit: Hit) -> str:
    """All that a model was shown of a passage."""
    return "\n".join((hit.document, " ".join(hit.heading_path), hit.question, hit.header, hit.in_context))


def _tokens(
    chat: ChatModel, messages: Sequence[BaseMessage], read: Callable[[str], str], clock: _Clock
) -> Generator[Event, None, TokenUsage | None]:
    """Yield what `read` makes of the model's pieces, and waiting; what the model counted comes back.

    Blanks before the first word are no part of an answer.
    """
    usage = None
    begun = False
    with closing(spoken(chat, messages)) as events:
        for event in events:
            if isinstance(event, TokenUsage):
                usage = event
            elif isinstance(event, Waiting):
                yield event
            elif piece := event if begun else event.lstrip():
                begun = True
                if text := read(piece):
                    if "first_token" not in clock:
                        clock.stage("first_token")
                    yield Token(text)
    return usage


def _quoted_citation(number: int, hit: Hit, quotes: Sequence[Quote]) -> Citation:
    boxes = tuple(box for q in quotes for box in hit.boxes(q.start, q.end))
    return _make_citation(number, hit, " … ".join(q.text for q in quotes), boxes)


def _citation(number: int, hit: Hit, claim: str) -> Citation:
    start, end = supporting_span(claim, hit)
    return _make_citation(number, hit, hit.text[start:end].strip(), hit.boxes(start, end))


def _make_citation(number: int, hit: Hit, quoted: str, boxes: tuple[Box, ...]) -> Citation:
    return Citation(
        index=number,
        knowledge_base=hit.knowledge_base,
        document=hit.document,
        document_id=hit.document_id,
        chunk_id=hit.chunk_id,
        page=boxes[0].page if boxes else hit.page,
        text=hit.text,
        quote=quoted,
        score=hit.score,
        boxes=boxes,
        edited=hit.edited,
    )


class _Clock:
    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._timings: dict[str, float] = {}

    def stage(self, name: str) -> None:
        """A stage has ended."""
        time_now = time.perf_counter()
        self._timings[name] = round(time_now - self._last, 4)
        self._last = time_now

    def part(self, name: str, seconds: float) -> None:
        """So much of the stage that is under way was one of its own."""
        self._timings[name] = round(seconds, 4)
        self._last += seconds

    def __contains__(self, name: str) -> bool:
        return name in self._timings

    def timings(self) -> dict[str, float]:
        return {**self._timings, "total": round(time.perf_counter() - self._start, 4)}
