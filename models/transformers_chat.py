"""A local language model as a LangChain chat model: loaded when it is needed, stopped at any token.

Its prompt is made of ids, segment by segment, so that no text becomes a control token
(`models.prompt_families`). Several answers are written at once where the model allows it; further
requests wait in a queue and are told their position.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from models.batched_generation import BatchedGenerator
from models.causal_loader import LoadedModel, Quantisation, load_causal_model, load_tokenizer
from models.chat_spec import QUEUE_POSITION
from models.errors import ModelError, ModelTimeoutError, ModelUnavailableError
from models.generation import SingleGenerator, TokenGenerator, release_memory
from models.gguf_folder import folder_of, gguf_file
from models.prompt_families import encode_chat, stop_texts
from models.token_stream import TokenStream
from models.turns import Turn, Turns

_ROLES = {"human": "user", "ai": "assistant", "system": "system"}
_QUEUE_NEWS = 1.0
"""Seconds after which a waiting request tells its position again, so that its caller can leave."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a model is doing and what it takes."""

    loaded: bool
    device: str
    memory_bytes: int
    active: int
    waiting: int


@dataclass(frozen=True, slots=True)
class _Serving:
    loaded: LoadedModel
    generator: TokenGenerator


@dataclass(slots=True)
class _Counted:
    """Tokens of one request so far."""

    prompt: int = 0
    answer: int = 0

    def metadata(self) -> UsageMetadata:
        return UsageMetadata(
            input_tokens=self.prompt, output_tokens=self.answer, total_tokens=self.prompt + self.answer
        )


class TransformersChatModel(BaseChatModel):
    """Answers with the causal language model in `folder`, which is loaded at the first use.

    An answer ends when the caller closes the stream, when the `threading.Event` given as `cancel`
    is set (`model.stream(messages, cancel=event)`), after `max_tokens`, or when a stop text
    appears; after `answer_timeout` seconds it raises `ModelTimeoutError`. A request waits `timeout`
    seconds for its turn at most and raises `ModelUnavailableError` then. Until the first token, a
    stream gives empty chunks now and then, with the request's position in the queue.
    """

    folder: Path
    """A folder in the format of transformers, or a GGUF file or folder."""
    cache_dir: Path | None = None
    """Where the folder lies that a GGUF file becomes; such a file needs it."""
    device: str = "auto"
    quantisation: Quantisation = "none"
    adapter: Path | None = None
    family: str | None = None
    temperature: float = 0.0
    repetition_penalty: float | None = None
    """None: that of the folder's generation defaults. Another one takes an answer at a time."""
    max_tokens: int = 1024
    context_tokens: int = 4096
    timeout: float = 60.0
    answer_timeout: float = 600.0
    concurrency: int = 1
    """Answers written at once, where the model allows more than one."""

    _loading: threading.RLock = PrivateAttr(default_factory=threading.RLock)
    _encoding: threading.Lock = PrivateAttr(default_factory=threading.Lock)
    _native: Path | None = PrivateAttr(default=None)
    _tokenizer: Any = PrivateAttr(default=None)
    _serving: _Serving | None = PrivateAttr(default=None)
    _turns: Turns = PrivateAttr(default_factory=lambda: Turns(1))

    @property
    def _llm_type(self) -> str:
        return "transformers"

    def load(self) -> None:
        """Load the model now, so that the first answer does not wait for it."""
        self._serve()

    def unload(self) -> None:
        """End all answers and give the memory back; the next request loads the model again."""
        with self._loading:
            serving, self._serving, self._tokenizer = self._serving, None, None
        if serving is not None:
            device = serving.loaded.model.device.type
            serving.generator.close()
            del serving
            release_memory(device)

    def usage(self) -> Usage:
        """Whether it is loaded, where, with how much memory, and who uses it. Loads nothing."""
        serving = self._serving
        return Usage(
            loaded=serving is not None,
            device=serving.loaded.device if serving else "",
            memory_bytes=serving.loaded.memory_bytes if serving else 0,
            active=self._turns.active,
            waiting=self._turns.waiting,
        )

    def count_tokens(self, messages: Sequence[BaseMessage]) -> int:
        """The length of the prompt for these messages, exactly."""
        return len(self._encoded(messages))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        pieces = list(self._stream(messages, stop, run_manager, **kwargs))
        text = "".join(str(piece.message.content) for piece in pieces)
        counted = next(p.message.usage_metadata for p in pieces if p.message.usage_metadata)  # type: ignore[attr-defined]
        message = AIMessage(content=text, usage_metadata=counted)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        cancel: threading.Event | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        cancelled = cancel.is_set if cancel is not None else lambda: False
        serving = self._serve()
        generator, tokenizer = serving.generator, serving.loaded.tokenizer
        del serving  # which keeps the weights, also when they are unloaded meanwhile
        counted = _Counted()
        turn = self._turns.ask()
        try:
            for position in self._waited(turn, cancelled):
                yield _news(position)
            stops = [*(stop or ()), *stop_texts(tokenizer, self.family)]
            for text in _until(self._pieces(generator, messages, cancelled, kwargs, counted), stops):
                if not text:
                    yield _news(0)
                    continue
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=text))
                if run_manager is not None:
                    run_manager.on_llm_new_token(text, chunk=chunk)
                yield chunk
            # LangChain takes a stream without a single chunk for a failure.
            yield ChatGenerationChunk(
                message=AIMessageChunk(content="", chunk_position="last", usage_metadata=counted.metadata())
            )
        finally:
            turn.leave()

    def _waited(self, turn: Turn, cancelled: Any) -> Iterator[int]:
        """Yield the position while others come first. Raises `ModelUnavailableError` after `timeout`."""
        deadline = time.monotonic() + self.timeout
        patience = 0.0  # the first news comes at once
        while (position := turn.wait(patience)) and not cancelled():
            if time.monotonic() >= deadline:
                raise ModelUnavailableError(
                    f"The language model is busy, {position} requests come first; try again later.",
                    folder=str(self.folder),
                )
            yield position
            patience = min(_QUEUE_NEWS, self.timeout)

    def _pieces(
        self,
        generator: TokenGenerator,
        messages: list[BaseMessage],
        cancelled: Any,
        options: dict[str, Any],
        counted: _Counted,
    ) -> Iterator[str]:
        """Yield the text as it comes, and an empty one while there is none; keep `counted` up to date."""
        ids = self._encoded(messages)
        counted.prompt = len(ids)
        room = self.context_tokens - 1
        if len(ids) > room:
            raise ModelError(
                f"The prompt has {len(ids)} tokens, and the model takes {self.context_tokens}.",
                tokens=len(ids),
                limit=self.context_tokens,
            )
        decoded = TokenStream(self._tokenizer)
        deadline = time.monotonic() + self.answer_timeout
        tokens = generator.tokens(
            ids,
            max_tokens=min(int(options.get("max_tokens", self.max_tokens)), self.context_tokens - len(ids)),
            temperature=float(options.get("temperature", self.temperature)),
        )
        with contextlib.closing(tokens):  # type: ignore[type-var]
            for token in tokens:
                if cancelled():
                    return
                if time.monotonic() > deadline:
                    raise ModelTimeoutError(
                        f"The answer took more than {self.answer_timeout:g} seconds.",
                        seconds=self.answer_timeout,
                    )
                if token is None:
                    yield ""
                    continue
                counted.answer += 1
                if text := decoded.feed(token):
                    yield text
        if rest := decoded.finish():
            yield rest

    def _encoded(self, messages: Sequence[BaseMessage]) -> list[int]:
        turns = [{"role": _ROLES.get(m.type, "user"), "content": str(m.text)} for m in messages]
        # A tokenizer is told to split special tokens by a switch that all its users share.
        with self._encoding:
            if self._tokenizer is None:
                self._tokenizer = load_tokenizer(self._native_folder())
            return encode_chat(self._tokenizer, turns, family=self.family)

    def _serve(self) -> _Serving:
        with self._loading:
            if self._serving is None:
                loaded = load_causal_model(
                    self._native_folder(),
                    device=self.device,
                    quantisation=self.quantisation,
                    adapter=self.adapter,
                )
                self._tokenizer = loaded.tokenizer
                generator = self._generator(loaded)
                self._turns = Turns(generator.capacity)
                self._serving = _Serving(loaded, generator)
            return self._serving

    def _native_folder(self) -> Path:
        if self._native is None:
            file = gguf_file(self.folder)
            if file is not None and self.cache_dir is None:
                raise ModelError(f"{file} needs a folder to be unpacked in.", folder=str(file))
            self._native = (
                folder_of(file, cache_dir=self.cache_dir) if file and self.cache_dir else self.folder
            )
        return self._native

    def _generator(self, loaded: LoadedModel) -> TokenGenerator:
        if self.concurrency > 1 and self.repetition_penalty is None and BatchedGenerator.serves(loaded.model):
            return BatchedGenerator(
                loaded.model,
                loaded.tokenizer,
                capacity=self.concurrency,
                context_tokens=self.context_tokens,
                temperature=self.temperature,
            )
        return SingleGenerator(loaded.model, loaded.tokenizer, repetition_penalty=self.repetition_penalty)


def _news(position: int) -> ChatGenerationChunk:
    message = AIMessageChunk(content="", response_metadata={QUEUE_POSITION: position})
    return ChatGenerationChunk(message=message)


def _until(pieces: Iterator[str], stops: list[str]) -> Iterator[str]:
    """Pass pieces on up to the first stop text, holding back what may be the start of one."""
    held = ""
    longest = max(map(len, stops), default=0)
    with contextlib.closing(pieces):  # type: ignore[type-var]
        for piece in pieces:
            if not piece:
                yield ""
                continue
            held += piece
            ends = [at for at in (held.find(stop) for stop in stops) if at >= 0]
            if ends:
                if held[: min(ends)]:
                    yield held[: min(ends)]
                return
            safe = len(held) - max(longest - 1, 0)
            if safe > 0:
                yield held[:safe]
                held = held[safe:]
        if held:
            yield held
