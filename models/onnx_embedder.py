"""The default embedder on a CPU: the converted model through ONNX Runtime, without torch."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.artifacts import read_manifest
from models.e5_conversion import ONNX_FILE, PROMPTS
from models.embedder import Embedder
from models.errors import ModelNotFoundError
from models.onnx_texts import OnnxTexts


class OnnxE5Embedder(Embedder):
    """Embeds with the 8-bit model in a folder that `models.e5_conversion` made.

    A vector depends on its text alone. What is longer than the model takes (512 tokens) is cut
    there. The model is loaded at the first use, its work is divided as `OnnxTexts` does.
    """

    def __init__(self, folder: Path, *, threads: int | None = None, cached_queries: int = 256) -> None:
        if not (folder / ONNX_FILE).is_file():
            raise ModelNotFoundError(f"{folder} holds no {ONNX_FILE}", name=folder.name)
        version = str(read_manifest(folder).get("version", folder.name)).split()
        self._fingerprint = "/".join((*version, "onnx-int8"))
        self._model = OnnxTexts(folder / ONNX_FILE, folder, threads=threads)
        self._capacity = cached_queries
        self._queries: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """See `Embedder.fingerprint`."""
        return self._fingerprint

    @property
    def dimension(self) -> int:
        """See `Embedder.dimension`."""
        return self._model.width

    def encode_documents(self, texts: Sequence[str]) -> np.ndarray:
        """See `Embedder.encode_documents`."""
        return self._embed([PROMPTS["document"] + text for text in texts])

    def encode_query(self, text: str) -> np.ndarray:
        """See `Embedder.encode_query`."""
        with self._lock:
            known = self._queries.get(text)
            if known is not None:
                self._queries.move_to_end(text)
                return known.copy()
        vector: np.ndarray = self._embed([PROMPTS["query"] + text])[0]
        with self._lock:
            self._queries[text] = vector
            while len(self._queries) > self._capacity:
                self._queries.popitem(last=False)
        return vector.copy()

    def load(self) -> None:
        """Load the model now, so that the first use does not wait for it."""
        self._model.load()

    def _embed(self, texts: list[str]) -> np.ndarray:
        return self._model.run(self._model.tokens(texts))
