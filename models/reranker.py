"""A CrossEncoder that looks at question and passage together."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.errors import ModelNotFoundError

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


class CrossEncoderReranker:
    """Scores passages with the CrossEncoder in `folder`; loaded at the first use, once.

    Safetensors only, and no code of the folder is run. Safe to be called from several threads.
    """

    def __init__(self, folder: Path, *, device: str = "auto", batch_size: int = 16) -> None:
        if not (folder / "config.json").is_file():
            raise ModelNotFoundError(f"{folder} is not the folder of a CrossEncoder model", name=folder.name)
        self._folder = folder
        self._device = None if device == "auto" else device
        self._batch_size = batch_size
        self._lock = threading.Lock()
        self._model: CrossEncoder | None = None

    def scores(self, question: str, passages: Sequence[str]) -> np.ndarray:
        """How well each passage answers: float32 of shape (len(passages),), higher is better."""
        with self._lock:
            if self._model is None:
                from sentence_transformers import CrossEncoder

                self._model = CrossEncoder(
                    str(self._folder),
                    device=self._device,
                    local_files_only=True,
                    trust_remote_code=False,
                    model_kwargs={"use_safetensors": True},
                )
            pairs = [(question, passage) for passage in passages]
            found = self._model.predict(pairs, batch_size=self._batch_size, show_progress_bar=False)
        return np.asarray(found, dtype=np.float32).reshape(len(passages))
