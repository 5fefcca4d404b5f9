"""Answers without a language model: the sentences of the hits that answer the question.

A linear model over the features of `sentence_features` gives every sentence a probability of
answering (a softmax over all sentences of the hits). Sentences are shown while their probability is
worth their length, so that a sure answer stays short and a doubtful one shows more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources

import numpy as np

from app.answering.question_type import candidates
from app.answering.same_question import same_question
from app.answering.sentence_features import (
    Question,
    crosses_what_was_asked,
    features,
    names_another,
    names_same_label,
    term_weights,
)
from app.answering.sentences import Sentence, content_terms, sentences_of
from knowledge_base.types import Hit
from vectorstore.chinese import fold
from vectorstore.synonyms import Reading

HITS = 3
"""Hits whose sentences are considered; further ones held an answer too rarely to be worth it."""
WORTH = 10**-3.35
"""Probability that a character more must bring; it sets the average length of what is shown."""
DOUBTFUL = 0.015
"""Probability below which no further sentence is shown, however short."""
LONG = 120
"""Characters from which a sentence is cut to its clauses that answer."""
FAR_BELOW = 0.04
"""Share of the best sentence's probability below which no further sentence is shown."""
ANOTHER_MODEL = 6.0
"""Taken from the score of a sentence about SG-100 where SG-200 was asked for. No question set of
general knowledge holds such pairs, so that it cannot be trained; it outweighs any overlap."""
SAME_LABEL = 3.0
"""Given to a row about the 7th floor where that was asked for; as untrained as `ANOTHER_MODEL`."""
CROSSING = 5.0
"""Given to the row 连接器 below the column 供应商 where 连接器的供应商 was asked for; as untrained."""

_CLAUSE = re.compile(r"[^，,；;：:、]*(?:[，,；;：:、]+|$)")


@dataclass(frozen=True, slots=True)
class Quote:
    """A part of a hit, `hits[hit_index].text[start:end] == text`, of one or more whole sentences.

    Only a very long sentence is cut, between clauses. `score` is the probability, in [0, 1], that
    the answer stands here. `header` is the header row that explains a quoted table row.
    """

    hit_index: int
    start: int
    end: int
    text: str
    score: float
    header: str = ""


@lru_cache(maxsize=1)
def load_weights() -> Mapping[str, float]:
    """The trained weights, by feature; `benchmarks/quoting.py --train` writes them."""
    text = resources.files("app.answering").joinpath("quoting_weights.json").read_text(encoding="utf-8")
    weights: dict[str, float] = json.loads(text)["weights"]
    return weights


def quote(
    question: str,
    hits: Sequence[Hit],
    *,
    read: Reading = str,
    max_sentences: int = 3,
    max_characters: int = 180,
) -> list[Quote]:
    """Choose the one to `max_sentences` sentences of the hits that answer, best hit first.

    Sentences that follow each other come as one quote. All quotes together are no longer than
    `max_characters`, unless they are the answer of a FAQ pair whose question was asked.
    `read` gives folded texts in the question's words. Returns an empty list only when no hit has text.
    """
    hits = hits[:HITS]
    pair = _asked_pair(question, hits, read)
    if pair is not None:
        answer = _whole_answer(hits, pair)
        if answer:
            return answer
    sentences = sentences_of(hits, read)
    if not any(sentence.quotable for sentence in sentences):
        sentences = [replace(sentence, quotable=True) for sentence in sentences]
    if not sentences:
        return []
    asked = Question(question)
    scores = _scores(asked, hits, sentences)
    odds = np.exp(scores - scores.max())
    probabilities = odds / odds.sum()
    lengths = [_shown_length(hits[sentence.hit], sentence) for sentence in sentences]
    chosen = _select(sentences, lengths, probabilities, max_sentences, max_characters)
    chosen = _with_list_items(sentences, lengths, chosen, max_characters)
    return _quotes(asked, hits, sentences, probabilities, chosen, max_characters)


def _scores(question: Question, hits: Sequence[Hit], sentences: Sequence[Sentence]) -> np.ndarray:
    """Logarithms of the odds that a sentence answers, up to a constant; headings never do."""
    weights = load_weights()
    rows = features(question, sentences)
    scores = np.array([sum(weights.get(name, 0.0) * value for name, value in row.items()) for row in rows])
    scores -= ANOTHER_MODEL * np.array([names_another(question, sentence) for sentence in sentences])
    scores += SAME_LABEL * np.array([names_same_label(question, sentence) for sentence in sentences])
    crossing = [
        crosses_what_was_asked(question, sentence, hits[sentence.hit].header) for sentence in sentences
    ]
    scores += CROSSING * np.array(crossing)
    scores[[not sentence.quotable for sentence in sentences]] = -np.inf
    return scores


def _shown_length(hit: Hit, sentence: Sentence) -> int:
    """Characters that a sentence takes up in a quote, with the blanks that join it to the one before."""
    before = hit.text[: sentence.start]
    return min(LONG, len(sentence.text)) + len(before) - len(before.rstrip())


def _select(
    sentences: Sequence[Sentence],
    lengths: Sequence[int],
    probabilities: np.ndarray,
    most: int,
    characters: int,
) -> list[int]:
    """The sentences worth their length, at least one; their numbers in the order of the text."""
    chosen: list[int] = []
    room = characters
    for number in map(int, np.argsort(-probabilities, kind="stable")):
        sentence = sentences[number]
        if len(chosen) == most or not sentence.quotable:
            break
        if chosen and probabilities[number] < max(DOUBTFUL, FAR_BELOW * probabilities.max()):
            break
        worth = probabilities[number] >= WORTH * _width(sentence.text[:LONG])
        if chosen and (lengths[number] > room or not worth):
            continue
        chosen.append(number)
        room -= lengths[number]
        if room <= 0:
            break
    return sorted(chosen)


def _with_list_items(
    sentences: Sequence[Sentence], lengths: Sequence[int], chosen: Sequence[int], characters: int
) -> list[int]:
    """Add the items of a list whose lead-in ("…如下：") was chosen, as many as there is room for."""
    found = set(chosen)
    room = characters - sum(lengths[number] for number in chosen)
    for number in chosen:
        if not sentences[number].folded.endswith(":"):
            continue
        for item in range(number + 1, len(sentences)):
            if sentences[item].hit != sentences[number].hit or not sentences[item].lists:
                break
            if item not in found:
                room -= lengths[item]
                if room < 0:
                    break
                found.add(item)
    return sorted(found)


def _width(text: str) -> float:
    """Length as the eye takes it: a Latin letter says half of what a Chinese character does."""
    narrow = sum(mark < "\u2e80" for mark in text)
    return len(text) - narrow / 2


def _quotes(
    question: Question,
    hits: Sequence[Hit],
    sentences: Sequence[Sentence],
    probabilities: np.ndarray,
    chosen: Sequence[int],
    characters: int,
) -> list[Quote]:
    """Join sentences that follow each other; the hit with the best sentence comes first."""
    weights = term_weights(question, sentences)
    found: list[Quote] = []
    for number in chosen:
        sentence, score = sentences[number], float(probabilities[number])
        hit = hits[sentence.hit]
        start, end = _cut(question, sentence, weights, min(LONG, characters))
        last = found[-1] if found else None
        if last and last.hit_index == sentence.hit and not hit.text[last.end : start].strip():
            start, score = last.start, min(1.0, last.score + score)
            found.pop()
        found.append(Quote(sentence.hit, start, end, hit.text[start:end], score, hit.header))
    best: dict[int, float] = {}
    for one in found:
        best[one.hit_index] = max(best.get(one.hit_index, 0.0), one.score)
    return sorted(found, key=lambda one: (-best[one.hit_index], one.hit_index, one.start))


def _cut(question: Question, sentence: Sentence, weights: Mapping[str, float], limit: int) -> tuple[int, int]:
    """The span of a sentence, or of those neighbouring clauses that answer when it is too long."""
    length = len(sentence.text)
    if length <= limit:
        return sentence.start, sentence.end
    spans = [found.span() for found in _CLAUSE.finditer(sentence.text) if found[0].strip()]
    spans = [piece for span in spans for piece in _pieces(*span, limit)]
    values = [_value(question, sentence.text[low:high], weights) for low, high in spans]
    best, chosen = -1.0, spans[0]
    first = 0
    for last in range(len(spans)):
        while spans[last][1] - spans[first][0] > limit:
            first += 1
        value = sum(values[first : last + 1])
        if value > best:
            best, chosen = value, (spans[first][0], spans[last][1])
    return sentence.start + chosen[0], sentence.start + chosen[1]


def _pieces(start: int, end: int, limit: int) -> list[tuple[int, int]]:
    return [(low, min(end, low + limit)) for low in range(start, end, limit)]


def _value(question: Question, clause: str, weights: Mapping[str, float]) -> float:
    """How much of the question a clause covers, and whether it holds a candidate for the answer."""
    folded = fold(clause)
    covered = sum(weights.get(term, 0.0) for term in content_terms(folded))
    spans = candidates(question.type.kind, folded)
    fresh = any(folded[low:high] not in question.folded for low, high in spans)
    return covered + (0.5 * max(weights.values(), default=1.0) if fresh else 0.0)


def _asked_pair(question: str, hits: Sequence[Hit], read: Reading) -> int | None:
    """The FAQ hit whose question is the one asked; of several the one that is worded most alike."""
    asked = content_terms(fold(question))
    found = [
        n
        for n, hit in enumerate(hits)
        if hit.kind == "faq" and same_question(question, read(fold(hit.question)))
    ]
    return max(found, key=lambda n: len(asked & content_terms(fold(hits[n].question))), default=None)


def _whole_answer(hits: Sequence[Hit], number: int) -> list[Quote]:
    """The whole answer of a FAQ pair, also where it is so long that it was cut into several chunks."""
    pair = hits[number]
    parts = [
        index
        for index, hit in enumerate(hits)
        if (hit.kind, hit.document_id, hit.question) == ("faq", pair.document_id, pair.question)
    ]
    quotes: list[Quote] = []
    before = ""
    for index in sorted(parts, key=lambda part: hits[part].chunk_id):
        text = hits[index].text
        repeated = next(
            (n for n in range(min(len(text), len(before)), 0, -1) if before.endswith(text[:n])), 0
        )
        start, end = text.find(text[repeated:].strip(), repeated), len(text.rstrip())
        if start < end:
            quotes.append(Quote(index, start, end, text[start:end], 1.0))
        before = text
    return quotes
