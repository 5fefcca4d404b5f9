"""Running a causal language model for one request at a time, so that it can be stopped at any token."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from typing import Any, Protocol

from models.errors import ModelError, ModelMemoryError, ModelUnavailableError

HEARTBEAT = 0.5
"""Seconds after which a generator without a new token yields None, so that its caller can leave."""

STOP_SECONDS = 30.0
"""Time for a generation to end when its model is unloaded."""


class TokenGenerator(Protocol):
    """Turns prompts into tokens. Closing the iterator ends the generation within two tokens."""

    capacity: int
    """Requests that are worked on at once."""

    def tokens(self, ids: list[int], *, max_tokens: int, temperature: float) -> Iterator[int | None]:
        """Yield the new tokens as they come, and None now and then. Raises a `ModelError`."""
        ...

    def close(self) -> None:
        """End all generations and let go of the weights and what else they need."""
        ...


class SingleGenerator:
    """Plain `generate()` in a thread of its own, for any model."""

    capacity = 1

    def __init__(self, model: Any, tokenizer: Any, *, repetition_penalty: float | None = None) -> None:
        """What is not given here, such as the penalty, is as the model's generation defaults say."""
        self._model = model
        self._penalty = {} if repetition_penalty is None else {"repetition_penalty": repetition_penalty}
        self._pad = next((i for i in (tokenizer.pad_token_id, tokenizer.eos_token_id) if i is not None), 0)
        self._ends = end_tokens(model, tokenizer)
        self._closed = threading.Event()
        self._device = model.device
        self._thread: threading.Thread | None = None

    def tokens(self, ids: list[int], *, max_tokens: int, temperature: float) -> Iterator[int | None]:
        """Yield the new tokens as they come, and None now and then."""
        import torch
        from transformers import StoppingCriteriaList

        stopped = threading.Event()
        feed: queue.Queue[int | BaseException | None] = queue.Queue()
        prompt = torch.tensor([ids], device=self._device)
        sampling: dict[str, Any] = {"do_sample": False}
        if temperature > 0:
            sampling = {"do_sample": True, "temperature": temperature}

        def run(model: Any) -> None:
            try:
                if model is None:
                    raise unloaded()
                model.generate(
                    input_ids=prompt,
                    attention_mask=torch.ones_like(prompt),
                    streamer=_Feeder(feed),
                    max_new_tokens=max_tokens,
                    stopping_criteria=StoppingCriteriaList(
                        [lambda *_, **__: stopped.is_set() or self._closed.is_set()]
                    ),
                    pad_token_id=self._pad,
                    eos_token_id=self._ends,
                    **sampling,
                    **self._penalty,
                )
                feed.put(None)
            except BaseException as error:  # handed to the thread that reads
                feed.put(error)

        thread = threading.Thread(target=run, args=(self._model,), name="generate", daemon=True)
        self._thread = thread
        thread.start()
        try:
            yield from read_tokens(feed)
            if self._closed.is_set():
                raise unloaded()
        finally:
            stopped.set()
            thread.join()
            release_memory(self._device.type)

    def close(self) -> None:
        """End the generation; an answer that nobody reads on holds the weights no more."""
        self._closed.set()
        self._model = None
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)


class _Feeder:
    """What `generate()` calls a streamer: gets the prompt first, then every new token."""

    def __init__(self, feed: queue.Queue[Any]) -> None:
        self._feed = feed
        self._prompt = True

    def put(self, value: Any) -> None:
        if self._prompt:
            self._prompt = False
            return
        for token in value.reshape(-1).tolist():
            self._feed.put(token)

    def end(self) -> None:
        pass


def read_tokens(feed: queue.Queue[int | BaseException | None]) -> Iterator[int | None]:
    """Yield the tokens put into `feed` up to None, and None at every heartbeat; raises an error put in."""
    while True:
        try:
            item = feed.get(timeout=HEARTBEAT)
        except queue.Empty:
            yield None
            continue
        if item is None:
            return
        if isinstance(item, BaseException):
            raise told(item) from item
        yield item


def end_tokens(model: Any, tokenizer: Any) -> list[int] | None:
    """Ids of the tokens that end an answer: those of the model's folder, else the tokenizer's."""
    ends = model.generation_config.eos_token_id
    if ends is None:
        ends = tokenizer.eos_token_id
    return [ends] if isinstance(ends, int) else ends


def told(error: BaseException) -> ModelError:
    """The error of ours for what an engine raised; running out of memory is one of its own."""
    if isinstance(error, ModelError):
        return error
    text = str(error)
    if (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "out of memory" in text.lower()
        or "can't allocate memory" in text
    ):
        return ModelMemoryError(
            f"The language model ran out of memory: {text.splitlines()[0] if text else ''}"
        )
    return ModelError(f"The language model failed: {text}")


def unloaded() -> ModelUnavailableError:
    """The error of answers that were being written when their model was let go of."""
    return ModelUnavailableError("The language model was unloaded while it answered.")


def release_memory(device: str) -> None:
    """Give free memory back to the card, or to the operating system."""
    import gc

    gc.collect()
    if device == "cuda":
        import torch

        torch.cuda.empty_cache()
        return
    import ctypes

    # glibc keeps what was freed in many small pieces; elsewhere there is no such call.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
