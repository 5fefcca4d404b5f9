"""The words that mean the same: those that are shipped, and the user's own."""

from __future__ import annotations

from pathlib import Path

from app.errors import SettingsError
from loaders.encodings import decode
from loaders.errors import UnsupportedFormatError
from vectorstore.synonyms import Synonyms, shipped


def read_synonyms(file: Path | None) -> Synonyms:
    """What is shipped, with the groups in `file`, a group a line, in any usual encoding.

    Raises `SettingsError` when it cannot be read.
    """
    if file is None:
        return Synonyms.default()
    try:
        own = decode(file.expanduser().read_bytes()).text
    except (OSError, UnsupportedFormatError) as error:
        reason = f"{file}: {getattr(error, 'strerror', error)}"
        key = "retrieval.synonyms"
        raise SettingsError(f"setting {key}: {reason}", key=key, reason=reason) from error
    return Synonyms.of(shipped(), own)
