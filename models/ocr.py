"""Optical character recognition by PaddleOCR, run by ONNX Runtime; paddlepaddle is not needed."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import ModelError, ModelPackageMissingError
from models.ocr_models import OcrModels, ensure_ocr_models, model_name

if TYPE_CHECKING:
    from paddleocr import PaddleOCR

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OcrLine:
    """One line of text in a picture."""

    text: str
    confidence: float
    """In [0, 1]."""
    polygon: tuple[tuple[float, float], ...]
    """Four corners in pixels, clockwise from the text's own top left."""


class PaddleOcrEngine:
    """Finds and reads lines of text, horizontal and vertical. Safe to be called from any thread.

    The engine is built at the first use, in about a second, and pictures are read one at a time.
    `models` are folders of PaddleOCR models, by default those that come with the installation.
    Pictures whose longer side exceeds `detection_side` pixels are shrunk to it to find the lines,
    which are then read at their full size. Nothing is written outside `cache_dir`.
    """

    def __init__(
        self,
        *,
        cache_dir: Path,
        models: OcrModels | None = None,
        threads: int | None = None,
        detection_side: int = 1280,
    ) -> None:
        self._cache_dir = cache_dir
        self._models = models
        self._threads = threads
        self._detection_side = detection_side
        self._lock = threading.Lock()
        self._engine: PaddleOCR | None = None

    def recognise(self, image: np.ndarray) -> list[OcrLine]:
        """Read an RGB picture of shape (height, width, 3), uint8; lines come from top to bottom.

        Raises `ModelPackageMissingError` and `ModelNotFoundError` where the engine cannot be built,
        and `ModelError` where it fails.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ModelError(f"not an RGB picture: shape {image.shape}, {image.dtype}")
        if not image.size:
            return []
        reversed_channels = np.ascontiguousarray(image[:, :, ::-1])
        with self._lock:
            if self._engine is None:
                self._engine = self._build()
            try:
                pages: list[Any] = self._engine.predict(reversed_channels)
            except Exception as error:  # whatever the layers beneath raise
                raise ModelError(f"The picture cannot be read: {error}") from error
        return [line for page in pages for line in _lines(page)]

    def load(self) -> None:
        """Build the engine now, so that the first use does not wait for it."""
        with self._lock:
            if self._engine is None:
                self._engine = self._build()

    def _build(self) -> PaddleOCR:
        models = self._models or ensure_ocr_models(self._cache_dir)
        names = model_name(models.detection), model_name(models.recognition)
        _prepare_environment(self._cache_dir / "paddlex")
        try:
            from paddleocr import PaddleOCR

            _mute()
            return PaddleOCR(
                text_detection_model_name=names[0],
                text_detection_model_dir=str(models.detection),
                text_recognition_model_name=names[1],
                text_recognition_model_dir=str(models.recognition),
                use_doc_orientation_classify=False,
                use_doc_unwarping=False,
                use_textline_orientation=False,
                text_det_limit_side_len=self._detection_side,
                text_det_limit_type="max",
                device="cpu",
                engine="onnxruntime",
                engine_config=self._engine_settings(),
            )
        except ImportError as error:
            raise ModelPackageMissingError(
                f"OCR needs paddleocr and what it imports: {error}", install="pip install paddleocr"
            ) from error
        except Exception as error:  # whatever the layers beneath raise
            raise ModelError(f"The OCR engine cannot be built: {error}") from error

    def _engine_settings(self) -> dict[str, Any]:
        # Pictures differ in size, and an arena would keep the memory of the largest of each.
        settings: dict[str, Any] = {"enable_cpu_mem_arena": False, "log_severity_level": 3}
        if self._threads:
            settings |= {"intra_op_num_threads": self._threads, "inter_op_num_threads": 1}
        return settings


def _prepare_environment(folder: Path) -> None:
    """Keep paddlex off the network and out of the home folder; it looks at these when imported."""
    os.environ.setdefault("PADDLE_PDX_CACHE_HOME", str(folder))
    os.environ.setdefault("PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK", "True")
    os.environ.setdefault("PADDLE_PDX_EAGER_INIT", "False")


def _mute() -> None:
    """Turn off paddlex's greetings, after its import, which turns them on."""
    for name in ("paddlex", "paddleocr"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _lines(page: Any) -> Iterator[OcrLine]:
    for text, score, polygon in zip(page["rec_texts"], page["rec_scores"], page["rec_polys"], strict=True):
        if text.strip():
            corners = tuple((float(x), float(y)) for x, y in polygon)
            yield OcrLine(text, min(max(float(score), 0.0), 1.0), corners)
