"""How well the words of a text fit a question: parts whose scale no collection changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from vectorstore.chinese import is_han, terms

MOST_TERMS = 64
"""Terms of a question that are weighed; the rarest are kept."""
LONGEST_QUESTION = 4_000
"""Characters of a question that are looked at."""
WINDOW = 50
"""Characters within which terms count as standing together, about one Chinese sentence."""
CLAUSE = 25
"""The same of a clause."""
SENTENCES = 100
"""The same of two or three sentences."""
UNIT = 50.0
"""Weight of a question of about eight words."""
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


_GRAMMAR = frozenset(
    "的了是在和与及或有被把对从由到为以其之也都而于将并等这那个一不就又向让给所且则若因但该此它他她们我你您吗呢啊吧请"
)
"""Characters that hold a sentence together; a pair with one of them is rarely a word."""
LIGHT = 0.5
"""Weight of a single character beside that of a pair, where both count together."""


@dataclass(frozen=True, slots=True)
class Question:
    """The terms of a question with their weights, a term's inverse document frequency.

    `characters` are single Chinese characters, `phrases` pairs of them and words; words (Latin
    letters, digits) are named again in `words`, and the three heaviest phrases in `rarest`. `names`
    and `name_characters` are those without the characters of grammar, and `content` both together.
    """

    characters: dict[str, float]
    phrases: dict[str, float]
    words: tuple[str, ...]
    rarest: tuple[str, ...]
    names: dict[str, float]
    name_characters: dict[str, float]
    content: dict[str, float]

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
    """Shares of the question's weight, each in [0, 1]; weights in units of `UNIT` where it says so."""

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
    names: float
    """Covered by the text, of the pairs and words without grammar."""
    name_characters: float
    """The same of single characters."""
    clause: float
    """Covered by the best `CLAUSE` characters, of pairs, words and characters without grammar."""
    sentences: float
    """Covered by the best `SENTENCES` characters, of the same."""
    names_nearby: float
    """Covered by the best `SENTENCES` characters, of the pairs and words without grammar."""
    missing_weight: float
    """Weight of all that the text lacks of the pairs and words without grammar, in units."""
    missing_most: float
    """Weight of the heaviest of them, in units."""


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
    names = {t: w for t, w in phrases.items() if not is_han(t) or _GRAMMAR.isdisjoint(t)} or phrases
    name_characters = {t: w for t, w in characters.items() if t not in _GRAMMAR} or characters
    both = {**names, **{t: LIGHT * w for t, w in name_characters.items()}}
    return Question(characters, phrases, words, rarest, names, name_characters, both)


def _heaviest(weights: dict[str, float]) -> dict[str, float]:
    if len(weights) <= MOST_TERMS:
        return weights
    kept = set(sorted(weights, key=lambda term: -weights[term])[:MOST_TERMS])
    return {term: weight for term, weight in weights.items() if term in kept}


def compare(asked: Question, folded: str) -> LexicalParts:
    """Compute the parts for a folded text."""
    covered: set[str] = {term for term in asked.terms if term in folded}
    phrases, names = asked.phrases, asked.names
    places = _places(covered & (phrases.keys() | asked.content.keys()), folded)
    missing = [weight for term, weight in names.items() if term not in covered]
    return LexicalParts(
        phrases=_share(phrases, covered),
        characters=_share(asked.characters, covered),
        window=_best_window(places, phrases, WINDOW),
        rarest=_share({term: phrases[term] for term in asked.rarest}, covered),
        missing_words=_missing_words(asked, covered),
        names=_share(names, covered),
        name_characters=_share(asked.name_characters, covered),
        clause=_best_window(places, asked.content, CLAUSE),
        sentences=_best_window(places, asked.content, SENTENCES),
        names_nearby=_best_window(places, names, SENTENCES),
        missing_weight=sum(missing) / UNIT,
        missing_most=max(missing, default=0.0) / UNIT,
    )


def _places(terms_there: Collection[str], folded: str) -> list[tuple[int, str]]:
    """Where the terms stand, in order; no more than `OCCURRENCES` of each."""
    places: list[tuple[int, str]] = []
    for term in terms_there:
        place = folded.find(term)
        for _ in range(OCCURRENCES):
            if place < 0:
                break
            places.append((place, term))
            place = folded.find(term, place + 1)
    places.sort()
    return places


def _share(weights: Mapping[str, float], covered: Collection[str]) -> float:
    total = sum(weights.values())
    return min(1.0, sum(w for term, w in weights.items() if term in covered) / total) if total else 0.0


def _missing_words(asked: Question, covered: Collection[str]) -> float:
    total = sum(asked.phrases.values())
    missing = sum(asked.phrases[term] for term in asked.words if term not in covered)
    return min(1.0, missing / total) if total else 0.0


def _best_window(places: Sequence[tuple[int, str]], weights: Mapping[str, float], width: int) -> float:
    """The largest share of the weights whose terms begin within `width` characters."""
    inside: dict[str, int] = {}
    best = weight = 0.0
    first = 0
    relevant = [(place, term) for place, term in places if term in weights]
    for place, term in relevant:
        if not inside.get(term):
            weight += weights[term]
        inside[term] = inside.get(term, 0) + 1
        while place - relevant[first][0] > width:
            left = relevant[first][1]
            inside[left] -= 1
            if not inside[left]:
                weight -= weights[left]
            first += 1
        best = max(best, weight)
    total = sum(weights.values())
    return min(1.0, best / total) if total else 0.0
