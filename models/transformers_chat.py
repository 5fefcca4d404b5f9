"""A local language model in a transformers folder as a LangChain chat model.

The folder's own chat template makes the prompt. Weights are read from safetensors only and no code
of the folder is run. One answer is made at a time; further requests wait for their turn.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from models.errors import ModelError, ModelNotFoundError, ModelUnavailableError

_ROLES = {"human": "user", "ai": "assistant", "system": "system"}


class TransformersChatModel(BaseChatModel):
    """Answers with the causal language model in `folder`, which is loaded at the first use.

    The model stops when the caller closes the stream, when the `threading.Event` given as
    `cancel` is set (`model.stream(messages, cancel=event)`), after `max_tokens`, or when a stop
    text appears. A request waits `timeout` seconds for its turn at most and raises
    `ModelUnavailableError` then.
    """

    folder: Path
    device: str = "auto"
    temperature: float = 0.0
    max_tokens: int = 1024
    context_tokens: int = 4096
    timeout: float = 60.0

    _turn: threading.Lock = PrivateAttr(default_factory=threading.Lock)
    _loading: threading.Lock = PrivateAttr(default_factory=threading.Lock)
    _loaded: Any = PrivateAttr(default=None)

    @property
    def _llm_type(self) -> str:
        return "transformers"

    def load(self) -> None:
        """Load the model now, so that the first answer does not wait for it."""
        self._model_and_tokenizer()

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        pieces = self._stream(messages, stop, run_manager, **kwargs)
        text = "".join(str(piece.message.content) for piece in pieces)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=text))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        cancel: threading.Event | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        if not self._turn.acquire(timeout=self.timeout):
            raise ModelUnavailableError("The language model is busy; try again later.", name=self.folder.name)
        try:
            for text in _until(self._pieces(messages, cancel or threading.Event(), kwargs), stop or []):
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=text))
                if run_manager is not None:
                    run_manager.on_llm_new_token(text, chunk=chunk)
                yield chunk
            # LangChain takes a stream without a single chunk for a failure.
            yield ChatGenerationChunk(message=AIMessageChunk(content="", chunk_position="last"))
        finally:
            self._turn.release()

    def _pieces(
        self, messages: list[BaseMessage], cancel: threading.Event, options: dict[str, Any]
    ) -> Iterator[str]:
        """Run the model in a thread of its own and yield its text as it comes."""
        from transformers import StoppingCriteriaList, TextIteratorStreamer

        model, tokenizer = self._model_and_tokenizer()
        ids = self._prompt(tokenizer, messages).to(model.device)
        streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
        closed = threading.Event()
        failures: list[Exception] = []
        temperature = float(options.get("temperature", self.temperature))
        settings: dict[str, Any] = {"do_sample": False}
        if temperature > 0:
            settings = {"do_sample": True, "temperature": temperature}

        def stopped(_ids: Any, _scores: Any, **_: Any) -> bool:
            return closed.is_set() or cancel.is_set()

        def run() -> None:
            try:
                model.generate(
                    input_ids=ids,
                    attention_mask=ids.new_ones(ids.shape),
                    streamer=streamer,
                    max_new_tokens=int(options.get("max_tokens", self.max_tokens)),
                    stopping_criteria=StoppingCriteriaList([stopped]),
                    pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
                    **settings,
                )
            except Exception as error:  # handed to the thread that reads the stream
                failures.append(error)
                streamer.end()

        thread = threading.Thread(target=run, name="generate", daemon=True)
        thread.start()
        try:
            yield from (text for text in streamer if text)
        finally:
            closed.set()
            thread.join()
        if failures:
            raise ModelError(
                f"The language model failed: {failures[0]}", name=self.folder.name
            ) from failures[0]

    def _prompt(self, tokenizer: Any, messages: list[BaseMessage]) -> Any:
        import torch

        if not tokenizer.chat_template:
            raise ModelError(
                f"The model in {self.folder} has no chat template, so it cannot be talked to; choose a chat "
                "model.",
                name=self.folder.name,
            )
        turns = [{"role": _ROLES.get(m.type, "user"), "content": str(m.text)} for m in messages]
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        room = self.context_tokens - 1
        if len(ids) > room:
            raise ModelError(
                f"The prompt has {len(ids)} tokens, and the model takes {self.context_tokens}.",
                tokens=len(ids),
                limit=self.context_tokens,
            )
        return torch.tensor([ids])

    def _model_and_tokenizer(self) -> tuple[Any, Any]:
        with self._loading:
            if self._loaded is None:
                self._loaded = self._read()
            model, tokenizer = self._loaded
            return model, tokenizer

    def _read(self) -> tuple[Any, Any]:
        if not (self.folder / "config.json").is_file():
            raise ModelNotFoundError(f"{self.folder} is not the folder of a model", name=self.folder.name)
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        transformers_logging.set_verbosity_error()
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            tokenizer = AutoTokenizer.from_pretrained(str(self.folder), **local)
            model = AutoModelForCausalLM.from_pretrained(
                str(self.folder), dtype="auto", use_safetensors=True, **local
            )
        except Exception as error:  # every layer beneath raises its own
            raise ModelError(
                f"The language model in {self.folder} cannot be loaded: {error}", name=self.folder.name
            ) from error
        return model.to(device).eval(), tokenizer


def _until(pieces: Iterator[str], stops: list[str]) -> Iterator[str]:
    """Pass pieces on up to the first stop text, holding back what may be the start of one."""
    held = ""
    longest = max(map(len, stops), default=0)
    with contextlib.closing(pieces):  # type: ignore[type-var]
        for piece in pieces:
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
