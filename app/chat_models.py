"""The chat models of the settings: made at their first use, loaded, let go of, and reported on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from app.answering.answerer import QUOTE_MODEL
from app.answering.prompt import Budget
from app.answering.speech import ChatModel
from app.errors import UnknownModelError
from models.chat_spec import ChatModelSpec
from models.registry import load_chat_model
from models.token_count import token_counter

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

ModelState = Literal["ready", "unreachable", "unloaded", "loaded"]


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model that answers. `state` is "ready" where nothing is to be loaded: a server, or quoting.

    A server that does not answer now is "unreachable".
    """

    name: str
    kind: str
    model: str
    state: ModelState
    device: str
    """Where a loaded model runs, such as "cpu" or "cuda:0 NVIDIA …"; else empty."""
    memory_bytes: int
    """What its weights take; 0 when it is not loaded."""
    active: int
    """Answers that are being written."""
    waiting: int
    """Requests that wait for their turn."""
    default: bool
    """Whether it answers when a request names none."""


class ChatModels:
    """Gives chat models by their names in the settings. Safe to be called from several threads."""

    def __init__(
        self,
        specs: Mapping[str, ChatModelSpec],
        *,
        default: str = QUOTE_MODEL,
        load: Callable[[ChatModelSpec], BaseChatModel] = load_chat_model,
    ) -> None:
        self._specs = dict(specs)
        self._default = default
        self._load = load
        self._made: dict[str, ChatModel] = {}
        self._lock = threading.Lock()

    def __call__(self, name: str) -> ChatModel:
        """The model of that name. Raises `UnknownModelError`, and a `ModelError` when it cannot be made."""
        spec = self._spec(name)
        with self._lock:
            if name not in self._made:
                model = self._load(spec)
                count = token_counter(model, spec)
                self._made[name] = ChatModel(
                    name=name, model=model, budget=Budget(_prompt_tokens(spec), count)
                )
            return self._made[name]

    def list(self) -> Sequence[ModelStatus]:
        """All models that can be asked, the one that quotes first."""
        quoting = ModelStatus(
            QUOTE_MODEL, "quote", "", "ready", "", 0, 0, 0, default=self._default == QUOTE_MODEL
        )
        return [quoting, *(self.status(name) for name in self._specs)]

    def status(self, name: str) -> ModelStatus:
        """How one model is doing; nothing is loaded for that."""
        spec = self._spec(name)
        # A server's client costs nothing to make, and must be there to ask how the server is.
        made = self(name) if spec.kind == "openai" else self._made.get(name)
        usage = getattr(made.model, "usage", None) if made else None
        found = usage() if callable(usage) else None
        return ModelStatus(
            name=name,
            kind=spec.kind,
            model=spec.model,
            state=self._state(spec, made, found),
            device=found.device if found else "",
            memory_bytes=found.memory_bytes if found else 0,
            active=found.active if found else 0,
            waiting=found.waiting if found else 0,
            default=name == self._default,
        )

    def _state(self, spec: ChatModelSpec, made: ChatModel | None, usage: Any) -> ModelState:
        if spec.kind == "transformers":
            return "loaded" if usage and usage.loaded else "unloaded"
        reachable = getattr(made.model, "reachable", None) if made else None
        return "unreachable" if callable(reachable) and not reachable() else "ready"

    def load(self, name: str) -> ModelStatus:
        """Load a model now, so that the first answer does not wait for it."""
        made = self(name)
        load = getattr(made.model, "load", None)
        if callable(load):
            load()
        return self.status(name)

    def unload(self, name: str) -> ModelStatus:
        """End the answers of a model and give its memory back; it loads again when it is asked."""
        self._spec(name)
        with self._lock:
            made = self._made.get(name)
        unload = getattr(made.model, "unload", None) if made else None
        if callable(unload):
            unload()
        return self.status(name)

    def close(self) -> None:
        """Let go of all models."""
        for name in list(self._made):
            self.unload(name)

    def _spec(self, name: str) -> ChatModelSpec:
        if name not in self._specs:
            known = ", ".join((QUOTE_MODEL, *self._specs))
            raise UnknownModelError(
                f"no chat model is called {name!r} in the settings; there are {known}", name=name, known=known
            )
        return self._specs[name]


def _prompt_tokens(spec: ChatModelSpec) -> int:
    """What the context holds besides the answer; half of it where the answer would take it all."""
    return max(spec.context_tokens - spec.max_tokens, spec.context_tokens // 2)
