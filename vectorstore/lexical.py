"""How well the words of a text fit a question: parts whose scale no collection changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vectorstore import occurrences
from vectorstore.chinese import is_han, terms
from vectorstore.english import stem

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
LETTERS = 3
"""How many letters take the room of one Chinese character."""
FEWEST_WORDS = 3
"""Words that make a question; one or two Latin ones alone name something, such as UPS."""
UNIT = 50.0
"""Weight of a question of about eight words."""

FEW_PHRASES = 4
"""Below so many phrases, single characters are searched for too."""

_QUESTION_WORDS = re.compile(
    "请问|多少钱|能不能|可不可以|要不要|会不会|有没有|是不是|为什么|什么时候|什么|怎么样|怎么|怎样|如何|为何|多少|多久|多大|多长|多高|多远"
    "|哪一?[个些位年种类项座所家部]|哪[里儿]|哪一?|几[个种次年位天]?|何[时地处种人者]?|谁|是否|[吗呢吧啊]"
)
_FUNCTION_WORDS = re.compile(
    r"\b(?:how (?:long|many|much|often|far|big|large|quickly|soon)"
    r"|a|an|and|any|are|as|at|be|been|by|can|could|did|do|does|for|from|get|had|has|have|how|i|if|in|is|it|its|may"
    r"|me|must|my|need|of|on|or|our|shall|should|that|the|their|there|they|this|to|was|we|were|what|when|where"
    r"|which|who|whom|whose|why|will|with|would|you|your)\b",
    re.ASCII,
)


_GRAMMAR = frozenset(
    "的了是在和与及或有被把对从由到为以其之也都而于将并等这那个一不就又向让给所且则若因但该此它他她们我你您吗呢啊吧请"
    "能可要还没很再才只已每多"
)
"""Characters that hold a sentence together; a pair with one of them is rarely a word."""
LIGHT = 0.5
"""Weight of a single character beside that of a pair, where both count together."""
CONTEXT = 0.8
"""What a term counts that stands in a text's context alone, as the model's name in that of its manual."""
PARTED = 0.8
"""What a pair counts that stands in a text only with one character between."""


@dataclass(frozen=True, slots=True)
class Question:
    """The terms of a question with their weights, a term's inverse document frequency.

    `characters` are single Chinese characters, `phrases` pairs of them and words; words (Latin
    letters, digits) are named again in `words`, and the three heaviest phrases in `rarest`. `names`
    and `name_characters` are those without the characters of grammar, and `content` both together.

    A word of Latin letters among Chinese ones is a name or a code, which the answer has to hold. In a
    question of `FEWEST_WORDS` without any Chinese character (`latin`) only those with digits are; its words
    are found in their other forms too.
    """

    characters: dict[str, float]
    phrases: dict[str, float]
    words: tuple[str, ...]
    rarest: tuple[str, ...]
    names: dict[str, float]
    name_characters: dict[str, float]
    content: dict[str, float]
    latin: bool

    def sought(self, term: str) -> str:
        """What of a term is looked for in texts."""
        return stem(term) if self.latin else term

    @property
    def terms(self) -> list[str]:
        """All terms."""
        return [*self.phrases, *self.characters]

    @property
    def selective(self) -> list[str]:
        """The terms to search for: characters, which very many texts hold, only where few phrases are."""
        return list(self.phrases) if len(self.phrases) >= FEW_PHRASES else self.terms


class LexicalParts(NamedTuple):
    """Of several texts, shares of the question's weight, each in [0, 1]; or weights, in units of `UNIT`.

    Every field has shape (texts,). A term that stands in a text's context alone is covered by
    `CONTEXT`, in every window too; a pair that stands there only with one character between, by `PARTED`.
    """

    phrases: np.ndarray
    """Covered by the text, of the pairs and words."""
    characters: np.ndarray
    """Covered by the text, of the single characters."""
    window: np.ndarray
    """Covered by the best `WINDOW` characters of the text, of the pairs and words."""
    rarest: np.ndarray
    """Covered by the text, of the three rarest."""
    missing_words: np.ndarray
    """Of numbers and Latin words that the text lacks."""
    names: np.ndarray
    """Covered by the text, of the pairs and words without grammar."""
    name_characters: np.ndarray
    """The same of single characters."""
    clause: np.ndarray
    """Covered by the best `CLAUSE` characters, of pairs, words and characters without grammar."""
    sentences: np.ndarray
    """Covered by the best `SENTENCES` characters, of the same."""
    names_nearby: np.ndarray
    """Covered by the best `SENTENCES` characters, of the pairs and words without grammar."""
    missing_weight: np.ndarray
    """Weight of all that the text lacks of the pairs and words without grammar, in units."""
    missing_most: np.ndarray
    """Weight of the heaviest of them, in units."""
    latin: np.ndarray
    """1 for a `latin` question, whose parts lie lower, else 0."""


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
    said = terms(text)
    latin = len(said) >= FEWEST_WORDS and not any(is_han(term) for term in said)
    words = tuple(term for term in phrases if not is_han(term) and not (latin and term.isalpha()))
    rarest = tuple(sorted(phrases, key=lambda term: (-phrases[term], term))[:3])
    names = {t: w for t, w in phrases.items() if not is_han(t) or _GRAMMAR.isdisjoint(t)} or phrases
    name_characters = {t: w for t, w in characters.items() if t not in _GRAMMAR} or characters
    both = {**names, **{t: LIGHT * w for t, w in name_characters.items()}}
    return Question(characters, phrases, words, rarest, names, name_characters, both, latin)


def _heaviest(weights: dict[str, float]) -> dict[str, float]:
    if len(weights) <= MOST_TERMS:
        return weights
    kept = set(sorted(weights, key=lambda term: -weights[term])[:MOST_TERMS])
    return {term: weight for term, weight in weights.items() if term in kept}


def compare(asked: Question, texts: Sequence[str], contexts: Sequence[str] = ()) -> LexicalParts:
    """Compute the parts for folded texts; their folded `contexts` say what they are part of."""
    all_terms = asked.terms
    sought = [asked.sought(term) for term in all_terms]
    stretch = LETTERS if asked.latin else 1
    found = occurrences.find(sought, texts, parted=True, widest=stretch * SENTENCES)
    around = _around(sought, contexts or [""] * len(texts))
    present, parted = np.hsplit(found.present(2 * len(all_terms)), 2)
    elsewhere = np.maximum(CONTEXT * around, PARTED * parted)
    credit = np.where(present, 1.0, elsewhere)
    # What a place adds to what the context covers already: that of a pair, and that of a parted one.
    gains = np.hstack([1.0 - CONTEXT * around, np.where(present, 0.0, elsewhere - CONTEXT * around)])

    def column(weights: Mapping[str, float]) -> np.ndarray:
        return np.array([weights.get(term, 0.0) for term in all_terms])

    phrases, names, content = column(asked.phrases), column(asked.names), column(asked.content)
    missing = (1.0 - credit) * names

    def window(weights: np.ndarray, width: int) -> np.ndarray:
        best = found.best_window(np.tile(weights, 2) * gains, stretch * width)
        return _share(best + CONTEXT * (around @ weights), weights)

    return LexicalParts(
        phrases=_covered(credit, phrases),
        characters=_covered(credit, column(asked.characters)),
        window=window(phrases, WINDOW),
        rarest=_covered(credit, column({term: asked.phrases[term] for term in asked.rarest})),
        missing_words=_share(missing @ column(dict.fromkeys(asked.words, 1.0)), phrases),
        names=_covered(credit, names),
        name_characters=_covered(credit, column(asked.name_characters)),
        clause=window(content, CLAUSE),
        sentences=window(content, SENTENCES),
        names_nearby=window(names, SENTENCES),
        missing_weight=missing.sum(axis=1) / UNIT,
        missing_most=missing.max(axis=1, initial=0.0) / UNIT,
        latin=np.full(len(texts), float(asked.latin)),
    )


def _around(all_terms: Sequence[str], contexts: Sequence[str]) -> np.ndarray:
    """Which terms stand in each context, shape (contexts, terms); many texts share one."""
    different = sorted(set(contexts))
    rows = occurrences.find(all_terms, different).present(len(all_terms)).astype(float)
    place = {context: row for row, context in enumerate(different)}
    return np.asarray(rows[[place[context] for context in contexts]])


def _covered(credit: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return _share(credit @ weights, weights)


def _share(weight: np.ndarray, weights: np.ndarray) -> np.ndarray:
    total = weights.sum()
    return np.minimum(1.0, weight / total) if total else np.zeros_like(weight)
