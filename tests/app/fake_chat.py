"""Chat models that say what they are told to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from pydantic import Field


class RecordingModel(FakeListChatModel):
    """Streams its responses a character at a time and keeps what it was asked."""

    responses: list[str] = Field(default_factory=lambda: ["出处在第一份资料[1]。"])
    asked: list[list[BaseMessage]] = Field(default_factory=list)

    def _stream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        self.asked.append(messages)
        return super()._stream(messages, *args, **kwargs)

    def _call(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> str:
        self.asked.append(messages)
        return super()._call(messages, *args, **kwargs)


class BreakingModel(FakeListChatModel):
    """Says a word and breaks."""

    responses: list[str] = Field(default_factory=lambda: [""])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        yield ChatGenerationChunk(message=AIMessageChunk(content="年假"))
        raise ConnectionError("refused by 10.0.0.1:8000 at /srv/model")
