"""The prompt of a chat model: instructions, numbered passages, history, question."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from app.answering.types import Turn
from app.messages import Language, text_language, translate
from knowledge_base.types import Hit

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

_FOLDER = Path(__file__).parent / "prompts"


def build_prompt(
    question: str, hits: Sequence[Hit], history: Sequence[Turn] = (), *, max_characters: int
) -> tuple[list[BaseMessage], int]:
    """Messages for the model, and how many of `hits` they hold, numbered from 1.

    At most `max_characters` in all, which bounds the tokens too: no tokenizer makes more than
    about one of a Chinese character. Room is given up oldest turn first, then worst passage
    first; the question and the best passage always stay.
    """
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    language = text_language(question)
    template = _template(language)
    refusal = translate("refusal", language)
    room = max_characters - len(template) - len(refusal) - len(question)
    passages: list[str] = []
    for number, hit in enumerate(hits, start=1):
        passage = f"[{number}] {_source(hit)}\n{_content(hit)}"
        room -= len(passage) + 2
        if room < 0 and passages:
            break
        passages.append(passage)
    turns: list[BaseMessage] = []
    for turn in reversed(history):
        room -= len(turn.question) + len(turn.answer)
        if room < 0:
            break
        turns[:0] = [HumanMessage(turn.question), AIMessage(turn.answer)]
    # Replaced one by one: braces in a document must never be read as a variable.
    system = template.replace("{refusal}", refusal).replace("{passages}", "\n\n".join(passages))
    return [SystemMessage(system), *turns, HumanMessage(question)], len(passages)


def _source(hit: Hit) -> str:
    page = f" p. {hit.page}" if hit.page else ""
    return f"《{hit.document}》{page} {' > '.join(hit.heading_path)}".rstrip()


def _content(hit: Hit) -> str:
    return "\n".join(part for part in (hit.question, hit.header, hit.text) if part)


@cache
def _template(language: Language) -> str:
    return (_FOLDER / f"answer.{language}.txt").read_text(encoding="utf-8")
