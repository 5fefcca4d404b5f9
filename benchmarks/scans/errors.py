"""Character error rate."""

from __future__ import annotations

import unicodedata

import numpy as np

# Signs that look alike, or are typed in more than one way, count as one.
_ALIKE = str.maketrans("“”„‘’`´—–―─•·・∶", "\"\"\"''''----···:")


def normalised(text: str) -> str:
    """Without white space and the bars between cells; full-width forms, quotes and dashes unified."""
    plain = unicodedata.normalize("NFKC", text).translate(_ALIKE)
    return "".join(character for character in plain if not character.isspace() and character != "|")


def edits(one: str, other: str) -> int:
    """The Levenshtein distance: the fewest insertions, deletions and replacements of characters."""
    codes = np.array([ord(character) for character in other], dtype=np.int32)
    places = np.arange(len(codes) + 1)
    row = places.copy()
    for number, character in enumerate(one, 1):
        step = np.minimum(row[:-1] + (codes != ord(character)), row[1:] + 1)
        # Insertions: the running minimum of what comes before, one more for each place passed.
        row = np.minimum.accumulate(np.concatenate(([number], step)) - places) + places
    return int(row[-1])
