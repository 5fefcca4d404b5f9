"""A language model speaks: pieces of its text, how long it lets us wait, what it counted."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.answering.prompt import Budget
from app.answering.types import TokenUsage, Waiting
from app.errors import ApplicationError
from models.chat_spec import QUEUE_POSITION
from models.errors import ModelError, ModelUnavailableError

if TYPE_CHECKING:
    # Importing these takes most of a second, which only a language model is worth.
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

logger = logging.getLogger(__name__)

NEWS_SECONDS = 1.0
"""From one `Waiting` to the next while a model works at what is not shown."""
_THOUGHT, _THOUGHT_ENDS = "<think>", "</think>"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatModel:
    """A language model by its name in the settings, and the room that a prompt of it has."""

    name: str
    model: BaseChatModel
    budget: Budget


class Thoughts:
    """Takes away the thoughts, `<think>…</think>`, that a model may put before what it says."""

    def __init__(self) -> None:
        self._held = ""
        self._over = False

    def feed(self, piece: str) -> str:
        """Take in the next piece; give out what belongs to no thought, as soon as that is certain."""
        if self._over:
            return piece
        self._held += piece
        begun = self._held.lstrip()
        if _THOUGHT.startswith(begun[: len(_THOUGHT)]):
            _, ends, said = begun.partition(_THOUGHT_ENDS)
            self._over = bool(ends)
            return said.lstrip()
        self._over = True
        return self._held

    def finish(self) -> str:
        """Give out what looked like the start of a thought and was none."""
        return "" if self._over or _THOUGHT in self._held else self._held


def spoken(
    chat: ChatModel, messages: Sequence[BaseMessage]
) -> Generator[str | Waiting | TokenUsage, None, None]:
    """The pieces of what the model says, how long it lets us wait for the first, and what it counted."""
    from langchain_core.messages import AIMessageChunk

    thoughts = Thoughts()
    last = time.monotonic()
    with _answering(chat):
        for chunk in chat.model.stream(list(messages)):
            if isinstance(chunk, AIMessageChunk) and (counted := chunk.usage_metadata):
                yield TokenUsage(counted["input_tokens"], counted["output_tokens"])
            if piece := thoughts.feed(chunk.text):
                yield piece
            elif (position := chunk.response_metadata.get(QUEUE_POSITION)) is not None:
                yield Waiting(position)
            elif chunk.text and time.monotonic() - last >= NEWS_SECONDS:
                last = time.monotonic()
                yield Waiting(0)
        if rest := thoughts.finish():
            yield rest


@contextmanager
def _answering(chat: ChatModel) -> Iterator[None]:
    """Turn whatever a model raises, its server's errors too, into `ModelUnavailableError`."""
    try:
        yield
    except (ModelError, ApplicationError):
        raise
    except Exception as error:
        logger.warning("chat model %s failed", chat.name, exc_info=error)
        raise ModelUnavailableError(f"the chat model {chat.name} failed", name=chat.name) from error
