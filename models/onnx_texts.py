"""A converted encoder that runs on texts through ONNX Runtime, without torch."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.errors import ModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

_MAX_CHARACTERS = 16_384
"""No text needs more to fill the model's tokens; the tokenizer is spared the rest."""


@dataclass(frozen=True, slots=True)
class _Runtime:
    tokenizer: Tokenizer
    longest: int
    session: InferenceSession
    workers: ThreadPoolExecutor


class OnnxTexts:
    """A graph of `models.e5_graph` with the tokenizer of a folder; loaded at the first use.

    Texts run one by one on `threads` threads, the longest first, so what is said of a text depends
    on it alone, and a question that comes meanwhile does not wait for the documents to end.
    Safe to be called from several threads.
    """

    def __init__(self, graph: Path, folder: Path, *, threads: int | None = None) -> None:
        self._graph = graph
        self._folder = folder
        self._threads = threads or usable_cpus()
        self._lock = threading.Lock()
        self._loaded: _Runtime | None = None

    def load(self) -> None:
        """Load the model now, so that the first use does not wait for it. Raises `ModelError`."""
        self._runtime()

    @property
    def width(self) -> int:
        """How many numbers the graph gives for a text."""
        size: int = self._runtime().session.get_outputs()[0].shape[1]
        return size

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text between those of its beginning and end, cut to what the model takes."""
        runtime = self._runtime()
        # A lone surrogate, which broken files yield, is no text in UTF-8.
        clean = [text[:_MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8") for text in texts]
        return [cut(found.ids, runtime.longest) for found in runtime.tokenizer.encode_batch(clean)]

    def run(self, ids: Sequence[list[int]]) -> np.ndarray:
        """What the graph gives for each list of tokens: float32 of shape (len(ids), width)."""
        runtime = self._runtime()
        found = np.empty((len(ids), self.width), np.float32)

        def run(i: int) -> None:
            found[i] = runtime.session.run(None, {"input_ids": np.array([ids[i]], np.int64)})[0][0]

        if len(ids) == 1:
            run(0)
            return found
        longest_first = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        for _ in runtime.workers.map(run, longest_first):
            pass
        return found

    def _runtime(self) -> _Runtime:
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    self._loaded = self._load()
        return self._loaded

    def _load(self) -> _Runtime:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # The graph is written in the fused operations that are fast; more fusion would slow it.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        try:
            settings = json.loads((self._folder / "sentence_bert_config.json").read_text("utf-8"))
            longest = int(settings["max_seq_length"])
            tokenizer = _tokenizer(self._folder / "tokenizer.json")
            session = onnxruntime.InferenceSession(
                str(self._graph), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # both libraries raise bare or private exceptions
            raise ModelError(
                f"The model in {self._graph.parent} cannot be loaded: {error}", folder=str(self._graph.parent)
            ) from error
        return _Runtime(tokenizer, longest, session, ThreadPoolExecutor(self._threads, "onnx"))


def cut(ids: list[int], longest: int) -> list[int]:
    """At most `longest` tokens of which the last, the end of the text, is kept."""
    return ids if len(ids) <= longest else [*ids[: longest - 1], ids[-1]]


def usable_cpus() -> int:
    """How many processors this process may use."""
    with contextlib.suppress(AttributeError):  # macOS and Windows have no affinity
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@lru_cache(maxsize=2)
def _tokenizer(file: Path) -> Tokenizer:
    """Its vocabulary takes as much memory as a model's layers, so those of a folder share it."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
