"""The default embedder on a CPU: the converted model through ONNX Runtime, without torch."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.artifacts import read_manifest
from models.e5_conversion import ONNX_FILE, PROMPTS
from models.embedder import Embedder
from models.errors import ModelError, ModelNotFoundError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

_log = logging.getLogger(__name__)

_MAX_CHARACTERS = 16_384
"""No text needs more to fill the model's tokens; the tokenizer is spared the rest."""


@dataclass(frozen=True, slots=True)
class _Runtime:
    tokenizer: Tokenizer
    session: InferenceSession
    workers: ThreadPoolExecutor


class OnnxE5Embedder(Embedder):
    """Embeds with the 8-bit model in a folder that `models.e5_conversion` made.

    Texts run one by one on `threads` threads, the longest first, so a vector depends on its text
    alone, and a question that comes meanwhile does not wait for the documents to end. What is
    longer than the model takes (512 tokens) is cut there. The model is loaded at the first use.
    """

    def __init__(self, folder: Path, *, threads: int | None = None, cached_queries: int = 256) -> None:
        if not (folder / ONNX_FILE).is_file():
            raise ModelNotFoundError(f"{folder} holds no {ONNX_FILE}", name=folder.name)
        self._folder = folder
        version = str(read_manifest(folder).get("version", folder.name)).split()
        self._fingerprint = "/".join((*version, "onnx-int8"))
        self._threads = threads or usable_cpus()
        self._capacity = cached_queries
        self._queries: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()
        self._loaded: _Runtime | None = None

    @property
    def fingerprint(self) -> str:
        """See `Embedder.fingerprint`."""
        return self._fingerprint

    @property
    def dimension(self) -> int:
        """See `Embedder.dimension`."""
        size: int = self._runtime().session.get_outputs()[0].shape[1]
        return size

    def encode_documents(self, texts: Sequence[str]) -> np.ndarray:
        """See `Embedder.encode_documents`."""
        runtime = self._runtime()
        vectors = np.empty((len(texts), self.dimension), np.float32)
        ids = self._tokenise([PROMPTS["document"] + text for text in texts])

        def run(i: int) -> None:
            vectors[i] = self._run(runtime, ids[i])

        longest_first = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        for _ in runtime.workers.map(run, longest_first):
            pass
        return vectors

    def encode_query(self, text: str) -> np.ndarray:
        """See `Embedder.encode_query`."""
        with self._lock:
            known = self._queries.get(text)
            if known is not None:
                self._queries.move_to_end(text)
                return known.copy()
        vector = self._run(self._runtime(), self._tokenise([PROMPTS["query"] + text])[0])
        with self._lock:
            self._queries[text] = vector
            while len(self._queries) > self._capacity:
                self._queries.popitem(last=False)
        return vector.copy()

    def load(self) -> None:
        """Load the model now, so that the first use does not wait for it."""
        self._runtime()

    def _tokenise(self, texts: list[str]) -> list[list[int]]:
        tokenizer = self._runtime().tokenizer
        # A lone surrogate, which broken files yield, is no text in UTF-8.
        clean = [text[:_MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8") for text in texts]
        return [encoding.ids for encoding in tokenizer.encode_batch(clean)]

    @staticmethod
    def _run(runtime: _Runtime, ids: list[int]) -> np.ndarray:
        vector: np.ndarray = runtime.session.run(None, {"input_ids": np.array([ids], np.int64)})[0][0]
        return vector

    def _runtime(self) -> _Runtime:
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    self._loaded = self._load()
        return self._loaded

    def _load(self) -> _Runtime:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # The graph is written in the fused operations that are fast; more fusion would slow it.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        try:
            settings = json.loads((self._folder / "sentence_bert_config.json").read_text("utf-8"))
            limit = int(settings["max_seq_length"])
            tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
            session = onnxruntime.InferenceSession(
                str(self._folder / ONNX_FILE), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # both libraries raise bare or private exceptions
            raise ModelError(
                f"The embedding model in {self._folder} cannot be loaded: {error}", folder=str(self._folder)
            ) from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(limit)
        return _Runtime(tokenizer, session, ThreadPoolExecutor(self._threads, "embed"))


def usable_cpus() -> int:
    """How many processors this process may use."""
    with contextlib.suppress(AttributeError):  # macOS and Windows have no affinity
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
