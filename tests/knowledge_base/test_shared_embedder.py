from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest

from knowledge_base.shared_embedder import SharedEmbedder
from loaders.errors import LoadingCancelledError
from models.errors import ModelError, ModelUnavailableError
from tests.knowledge_base.doubles import BigramEmbedder


class Gated(BigramEmbedder):
    """Waits at the gate before it embeds; fails on "坏"; notes what it was given at once."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.reached = threading.Event()
        self.calls: list[list[str]] = []
        self.outages = 0

    def encode_documents(self, texts: Sequence[str]) -> np.ndarray:
        self.calls.append(list(texts))
        self.reached.set()
        assert self.gate.wait(30)
        if self.outages:
            self.outages -= 1
            raise ModelUnavailableError("down")
        if "坏" in texts:
            raise ModelError("cannot be embedded")
        return super().encode_documents(texts)


def test_callers_that_wait_are_embedded_together_and_apart_when_one_fails() -> None:
    embedder = Gated()
    shared = SharedEmbedder(lambda: embedder)
    results: dict[str, np.ndarray | BaseException] = {}

    def ask(text: str) -> None:
        try:
            results[text] = shared.encode([text])
        except ModelError as error:
            results[text] = error

    first = threading.Thread(target=ask, args=("甲乙",))
    first.start()
    assert embedder.reached.wait(30)
    others = [threading.Thread(target=ask, args=(text,)) for text in ("丙丁", "坏", "戊己")]
    for thread in others:
        thread.start()
    while shared._requests.qsize() < 3:
        time.sleep(0.005)
    embedder.gate.set()
    for thread in (first, *others):
        thread.join(30)
    assert embedder.calls[0] == ["甲乙"]
    assert sorted(embedder.calls[1]) == sorted(["丙丁", "坏", "戊己"])
    assert isinstance(results["坏"], ModelError)
    for text in ("甲乙", "丙丁", "戊己"):
        found = results[text]
        assert isinstance(found, np.ndarray)
        assert np.array_equal(found, embedder.encode_query(text)[None])


def test_cancelling_does_not_wait_for_the_model() -> None:
    embedder = Gated()
    shared = SharedEmbedder(lambda: embedder)
    start = time.monotonic()
    with pytest.raises(LoadingCancelledError):
        shared.encode(["甲"], cancelled=embedder.reached.is_set)
    assert time.monotonic() - start < 2
    embedder.gate.set()
    assert shared.encode(["乙"]).shape == (1, 64)


def test_an_outage_is_waited_out_for_as_long_as_patience_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge_base.shared_embedder._FIRST_WAIT_SECONDS", 0.01)
    embedder = Gated()
    embedder.gate.set()
    embedder.outages = 3
    assert SharedEmbedder(lambda: embedder, patience=5).encode(["甲"]).shape == (1, 64)
    assert len(embedder.calls) == 4
    embedder.outages = 1
    with pytest.raises(ModelUnavailableError):
        SharedEmbedder(lambda: embedder).encode(["甲"])
