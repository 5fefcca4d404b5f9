"""A tokenizer that asks SentencePiece itself, for vocabularies that no fast tokenizer reproduces.

Importing this module imports transformers; `models.checkpoints.registration` does that when a
model is loaded.
"""

from __future__ import annotations

import re
from typing import Any

from transformers.tokenization_utils_sentencepiece import SentencePieceBackend

_SPACES = re.compile(" {2,80}")
_BLANKS = re.compile(r"<\|blank_(\d+)\|>")


class SentencePieceTokenizer(SentencePieceBackend):
    """The pieces and ids of `tokenizer.model`, and special tokens beside them.

    With `whitespace_tokens`, line ends, tabs and runs of spaces become tokens of their own first,
    as in ChatGLM-6B. With `prefix_tokens` and `suffix_tokens`, those surround every text that is
    encoded with special tokens.
    """

    def __init__(
        self,
        *,
        whitespace_tokens: bool = False,
        prefix_tokens: list[str] | None = None,
        suffix_tokens: list[str] | None = None,
        **options: Any,
    ) -> None:
        self.whitespace_tokens = whitespace_tokens
        self.surroundings = (prefix_tokens or [], suffix_tokens or [])
        super().__init__(
            whitespace_tokens=whitespace_tokens,
            prefix_tokens=prefix_tokens,
            suffix_tokens=suffix_tokens,
            **options,
        )

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """The ids with the special tokens that surround a text."""
        before, after = (self.convert_tokens_to_ids(tokens) for tokens in self.surroundings)
        return [*before, *token_ids_0, *(token_ids_1 or []), *after]

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """The text of pieces, with bytes joined to characters."""
        text = str(self.sp_model.decode_pieces(tokens))
        if self.whitespace_tokens:
            text = text.replace("<n>", "\n").replace("<|tab|>", "\t")
            text = _BLANKS.sub(lambda blank: " " * int(blank[1]), text)
        return text

    def _convert_id_to_token(self, index: int) -> str:
        # A model has more embeddings than pieces; the others mean nothing.
        return str(self.sp_model.IdToPiece(index)) if 0 <= index < self.sp_model.GetPieceSize() else ""

    def _tokenize(self, text: str, **_: Any) -> list[str]:
        if self.whitespace_tokens:
            text = text.replace("\n", "<n>").replace("\t", "<|tab|>")
            text = _SPACES.sub(lambda run: f"<|blank_{len(run[0])}|>", text)
        pieces: list[str] = self.sp_model.encode(text, out_type=str)
        return pieces
