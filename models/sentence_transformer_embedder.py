"""Any SentenceTransformer folder as an `Embedder`, on a CPU or a GPU."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.digests import folder_digest
from models.embedder import Embedder
from models.errors import ModelError, ModelNotFoundError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_log = logging.getLogger(__name__)

_E5_PROMPTS = ("query: ", "passage: ")


class SentenceTransformerEmbedder(Embedder):
    """Embeds with the model in `folder`: safetensors only, no code of the folder is run.

    `device` is "auto", "cpu", "cuda" or another name of torch's. On a GPU the weights are bfloat16
    where the card has it, else float16. The prompts put before questions and passages are those of
    the folder's configuration, E5's where it has none and the folder is called after E5, or the
    ones given. The model is loaded at the first use.
    """

    def __init__(
        self,
        folder: Path,
        *,
        device: str = "auto",
        threads: int | None = None,
        batch_size: int = 32,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        digest_cache: Path | None = None,
    ) -> None:
        if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
            raise ModelNotFoundError(
                f"{folder} is not the folder of a SentenceTransformer model", name=folder.name
            )
        self._folder = folder
        self._device = device
        self._threads = threads
        self._batch_size = batch_size
        self._given = (query_prompt, document_prompt)
        self._digest_cache = digest_cache
        self._lock = threading.Lock()
        self._running = threading.Lock()
        self._model: SentenceTransformer | None = None
        self._prompts = ("", "")
        self._digest = ""

    @property
    def fingerprint(self) -> str:
        """See `Embedder.fingerprint`."""
        model = self._load()
        query, document = self._prompts
        dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
        return f"{self._folder.name}/{self._digest}/{dtype}/{query!r}/{document!r}"

    @property
    def dimension(self) -> int:
        """See `Embedder.dimension`."""
        model: Any = self._load()
        size: int = model.get_embedding_dimension()
        return size

    def encode_documents(self, texts: Sequence[str]) -> np.ndarray:
        """See `Embedder.encode_documents`."""
        model = self._load()
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        return self._encode(model, texts, self._prompts[1])

    def encode_query(self, text: str) -> np.ndarray:
        """See `Embedder.encode_query`."""
        model = self._load()
        vector: np.ndarray = self._encode(model, [text], self._prompts[0])[0]
        return vector

    def load(self) -> None:
        """Load the model now, so that the first use does not wait for it."""
        self._load()

    def _encode(self, model: SentenceTransformer, texts: Sequence[str], prompt: str) -> np.ndarray:
        clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        with self._running:  # a fast tokenizer cannot change its truncation from two threads
            vectors = model.encode(
                clean,
                prompt=prompt,
                batch_size=self._batch_size,
                normalize_embeddings=True,
                show_progress_bar=False,
                convert_to_numpy=True,
            )
        return np.asarray(vectors, np.float32)

    def _load(self) -> SentenceTransformer:
        with self._lock:
            if self._model is None:
                self._digest = folder_digest(self._folder, cache=self._digest_cache)[:16]
                self._model = self._read()
                self._prompts = self._find_prompts(self._model.prompts)
            return self._model

    def _read(self) -> SentenceTransformer:
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        transformers_logging.set_verbosity_error()
        if self._threads:
            torch.set_num_threads(self._threads)
        device = self._device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = torch.float32
        if device.startswith("cuda"):
            dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        try:
            model = SentenceTransformer(
                str(self._folder),
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True, "dtype": dtype},
            )
        except Exception as error:  # every layer beneath raises its own
            raise ModelError(
                f"The embedding model in {self._folder} cannot be loaded: {error}", folder=str(self._folder)
            ) from error
        return model.eval()

    def _find_prompts(self, configured: dict[str, str]) -> tuple[str, str]:
        document = configured.get("document") or configured.get("passage") or ""
        found = (configured.get("query") or "", document)
        if not any(found) and "e5" in self._folder.name.lower():
            found = _E5_PROMPTS
        return tuple(f if g is None else g for f, g in zip(found, self._given, strict=True))  # type: ignore[return-value]
