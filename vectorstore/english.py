"""What English words have in common with their other forms."""

from __future__ import annotations

from functools import lru_cache
from itertools import takewhile
from typing import Any

SHORTEST = 3
"""Letters of the shortest beginning that tells something; shorter words stay whole."""


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    import tantivy

    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.raw())
    return builder.filter(tantivy.Filter.stemmer("english")).build()


def stem(word: str) -> str:
    """The beginning that a word shares with its other forms: "compan" of company and companies.

    M. Porter, "Snowball: A language for stemming algorithms" (2001). What is no English word stays whole.
    """
    if not (word.isascii() and word.isalpha()):
        return word
    return _english_stem(word)


@lru_cache(maxsize=4_096)
def _english_stem(word: str) -> str:
    (stemmed,) = _stemmer().analyze(word)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(word, stemmed, strict=False)))
    if same > SHORTEST and word[same - 1] == "i" and same < len(word):
        same -= 1  # companies and company are both "compani" to the stemmer
    return word[:same] if same >= SHORTEST else word
