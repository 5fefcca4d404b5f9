"""Words that mean the same: a question in one of them is answered by a text in another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from vectorstore.chinese import fold

_FILE = Path(__file__).with_name("synonyms.txt")
Reading = Callable[[str], str]
"""Gives a folded text as one who asks would put it."""


class Synonyms:
    """Groups of words of the same meaning. Of a word in several groups, the last counts.

    What a text says depends on the question: where that asks for 午饭, 午餐 in a text is read as
    午饭. Nothing is stored of this, so that a change of the words needs no new index.
    """

    def __init__(self, groups: Iterable[Sequence[str]]) -> None:
        self._group: dict[str, tuple[str, ...]] = {}
        for group in groups:
            words = tuple(dict.fromkeys(word for word in (fold(word).strip() for word in group) if word))
            self._group.update((word, words) for word in words)
        self._word = _any_of(self._group)

    @classmethod
    def of(cls, *texts: str) -> Synonyms:
        """From texts of a group a line, its words between spaces; what follows a # is passed over."""
        lines = (line for text in texts for line in text.splitlines())
        return cls(line.partition("#")[0].split() for line in lines)

    @classmethod
    @lru_cache(maxsize=1)
    def default(cls) -> Synonyms:
        """The words that are shipped."""
        return cls.of(shipped())

    def reading(self, folded_question: str) -> Reading:
        """How texts are read for a question: other words of a group as the one that it uses."""
        known = self._known(folded_question)
        if not known:
            return lambda folded: folded
        # The question's own words too, so that none is found inside of them.
        pattern = _any_of([*known, *known.values()])
        return lambda folded: pattern.sub(lambda found: known.get(found[0], found[0]), folded)

    def others(self, folded_question: str) -> list[str]:
        """The words that a text may use where the question uses another of their group."""
        return list(self._known(folded_question))

    def _known(self, folded_question: str) -> dict[str, str]:
        asked = dict.fromkeys(found[0] for found in self._word.finditer(folded_question))
        return {other: word for word in asked for other in self._group[word] if other not in asked}


def shipped() -> str:
    """The text of the words that are shipped."""
    return _FILE.read_text(encoding="utf-8")


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    """What finds the longest of the words; Latin ones not within others."""
    longest_first = sorted(set(words), key=lambda word: (-len(word), word))
    alternatives = (
        f"{'(?<![a-z0-9])' if word[0].isascii() else ''}{re.escape(word)}"
        f"{'(?![a-z0-9])' if word[-1].isascii() else ''}"
        for word in longest_first
    )
    return re.compile("|".join(alternatives) or "(?!)")
