"""The `[n]` in an answer: reading them, checking them, and finding the sentence that supports each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from knowledge_base.types import Hit
from loaders.sentences import split_sentences

# Half and full width brackets, one number or several: [1], 【2】, ［3］, [1, 2], [1，2、3]
_MARK = re.compile(r"[\[【［]\s*(\d{1,3}(?:\s*[,，、;；]\s*\d{1,3})*)\s*[\]】］]")
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[a-z0-9]+|[\u3400-\u9fff]")


def cited_numbers(answer: str, passages: int) -> list[int]:
    """Numbers of the passages cited, in order of first mention, without those that do not exist."""
    found = (int(n) for mark in _MARK.finditer(answer) for n in _NUMBER.findall(mark[1]))
    return list(dict.fromkeys(n for n in found if 1 <= n <= passages))


def claim_of(answer: str, number: int) -> str:
    """The sentences of the answer that cite passage `number`, without their marks."""
    sentences = (answer[start:end] for start, end in split_sentences(answer))
    claims = [s for s in sentences if number in cited_numbers(s, number)]
    return _MARK.sub("", " ".join(claims or [answer])).strip()


def supporting_span(claim: str, hit: Hit) -> tuple[int, int]:
    """The sentence of the passage that shares most with the claim, as a span of `hit.text`."""
    wanted = _bigrams(claim)
    spans: Sequence[tuple[int, int]] = split_sentences(hit.text) or [(0, len(hit.text))]
    return max(spans, key=lambda span: len(wanted & _bigrams(hit.text[slice(*span)])))


def _bigrams(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return {(word,) for word in words if len(word) > 1} | set(pairwise(words))
