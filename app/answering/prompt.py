"""The messages for a chat model: instructions, numbered passages, history, question, within its room."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.answering.prompt_files import PromptFiles, Prompts
from app.answering.types import Turn
from app.errors import PromptTooLongError
from app.messages import text_language, translate
from knowledge_base.types import Hit
from loaders.sentences import split_sentences

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

_JOINERS = frozenset("\u200d\ufe0e\ufe0f\u20e3") | {chr(c) for c in range(0x1F3FB, 0x1F400)}


@dataclass(frozen=True, slots=True)
class Budget:
    """The tokens that a prompt may have, and how they are counted."""

    tokens: int
    count: Callable[[Sequence[BaseMessage]], int]

    def holds(self, messages: Sequence[BaseMessage]) -> bool:
        """Whether the messages fit."""
        return self.count(messages) <= self.tokens


def build_prompt(
    question: str,
    hits: Sequence[Hit],
    history: Sequence[Turn] = (),
    *,
    budget: Budget,
    prompts: Prompts | None = None,
) -> tuple[list[BaseMessage], int]:
    """Messages for the model, and how many of `hits` they hold, numbered from 1.

    Room is given up oldest turn first, then worst passage first; at last the best passage is cut,
    at the end of a sentence where there is one. The question always stays whole. Without hits, the
    instructions are those of plain chat. Raises `PromptTooLongError` where the question alone is
    too long.
    """
    prompts = prompts or PromptFiles().of(())
    language = text_language(question)
    template = (prompts.answer if hits else prompts.chat)[language]
    refusal = translate("refusal", language)
    passages = [f"[{number}] {_source(hit)}\n{_content(hit)}" for number, hit in enumerate(hits, start=1)]

    def written(shown: Sequence[str], turns: int) -> list[BaseMessage]:
        return _messages(template, refusal, shown, history[len(history) - turns :], question)

    turns = _most(len(history), lambda turns: budget.holds(written(passages, turns)))
    if turns is not None:
        return written(passages, turns), len(passages)
    used = _most(len(passages), lambda used: budget.holds(written(passages[:used], 0)))
    if used is None:
        raise PromptTooLongError(
            f"the question does not fit into the {budget.tokens} tokens of a prompt", limit=budget.tokens
        )
    if used == 0:
        ends = _cuts(passages[0])
        kept = _most(len(ends), lambda n: budget.holds(written([passages[0][: ends[n - 1]]] if n else [], 0)))
        shown = [passages[0][: ends[kept - 1]]] if kept else []
        return written(shown, 0), len(shown)
    return written(passages[:used], 0), used


def _messages(
    template: str, refusal: str, passages: Sequence[str], history: Sequence[Turn], question: str
) -> list[BaseMessage]:
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    # Split, not formatted: braces in a document must never be read as a variable.
    parts = (part.replace("{refusal}", refusal) for part in template.split("{passages}"))
    system = "\n\n".join(passages).join(parts)
    turns = [message for turn in history for message in (HumanMessage(turn.question), AIMessage(turn.answer))]
    return [SystemMessage(system), *turns, HumanMessage(question)]


def _most(maximum: int, fits: Callable[[int], bool]) -> int | None:
    """The largest number up to `maximum` that fits, when all below it do; None when not even 0 does."""
    if fits(maximum):
        return maximum
    low, high = -1, maximum
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            low = middle
        else:
            high = middle
    return None if low < 0 else low


def _cuts(passage: str) -> list[int]:
    """Where a passage may end: after its sentences, within the first between its characters."""
    start = passage.index("\n") + 1 if "\n" in passage else 0
    ends = [start + end for _, end in split_sentences(passage[start:])]
    first = ends[0] if ends else len(passage)
    inside = [i for i in range(start + 1, first) if not _joined(passage, i)]
    return inside + ends


def _joined(text: str, position: int) -> bool:
    """Whether the characters around `position` are one for the reader: a letter and its accents, an emoji."""
    after = text[position]
    return unicodedata.combining(after) != 0 or after in _JOINERS or text[position - 1] == "\u200d"


def _source(hit: Hit) -> str:
    page = f" p. {hit.page}" if hit.page else ""
    return f"《{hit.document}》{page} {' > '.join(hit.heading_path)}".rstrip()


def _content(hit: Hit) -> str:
    return "\n".join(part for part in (hit.question, hit.header, hit.in_context) if part)
