"""Running a causal language model for several requests at once, by transformers' continuous batching.

Every step of the model makes one token of each request under way; requests join and leave between
steps. Temperature is the model's, not the request's, and repetition penalties do not exist here.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import queue
import threading
from collections.abc import Iterator
from typing import Any

from models.errors import ModelUnavailableError
from models.generation import STOP_SECONDS, end_tokens, read_tokens, release_memory, told, unloaded

logger = logging.getLogger(__name__)

_PAGE = 256
"""Tokens of a page of the cache."""
_SHARE_OF_MEMORY = 0.8
"""Of what is free once the weights are loaded, the most that the cache takes."""


class BatchedGenerator:
    """Shares one model between up to `capacity` requests.

    The cache is as large as `capacity` requests of `context_tokens` need, where memory allows; it is
    made at the first request and kept until `close`. After a failure of the loop, such as running
    out of memory, the requests under way fail and the next one begins with a new loop.
    """

    def __init__(
        self, model: Any, tokenizer: Any, *, capacity: int, context_tokens: int, temperature: float
    ) -> None:
        self.capacity = capacity
        self._model = model
        self._tokenizer = tokenizer
        self._context_tokens = context_tokens
        self._temperature = temperature
        self._lock = threading.Lock()
        self._manager: Any = None
        self._delivery: threading.Thread | None = None
        self._feeds: dict[str, tuple[queue.Queue[int | BaseException | None], int]] = {}
        self._numbers = itertools.count()
        self._closed = False

    @staticmethod
    def serves(model: Any) -> bool:
        """Whether a model can be batched so: its attention is one that can be replaced."""
        return (
            hasattr(model, "init_continuous_batching")
            and bool(getattr(model, "_supports_attention_backend", False))
            and not getattr(model, "_is_stateful", False)
            and not getattr(model.config, "is_encoder_decoder", False)
        )

    def tokens(self, ids: list[int], *, max_tokens: int, temperature: float) -> Iterator[int | None]:  # noqa: ARG002
        """Yield the new tokens as they come, and None now and then."""
        feed: queue.Queue[int | BaseException | None] = queue.Queue()
        name = str(next(self._numbers))
        with self._lock:
            if self._closed:
                raise unloaded()
            manager = self._running()
            self._feeds[name] = (feed, 0)
        try:
            if manager.add_request(ids, request_id=name, max_new_tokens=max_tokens, streaming=True) is None:
                raise ModelUnavailableError("The language model is being restarted; try again.")
            del manager  # which holds the weights, also when they are unloaded meanwhile
            yield from read_tokens(feed)
        finally:
            with self._lock:
                unfinished = self._feeds.pop(name, None) is not None
                running = self._manager
            if unfinished and running is not None:
                running.cancel_request(name)

    def close(self) -> None:
        """End all generations; their cache and the weights can be given back then."""
        with self._lock:
            self._closed = True
            manager, self._manager = self._manager, None
            delivery, self._delivery = self._delivery, None
            # Answers that nobody reads on may hold this object, but not the weights.
            self._model = None
            self._fail(unloaded())
        _stop(manager)
        del manager
        if delivery is not None:
            delivery.join(STOP_SECONDS)

    def _running(self) -> Any:
        if self._manager is None:
            self._manager = self._started()
            self._delivery = threading.Thread(
                target=self._deliver, args=(self._manager,), name="deliver tokens", daemon=True
            )
            self._delivery.start()
        return self._manager

    def _started(self) -> Any:
        from transformers import ContinuousBatchingConfig, GenerationConfig

        ends = end_tokens(self._model, self._tokenizer)
        sampling: dict[str, Any] = {"do_sample": False}
        if self._temperature > 0:
            defaults = self._model.generation_config
            sampling = {
                "do_sample": True,
                "temperature": self._temperature,
                "top_k": defaults.top_k,
                "top_p": defaults.top_p,
            }
        pages = -(-self._context_tokens // _PAGE) + 1
        try:
            manager = self._model.init_continuous_batching(
                generation_config=GenerationConfig(eos_token_id=ends or -1, **sampling),
                continuous_batching_config=ContinuousBatchingConfig(
                    page_size=_PAGE,
                    num_blocks=pages * self.capacity + 1,
                    max_requests_per_batch=self.capacity,
                    max_batch_tokens=512 if self._model.device.type == "cpu" else None,
                    max_memory_percent=_SHARE_OF_MEMORY,
                    allow_block_sharing=True,
                ),
            )
            manager.start()
        except Exception as error:
            raise told(error) from error
        return manager

    def _deliver(self, manager: Any) -> None:
        """Hand the results of the loop to the requests they belong to, until the loop ends."""
        while True:
            result = manager.get_result(timeout=0.1)
            if result is not None:
                self._hand_over(result)
            elif not manager.is_running():
                break
        error = manager.background_thread_status.fatal_error
        with self._lock:
            if self._manager is not manager:
                return
            self._manager = None
            self._fail(told(error) if error else unloaded())
        logger.warning("continuous batching ended: %s", error)
        device = manager.model.device.type
        _stop(manager)
        del manager
        release_memory(device)

    def _hand_over(self, result: Any) -> None:
        with self._lock:
            found = self._feeds.get(result.request_id)
            if found is None:
                return
            feed, seen = found
            fresh = result.generated_tokens[seen:]
            if result.is_finished():
                del self._feeds[result.request_id]
            else:
                self._feeds[result.request_id] = (feed, seen + len(fresh))
        for token in fresh:
            feed.put(token)
        if result.is_finished():
            feed.put(RuntimeError(result.error) if result.error else None)

    def _fail(self, error: BaseException) -> None:
        for feed, _ in self._feeds.values():
            feed.put(error)
        self._feeds.clear()


def _stop(manager: Any) -> None:
    if manager is None:
        return
    with contextlib.suppress(Exception):  # it may have ended by itself
        manager.stop(block=True, timeout=STOP_SECONDS, hard_stop=True)
