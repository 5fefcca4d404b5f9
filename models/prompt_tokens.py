"""Text that came from outside as token ids, none of which steers the model.

Special tokens have a spelling, such as `<|user|>`, and a tokenizer turns that spelling into the
token wherever it stands, also in a document. What people and documents say is therefore encoded
with special tokens switched off, and what a tokenizer matches all the same is cut in two.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

_LOOKS_LIKE_CONTROL = re.compile(r"<.+>|\[.+\]|\|.+\|", re.DOTALL)


def control_ids(tokenizer: Any) -> frozenset[int]:
    """Ids that text must never become: special tokens, and added ones spelled like those.

    The token for what is unknown is text, as are added words and runs of spaces.
    """
    named = set(tokenizer.all_special_ids)
    for index, token in tokenizer.added_tokens_decoder.items():
        if token.special or _LOOKS_LIKE_CONTROL.fullmatch(token.content.strip()):
            named.add(index)
    return frozenset(named - {tokenizer.unk_token_id})


def encode_text(tokenizer: Any, text: str, *, forbidden: Collection[int] | None = None) -> list[int]:
    """Token ids of `text` without special tokens around it, and none of `forbidden` in it.

    `forbidden` is `control_ids(tokenizer)` unless given.
    """
    if forbidden is None:
        forbidden = control_ids(tokenizer)
    ids = _plain(tokenizer, text)
    found = {index for index in ids if index in forbidden}
    if not found:
        return ids
    spellings = {tokenizer.convert_ids_to_tokens(index).strip("▁ ") for index in found}
    cuts = "|".join(re.escape(spelling) for spelling in sorted(spellings, key=len, reverse=True) if spelling)
    pieces, start = [], 0
    for match in re.finditer(cuts, text) if cuts else ():
        pieces.append(text[start : match.start() + 1])
        start = match.start() + 1
    pieces.append(text[start:])
    # A spelling that only normalisation brings about cannot be cut, so what is left of it goes.
    return [index for piece in pieces for index in _plain(tokenizer, piece) if index not in forbidden]


def _plain(tokenizer: Any, text: str) -> list[int]:
    if not text:
        return []
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=True)
    return list(encoded["input_ids"])
