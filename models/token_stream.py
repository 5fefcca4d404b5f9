"""Token ids to text as they come, never half a character."""

from __future__ import annotations

from typing import Any

_HALF = "\ufffd"
_LONGEST_CHARACTER = 8
"""Tokens after which an unreadable character is taken as one."""


class TokenStream:
    """Decodes the tokens of one answer piece by piece; the pieces together are the text of all of them.

    A few tokens before the new ones are decoded with them, because a tokenizer writes the first
    token of a text otherwise than one in the middle; what they give alone is cut off again.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._shown = 0
        self._context = 0

    def feed(self, token: int) -> str:
        """The text that this token completes; empty while a character is incomplete."""
        self._ids.append(token)
        text = self._pending()
        if text.endswith(_HALF) and len(self._ids) - self._shown < _LONGEST_CHARACTER:
            return ""
        return self._show(text)

    def finish(self) -> str:
        """What was held back."""
        return self._show(self._pending())

    def _pending(self) -> str:
        before = self._decode(self._ids[self._context : self._shown])
        return self._decode(self._ids[self._context :])[len(before) :]

    def _show(self, text: str) -> str:
        if text:
            self._context, self._shown = self._shown, len(self._ids)
        return text

    def _decode(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text
