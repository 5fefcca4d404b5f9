"""How far a sentence of an answer is borne out by the passages that it cites.

A mark behind a sentence says little: models cite the wrong passage and change numbers. So each
sentence is compared with its passages: the words it shares with them, weighed against the meaning
when an embedder is at hand; and what no paraphrase may change, its numbers, its names and codes in
Latin letters, and whether it denies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from app.answering.quantities import quantities, without_quantities
from loaders.sentences import split_sentences
from vectorstore.chinese import fold

Embed = Callable[[Sequence[str]], np.ndarray]
"""Texts to their unit vectors, one row each."""

SUPPORTED = 0.5
"""Support from which on a sentence counts as borne out."""
_CONFLICT = 0.3
"""What is left of the support of a sentence with a number or a denial that its passages lack."""
_COVERED = 0.85
"""Share of a claim's words in one place of a passage from which on the meaning need not be asked."""

_HAN_RUN = re.compile(r"[\u3400-\u9fff]+")
_LATIN = re.compile(r"[a-z][a-z0-9]*(?:[-_./][a-z0-9]+)*|[0-9]+[a-z][a-z0-9-]*")
_FUNCTION = re.compile(
    r"根据|按照|依据|资料|文档|文件|规定|显示|提到|指出|说明|因此|所以|此外|另外|同时|以及|并且|如果|可以|需要|应当|必须"
    r"|[的了是在和与及或也都就还又被把对从向于为以之其该此这那您你我们个]"
)
_STOP = frozenset(
    {
        *(
            "a",
            "an",
            "the",
            "of",
            "to",
            "in",
            "on",
            "at",
            "by",
            "for",
            "and",
            "or",
            "is",
            "are",
            "was",
            "were",
        ),
        *("be", "been", "it", "its", "this", "that", "these", "those", "with", "as", "from", "which", "who"),
        *("will", "can", "may", "must", "should", "has", "have", "had", "not", "no", "do", "does", "did"),
        *("according", "based"),
    }
)
_DENIES = re.compile(
    r"不(?!同|仅|但|过|断|久|管|论|少于|超过|低于|高于|得超过|得少于|得低于|满|足|含|限|止|可分|锈)|没有|无需|无须|毋须|未(?!来|必)|并非|没(?!有)|禁止|严禁|免(?=[费除])|"
    r"\b(?:not|no|never|none|neither|nor|without|cannot|prohibited|forbidden)\b|n't\b"
)
_SCOPE = re.compile(r"(?:[^\s，。,;；：:.!?！？a-z]{1,10}|\s*[a-z']+)+")
_BACKGROUND = (
    "今天天气晴朗，适合外出散步。",
    "这支球队在上半场打入两个进球。",
    "把鸡蛋打散，加入少许盐和葱花。",
    "The river flows through three countries before it reaches the sea.",
    "He bought two tickets for the evening concert.",
)
"""About nothing in particular: they show how near an embedder puts what does not belong together."""


def support(claim: str, passages: Sequence[str], *, embed: Embed | None = None) -> float | None:
    """Support of a sentence in [0, 1] by the best of its passages; None when it claims nothing.

    From `SUPPORTED` on, the sentence may be taken as borne out.
    """
    folded = fold(claim)
    words = _words(folded)
    if not words and not quantities(folded):
        return None
    sources = [fold(passage) for passage in passages]
    if not sources:
        return 0.0
    amounts = quantities(folded, strict=True)

    def likeness(text: str) -> float:
        return _share(words, text) + 0.3 * len(amounts & quantities(text))

    best = max(_windows(sources, (1, 2, 3)), key=likeness, default="")
    closest = max(_windows([best], (1,)), key=likeness, default="")
    value = _share(words, best)
    if embed is not None and _foreign(folded, best):
        value = _nearness(folded, best, embed)
    elif embed is not None and value < _COVERED:
        value = 0.6 * value + 0.4 * _nearness(folded, best, embed)
    together = " ".join(sources)
    if _lacking(folded, together) or _contradict(folded, closest):
        value = min(value, 1.0) * _CONFLICT
    return round(min(max(value, 0.0), 1.0), 3)


def _contradict(claim: str, source: str) -> bool:
    """Whether one denies what the other states, as far as words that both have show it."""
    denied_by_claim = _denied(claim) & _words(source)
    denied_by_source = _denied(source) & _words(claim)
    return bool(denied_by_claim) != bool(denied_by_source)


def _denied(folded: str) -> set[str]:
    """The words behind each denial, up to the end of its clause."""
    scopes = (_SCOPE.match(folded, match.end()) for match in _DENIES.finditer(folded))
    return {word for scope in scopes if scope for word in _words(scope[0])}


def _foreign(claim: str, text: str) -> bool:
    """Whether one is Chinese and the other is not, so that they can share no words."""
    return bool(_HAN_RUN.search(claim)) != bool(_HAN_RUN.search(text))


def _words(folded: str) -> set[str]:
    """Pairs of neighbouring Chinese characters, and Latin words; function words left out."""
    found = {
        run[i : i + 2]
        for part in _FUNCTION.split(without_quantities(folded))
        for run in _HAN_RUN.findall(part)
        for i in range(max(len(run) - 1, 1))
    }
    return found | {word for word in _LATIN.findall(folded) if word not in _STOP}


def _share(words: set[str], text: str) -> float:
    if not words:
        return 1.0
    return sum(word in text for word in words) / len(words)


def _windows(sources: Sequence[str], sizes: Sequence[int]) -> list[str]:
    """Every so many neighbouring sentences of the passages."""
    found = []
    for source in sources:
        spans = split_sentences(source)
        for size in sizes:
            found += [
                source[spans[i][0] : spans[i + size - 1][1]] for i in range(max(len(spans) - size + 1, 0))
            ]
    return found


def _lacking(claim: str, source: str) -> bool:
    """Whether the claim has a quantity or a code that the source has not."""
    if quantities(claim, strict=True) - quantities(source):
        return True
    codes = {word for word in _LATIN.findall(claim) if any(c.isdigit() for c in word)}
    return any(code not in source for code in codes)


def _nearness(claim: str, text: str, embed: Embed) -> float:
    """Cosine of both, on a scale where what does not belong together is 0 and the same is 1."""
    vectors = embed([claim, text])
    far = float(np.mean(_background(embed) @ vectors[0]))
    near = float(vectors[0] @ vectors[1])
    return max(0.0, (near - far) / max(1.0 - far, 1e-6))


@cache
def _background(embed: Embed) -> np.ndarray:
    return embed(_BACKGROUND)
