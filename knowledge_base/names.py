"""Which names are taken. A name is data: it is never part of a path on the disk."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable

from knowledge_base.errors import InvalidNameError

KNOWLEDGE_BASE_NAME_LENGTH = 200
DOCUMENT_NAME_LENGTH = 400

# Surrogates cannot be stored; controls, line separators and what nobody sees (direction marks, zero-width
# characters, byte order marks) make two names look alike.
_UNUSABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
_JOINER = "\u200d"
# What an emoji of several parts is made of, besides the joiners between them.
_PICTURES = {"So", "Sk", "Mn", "Me"}


def normalised(name: str) -> str:
    """The one spelling under which a name is stored: NFC, trimmed."""
    return unicodedata.normalize("NFC", name).strip()


def sought(name: str) -> str:
    """The spelling under which a name is looked up, whatever characters it holds.

    What cannot be encoded becomes something with a backslash, which no stored name holds.
    """
    return normalised(name).encode("utf-8", "backslashreplace").decode()


def repeated(names: Iterable[str]) -> list[str]:
    """The names, normalised, that come more than once."""
    counts = Counter(map(normalised, names))
    return [name for name, count in counts.items() if count > 1]


def knowledge_base_name(name: str) -> str:
    """Return `name` normalised (NFC, trimmed), or raise `InvalidNameError` saying what is wrong."""
    cleaned = _checked(name, KNOWLEDGE_BASE_NAME_LENGTH)
    if "/" in cleaned or "\\" in cleaned or cleaned in {".", ".."}:
        # It stands as one segment in the addresses of the HTTP interface.
        raise InvalidNameError(f"the name {name!r} holds a slash or is only dots", name=name, reason="slash")
    return cleaned


def document_name(name: str) -> str:
    """Like `knowledge_base_name`, but "/" may separate the folders that a file was found in."""
    cleaned = _checked(name, DOCUMENT_NAME_LENGTH)
    if "\\" in cleaned or any(part in {"", ".", ".."} for part in cleaned.split("/")):
        raise InvalidNameError(f"the name {name!r} looks like a path", name=name, reason="path")
    return cleaned


def _checked(name: str, length: int) -> str:
    cleaned = normalised(name)
    if not cleaned:
        raise InvalidNameError("the name is empty", name=name, reason="empty")
    if len(cleaned) > length:
        raise InvalidNameError(f"the name is longer than {length} characters", name=name, reason="length")
    for position, character in enumerate(cleaned):
        if character == _JOINER and _joins_pictures(cleaned, position):
            continue
        if unicodedata.category(character) in _UNUSABLE or character in _FILLERS:
            raise InvalidNameError(
                f"the name holds the control or invisible character U+{ord(character):04X}",
                name=name,
                reason="control",
            )
    return cleaned


def _joins_pictures(name: str, position: int) -> bool:
    around = (name[position - 1 : position], name[position + 1 : position + 2])
    return all(character and unicodedata.category(character) in _PICTURES for character in around)
