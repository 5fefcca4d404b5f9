"""How well the words of a text fit a question: parts whose scale no collection changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vectorstore.chinese import is_han, terms

MOST_TERMS = 64
"""Terms of a question that are weighed; the rarest are kept."""
LONGEST_QUESTION = 4_000
"""Characters of a question that are looked at."""
WINDOW = 50
"""Characters within which terms count as standing together, about one Chinese sentence."""
OCCURRENCES = 8
"""Places looked at of one term in one text."""

FEW_PHRASES = 4
"""Below so many phrases, single characters are searched for too."""

_QUESTION_WORDS = re.compile(
    "请问|为什么|什么时候|什么|怎么样|怎么|怎样|如何|为何|多少|多久|多大|多长|多高|多远"
    "|哪一?[个些位年种类项座所家部]|哪[里儿]|哪一?|几[个种次年位天]?|何[时地处种人者]?|谁|是否|[吗呢吧啊]"
)
_FUNCTION_WORDS = re.compile(
    r"\b(?:a|an|and|are|at|be|been|by|can|did|do|does|for|from|had|has|have|how|i|in|is|it|its|me|my|of|on|or"
    r"|that|the|this|to|was|we|were|what|when|where|which|who|whom|whose|why|will|with|you|your)\b",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Question:
    """The terms of a question with their weights, a term's inverse document frequency.

    `characters` are single Chinese characters, `phrases` pairs of them and words; words (Latin
    letters, digits) are named again in `words`, and the three heaviest phrases in `rarest`.
    """

    characters: dict[str, float]
    phrases: dict[str, float]
    words: tuple[str, ...]
    rarest: tuple[str, ...]

    @property
    def terms(self) -> list[str]:
        """All terms."""
        return [*self.phrases, *self.characters]

    @property
    def selective(self) -> list[str]:
        """The terms to search for: characters, which very many texts hold, only where few phrases are."""
        return list(self.phrases) if len(self.phrases) >= FEW_PHRASES else self.terms


@dataclass(frozen=True, slots=True)
class LexicalParts:
    """Shares of the question's weight, each in [0, 1]."""

    phrases: float
    """Covered by the text, of the pairs and words."""
    characters: float
    """Covered by the text, of the single characters."""
    window: float
    """Covered by the best `WINDOW` characters of the text, of the pairs and words."""
    rarest: float
    """Covered by the text, of the three rarest."""
    missing_words: float
    """Of numbers and Latin words that the text lacks."""


def question(folded: str, idf: Callable[[str], float]) -> Question:
    """Weigh the terms of a folded question; words that only ask are left out.

    A question of nothing else keeps them.
    """
    text = folded[:LONGEST_QUESTION]
    content = _FUNCTION_WORDS.sub(" ", _QUESTION_WORDS.sub(" ", text))
    found = dict.fromkeys(terms(content)) or dict.fromkeys(terms(text))
    weights = {term: idf(term) for term in found}
    characters = _heaviest({t: w for t, w in weights.items() if len(t) == 1 and is_han(t)})
    phrases = _heaviest({t: w for t, w in weights.items() if not (len(t) == 1 and is_han(t))})
    words = tuple(term for term in phrases if not is_han(term[0]))
    rarest = tuple(sorted(phrases, key=lambda term: (-phrases[term], term))[:3])
    return Question(characters, phrases, words, rarest)


def _heaviest(weights: dict[str, float]) -> dict[str, float]:
    if len(weights) <= MOST_TERMS:
        return weights
    kept = set(sorted(weights, key=lambda term: -weights[term])[:MOST_TERMS])
    return {term: weight for term, weight in weights.items() if term in kept}


def compare(asked: Question, folded: str) -> LexicalParts:
    """Compute the parts for a folded text."""
    places: list[tuple[int, str]] = []
    covered: set[str] = set()
    for term in asked.phrases:
        place = folded.find(term)
        if place >= 0:
            covered.add(term)
        for _ in range(OCCURRENCES):
            if place < 0:
                break
            places.append((place, term))
            place = folded.find(term, place + 1)
    places.sort()
    phrases, characters = asked.phrases, asked.characters
    total = sum(phrases.values())
    return LexicalParts(
        phrases=_share(phrases, covered, total),
        characters=_share(characters, [t for t in characters if t in folded], sum(characters.values())),
        window=min(1.0, _best_window(places, phrases) / total) if total else 0.0,
        rarest=_share(phrases, covered.intersection(asked.rarest), sum(phrases[t] for t in asked.rarest)),
        missing_words=_share(phrases, [t for t in asked.words if t not in covered], total),
    )


def _share(weights: dict[str, float], part: Sequence[str] | set[str], total: float) -> float:
    return min(1.0, sum(weights[term] for term in part) / total) if total else 0.0


def _best_window(places: Sequence[tuple[int, str]], weights: dict[str, float]) -> float:
    """The largest weight of different terms that begin within `WINDOW` characters."""
    inside: dict[str, int] = {}
    best = weight = 0.0
    first = 0
    for place, term in places:
        if not inside.get(term):
            weight += weights[term]
        inside[term] = inside.get(term, 0) + 1
        while place - places[first][0] > WINDOW:
            left = places[first][1]
            inside[left] -= 1
            if not inside[left]:
                weight -= weights[left]
            first += 1
        best = max(best, weight)
    return best
