"""Where the terms of a question stand in several texts, for all of them at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vectorstore.chinese import is_han

WIDEST = 100
"""The widest window, in characters, that may be asked for, unless said otherwise."""

STEM = 3
"""Letters from which a word may go on, as in the plural."""
_FIRST_HAN, _LAST_HAN = 0x3400, 0x9FFF


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Every place of every term, by term and place; places count through all texts and their gaps."""

    starts: np.ndarray
    """Where each text begins, shape (texts,)."""
    length: int
    places: np.ndarray
    terms: np.ndarray
    """Number of the term at each place."""
    texts: np.ndarray
    """Number of the text at each place."""
    widest: int

    def present(self, terms: int) -> np.ndarray:
        """Which of so many terms each text holds, shape (texts, terms)."""
        found = np.zeros((len(self.starts), terms), dtype=bool)
        found[self.texts, self.terms] = True
        return found

    def best_window(self, weights: np.ndarray, width: int) -> np.ndarray:
        """The most that the terms beginning within `width` characters weigh, each once, shape (texts,).

        `weights` has shape (texts, terms). A place counts in the windows that end at it and up to
        `width` behind it, or until the term comes again.
        """
        if not len(self.starts):
            return np.zeros(0)
        ends = self.places + width + 1
        again = self.terms[1:] == self.terms[:-1]
        ends[:-1][again] = np.minimum(ends[:-1][again], self.places[1:][again])
        gains = weights[self.texts, self.terms]
        size = self.length + self.widest + 2
        steps = np.bincount(self.places, gains, size) - np.bincount(ends, gains, size)
        return np.asarray(np.maximum.reduceat(np.cumsum(steps), self.starts).clip(0.0))


def find(
    terms: Sequence[str], texts: Sequence[str], *, parted: bool = False, widest: int = WIDEST
) -> Occurrences:
    """Find all places of `terms`, Chinese characters, pairs of them and words, as `chinese.terms` gives.

    A word is not found inside a longer one or a number inside a longer one, but at the beginning of
    one that it may be a stem of. With `parted`, pairs are also found with one Chinese character
    between, as an abbreviation leaves it out (年假 in 年休假); their numbers are `len(terms)` higher.
    """
    gap = "\n" * (widest + 1)  # so that no window reaches from one text into the next
    joined = gap.join(texts)
    lengths = np.array([len(text) + len(gap) for text in texts], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    found = [*_chinese(terms, joined, parted), *_words(terms, joined)]
    places = np.concatenate([np.zeros(0, dtype=np.int64), *(place for place, _ in found)])
    numbers = np.concatenate([np.zeros(0, dtype=np.int64), *(number for _, number in found)])
    order = np.lexsort((places, numbers))
    places, numbers = places[order], numbers[order]
    owners = np.searchsorted(starts, places, side="right") - 1
    return Occurrences(starts, len(joined), places, numbers, owners, widest)


def _chinese(terms: Sequence[str], joined: str, parted: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places and numbers of the single characters and of the pairs, by tables of the characters."""
    chinese = {term: number for number, term in enumerate(terms) if is_han(term)}
    alphabet = sorted({character for term in chinese for character in term})
    if not alphabet:
        return
    codes = np.frombuffer(joined.encode("utf-32-le"), dtype=np.uint32)
    letter_of = np.zeros(max(map(ord, alphabet)) + 2, dtype=np.int16)
    letter_of[[ord(character) for character in alphabet]] = np.arange(1, len(alphabet) + 1)
    letters = letter_of[np.minimum(codes, len(letter_of) - 1)]
    letter = {character: number for number, character in enumerate(alphabet, start=1)}
    singles = np.full(len(alphabet) + 1, -1)
    pairs = np.full((len(alphabet) + 1, len(alphabet) + 1), -1)
    for term, number in chinese.items():
        if len(term) == 1:
            singles[letter[term]] = number
        else:
            pairs[letter[term[0]], letter[term[1]]] = number
    places = np.flatnonzero(letters)
    followers = np.minimum(places + 1, len(letters) - 1)
    after = np.where(followers > places, letters[followers], 0)
    for numbers in (singles[letters[places]], pairs[letters[places], after]):
        yield places[numbers >= 0], numbers[numbers >= 0]
    if parted:
        between = codes[followers]
        after = np.where(
            (between >= _FIRST_HAN) & (between <= _LAST_HAN),
            letters[np.minimum(places + 2, len(letters) - 1)],
            0,
        )
        numbers = pairs[letters[places], after]
        yield places[numbers >= 0], numbers[numbers >= 0] + len(terms)


def _words(terms: Sequence[str], joined: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for number, term in enumerate(terms):
        if is_han(term):
            continue
        places = [match.start() for match in word_pattern(term).finditer(joined)]
        yield np.array(places, dtype=np.int64), np.full(len(places), number)


@lru_cache(maxsize=1_024)
def word_pattern(word: str) -> re.Pattern[str]:
    """What finds a word: 5g in neither 15g nor 5ghz but in 4g/5g, and day in days."""
    kind = r"\d" if word[0].isdecimal() else "[a-z]"
    end = r"\d" if word[-1].isdecimal() else "[a-z]"
    after = "" if len(word) >= STEM and word.isalpha() else f"(?!{end})"
    # Looking back from the end lets the word itself be searched for, which is much faster.
    return re.compile(f"{re.escape(word)}(?<!{kind}{re.escape(word)}){after}")
