"""How many tokens a prompt has for a chat model, told by the model's own tokenizer where there is one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.chat_spec import ChatModelSpec
from models.errors import ModelNotFoundError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

_PER_MESSAGE = 8
"""Tokens that the markers of a message take at most, by the families' templates."""


def token_counter(model: BaseChatModel, spec: ChatModelSpec) -> Callable[[Sequence[BaseMessage]], int]:
    """A function that counts the tokens of messages for `model`.

    A model of ours counts exactly. For a server's, the tokenizer of the settings counts the texts;
    without one, every character counts as a token, which is at least what its tokenizer makes of
    Chinese and about four times what it makes of English.
    """
    own = getattr(model, "count_tokens", None)
    if callable(own):
        return own  # type: ignore[no-any-return]
    if spec.tokenizer is None:
        return lambda messages: sum(len(m.text) + _PER_MESSAGE for m in messages)
    tokenizer = _tokenizer(spec.tokenizer.expanduser())

    @lru_cache(maxsize=256)
    def length(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    return lambda messages: sum(length(m.text) + _PER_MESSAGE for m in messages)


def _tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    file = path / "tokenizer.json" if path.is_dir() else path
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare exceptions
        raise ModelNotFoundError(f"{file} is no tokenizer: {error}", name=str(file)) from error
