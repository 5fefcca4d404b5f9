"""Makes a question that leans on the history ("那它要谁审批？") stand alone, for retrieval.

With a language model by asking it to rewrite; without one by rules: pronouns, a leading 那 or a
closing 呢, and too few words of its own show that a question leans. It then takes over what the
question before was about, and nothing from further back than that question leaned itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from app.answering.types import Turn
from app.messages import Language, text_language
from vectorstore.chinese import fold, terms

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

__all__ = [
    "Turn",
    "leans",
    "new_topic",
    "rewriting_ends",
    "rewriting_messages",
    "rewritten",
    "speaks_of",
    "standalone_question",
]

_PROMPTS = Path(__file__).parent / "prompts"
TURNS = 4
"""Turns of the history that are looked at."""
ANSWER_CHARACTERS = 400
"""Characters of an earlier answer that a language model is shown."""
LONGEST_REWRITE = 300
"""A longer answer of the model is not a question."""

_HAN = "\u3400-\u9fff"
_QUESTION_WORDS = re.compile(
    r"什么时候|什么地方|什么|为什么|为何|怎么样|怎么办|怎么|怎样|如何|多少|多久|多长时间|多长|多大|多高|几[个天次年月种位]?|哪些"
    r"|哪里|哪儿|哪[个一种位家年天]?|谁|何时|是否|是不是|有没有|能不能|可不可以|要不要|吗|呢|吧|啊|呀|么"
)
_FILLERS = re.compile(
    r"请问|请|告诉我|说说|讲讲|具体|详细|一般|通常|应该|可以|能够|需要|必须|还有|另外|其他|别的|那么|然后|如果|的话|这样|那样|一下"
    r"|[的了是在和与及或有要能会还也都再又就被把对从由到得吧很更没不我你您们个那这]"
)
_PRONOUN = re.compile(
    rf"(?<![其吉])[它他她](?:们|的)?|[这那](?:个|种|项|些|类|份|条|款|家|位|边|时|期间|笔|台|次)(?:[{_HAN}]?)|这(?=[要是得能可会有在需])"
    r"|(?<![尤极与及])其(?![他它次中实余])|此(?![外次时])|该(?=[^如怎找])|前者|后者|上述|上面|刚才|以上"
    r"|\b(?:it|its|they|them|their|he|him|his|she|her|this|that|these|those|the (?:former|latter))\b"
)
_OPENING = re.compile(r"^(?:那么|那|还有|另外|以及|then|and|so)[,，\s]*(?![边个种些位家里])")
_NO_SUBJECT = re.compile(
    r"最[多少长短高低大晚早迟]|每|[向由跟给]谁|[还也]?(?:可以|能|要|需要|有)|什么时候|何时|多久|多少|几|一共|总共|上限|下限|标准|谁(?!是)"
)
_WHAT_ABOUT = re.compile(
    r"^(?:(?:and )?(?:what|how) about|and)\s+(?P<latin>.+?)\s*$|^(?P<han>.+?)(?:又|也)?呢$"
)
_COURTESY = re.compile(
    r"(?:(?:非常|十分|多)?(?:谢谢|感谢|谢了|多谢|辛苦)(?:你|您|了|啦|啊)*|你好|您好|好的?|明白了?|知道了|懂了|收到|再见|拜拜"
    r"|thank you|thanks?|thx|hello|hi|ok(?:ay)?|bye|i see|got it|very much|a lot"
    r"|[吧呢啊呀哦嗯啦,，.。!！~、\s])+"
)
_TOKEN = re.compile(r"[a-z0-9][a-z0-9.%-]*")
_ORDINAL = re.compile(r"第[一二三四五六七八九十0-9]+[个种条项步类]?")
_MARKS = re.compile(r"[?？!！。.,，、;；:：\s]+")
_NEGLIGIBLE = frozenset(
    {
        *("what", "how", "why", "when", "where", "who", "which", "is", "are", "was", "the", "a", "an", "of"),
        *("to", "do", "does", "did", "can", "about", "and", "then", "so", "much", "many", "long", "it", "in"),
        "for",
    }
)
FEW_CHARACTERS = 2
"""A question with at most this much content of its own leans, whatever its form."""
FEW_AFTER_OPENING = 4
"""The same after 那 or 还有, and where the subject that a question begins with is missing."""
SHORT_TOPIC = 8
"""Characters of X up to which "X呢？" asks the last question again, of X."""


def standalone_question(question: str, history: Sequence[Turn]) -> str:
    """The question as it would be asked without the history, by rules; a complete one stays as it is."""
    history = _looked_at(history)
    return _by_rules(question, [turn.question for turn in history]) if question.strip() else question


def rewriting_messages(
    question: str, history: Sequence[Turn], *, fits: Callable[[Sequence[BaseMessage]], bool]
) -> list[BaseMessage] | None:
    """What asks a language model to make the question stand alone; None where that is not to be asked.

    Oldest turns are left out until `fits`, which tells whether the model has room for the messages.
    """
    from langchain_core.messages import HumanMessage

    turns = _looked_at(history) if question.strip() else []
    for first in range(len(turns)):
        messages: list[BaseMessage] = [HumanMessage(_prompt(question, turns[first:]))]
        if fits(messages):
            return messages
    return None


def rewriting_ends(said: str) -> bool:
    """Whether what a model has said so far tells all that `rewritten` looks at."""
    return "\n" in said.strip() or len(said) > LONGEST_REWRITE


def rewritten(said: str) -> str:
    """The question that a model answered the rewriting messages with; empty if it is unusable."""
    lines = [line.strip().strip('"“”「」') for line in said.splitlines() if line.strip()]
    return lines[0] if lines and len(lines[0]) <= LONGEST_REWRITE else ""


def leans(question: str) -> bool:
    """Whether a question cannot be understood without the one before it."""
    folded = _trim(fold(question))
    if _COURTESY.fullmatch(folded):
        return False  # thanks ask nothing, least of all the same again
    if _PRONOUN.search(folded) or _ORDINAL.match(folded):
        return True
    about = _WHAT_ABOUT.match(folded)
    if about and _weight(about["han"] or about["latin"]) <= SHORT_TOPIC:
        return True
    if "《" in folded:
        return False  # it names its subject
    weight = _weight(folded)
    return weight <= (
        FEW_AFTER_OPENING if _OPENING.match(folded) or _NO_SUBJECT.match(folded) else FEW_CHARACTERS
    )


def new_topic(question: str) -> str:
    """The X of a follow-up "X呢？" or "what about X?", folded; empty for any other question."""
    about = _WHAT_ABOUT.match(_trim(fold(question)))
    topic = _OPENING.sub("", about["han"] or about["latin"]).strip() if about else ""
    return topic if _weight(topic) <= SHORT_TOPIC else ""


def speaks_of(topic: str, text: str) -> bool:
    """Whether a text holds any word of a folded topic: a pair of characters, or a Latin word."""
    found = terms(topic)
    words = [term for term in found if len(term) > 1 or term.isascii()] or found
    folded = fold(text)
    return not words or any(word in folded for word in words)


def _by_rules(question: str, earlier: Sequence[str]) -> str:
    if not earlier or not leans(question):
        return question
    before = _by_rules(earlier[-1], earlier[:-1])
    asked = _MARKS.sub(" ", question).strip()
    about = _WHAT_ABOUT.match(_trim(fold(question)))
    if about:
        topic = _OPENING.sub("", about["han"] or about["latin"]).strip()
        swapped = _swap(before, topic)
        if swapped:
            return swapped
    own = _PRONOUN.sub(" ", fold(_OPENING.sub("", asked)))
    own = re.sub(r"[呢吗吧啊]$", "", " ".join(own.split()))
    return f"{_topic(before)} {own}".strip() if own else before


def _swap(before: str, topic: str) -> str | None:
    """The earlier question with its topic replaced by one that is written alike.

    年假 becomes 病假, P1 becomes P2, 第一种 becomes 第二种; otherwise the old topic would outweigh
    the new one. None when nothing in it matches.
    """
    folded = fold(before)
    if not topic or topic in folded or len(folded) != len(before):
        return None
    if _TOKEN.fullmatch(topic):
        alike = [found for found in _TOKEN.finditer(folded) if _shape(found[0]) == _shape(topic)]
        return before[: alike[-1].start()] + topic + before[alike[-1].end() :] if alike else None
    ordinal = _ORDINAL.search(folded)
    if ordinal and _ORDINAL.fullmatch(topic):
        return before[: ordinal.start()] + topic + before[ordinal.end() :]
    for size in (3, 2, 1):
        at = folded.find(topic[-size:]) if len(topic) > size else -1
        end = at + size
        start = end - len(topic)
        # One character in common says little, unless both topics begin the question.
        if at >= 0 and start >= 0 and (size > 1 or start == 0):
            return before[:start] + topic + before[end:]
    return None


def _shape(token: str) -> str:
    return re.sub(r"[a-z]", "a", re.sub(r"[0-9]", "0", token))


def _topic(question: str) -> str:
    """What a question is about: its words without those that ask."""
    rest = _QUESTION_WORDS.sub(" ", _MARKS.sub(" ", question))
    words = [word for word in rest.split() if word.lower() not in _NEGLIGIBLE]
    return " ".join(words) or _MARKS.sub(" ", question).strip()


def _trim(folded: str) -> str:
    return folded.strip().rstrip("?!。. ")


def _weight(folded: str) -> int:
    """Content of a text: Chinese characters, and three for a word, without what only asks or fills."""
    rest = _FILLERS.sub(" ", _QUESTION_WORDS.sub(" ", folded))
    words = [word for word in re.findall(r"[a-z0-9]+", rest) if word not in _NEGLIGIBLE]
    return len(re.findall(rf"[{_HAN}]", rest)) + 3 * len(words)


def _looked_at(history: Sequence[Turn]) -> list[Turn]:
    return [turn for turn in history if turn.question.strip()][-TURNS:]


@cache
def _template(language: Language) -> str:
    return (_PROMPTS / f"rewrite.{language}.txt").read_text(encoding="utf-8")


def _prompt(question: str, history: Sequence[Turn]) -> str:
    turns = "\n".join(f"> {turn.question}\n< {turn.answer[:ANSWER_CHARACTERS]}" for turn in history)
    # Replaced one by one: braces in a text must never be read as a variable.
    head, _, tail = _template(text_language(question)).partition("{history}")
    return head + turns + tail.replace("{question}", question)
