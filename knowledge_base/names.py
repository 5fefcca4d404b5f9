"""Which names are taken. A name is data: it is never part of a path on the disk."""

from __future__ import annotations

import unicodedata

from knowledge_base.errors import InvalidNameError

KNOWLEDGE_BASE_NAME_LENGTH = 200
DOCUMENT_NAME_LENGTH = 400

# Surrogates cannot be stored; controls, line separators and direction marks make two names look alike.
_UNUSABLE = {"Cc", "Cs", "Zl", "Zp"}
_DIRECTION_MARKS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def normalised(name: str) -> str:
    """The one spelling under which a name is stored: NFC, trimmed."""
    return unicodedata.normalize("NFC", name).strip()


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
    if any(unicodedata.category(c) in _UNUSABLE or c in _DIRECTION_MARKS for c in cleaned):
        raise InvalidNameError("the name holds control characters", name=name, reason="control")
    return cleaned
