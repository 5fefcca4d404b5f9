"""Optical character recognition by PaddleOCR, run by ONNX Runtime; paddlepaddle is not needed."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import ModelError, ModelPackageMissingError
from models.ocr_crops import from_top_left
from models.ocr_models import OcrModels, ensure_ocr_models, model_name
from models.ocr_reading import LineReader, PageReader

if TYPE_CHECKING:
    from paddleocr import TextDetection, TextRecognition

_log = logging.getLogger(__name__)
_MOST_THREADS = 4


@dataclass(frozen=True, slots=True)
class OcrLine:
    """One line of text in a picture."""

    text: str
    confidence: float
    """In [0, 1]."""
    polygon: tuple[tuple[float, float], ...]
    """Four corners in pixels, clockwise from the text's own top left."""


class PaddleOcrEngine:
    """Finds and reads lines of text, horizontal and vertical, also on pages that lie on their side or
    upside down. Safe to be called from any thread.

    The engine is built at the first use, in about a second. Lines are found in one picture at a time
    and read `threads` at once (by default one for each processor, up to four), of one picture after
    the other: who has several gives two at once.
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
        self._threads = threads or min(_MOST_THREADS, os.cpu_count() or 1)
        self._detection_side = detection_side
        self._lock = threading.Lock()
        self._engine: PageReader | None = None

    def recognise(self, image: np.ndarray) -> list[OcrLine]:
        """Read an RGB picture of shape (height, width, 3), uint8; lines come from top to bottom.

        Raises `ModelPackageMissingError` and `ModelNotFoundError` where the engine cannot be built,
        and `ModelError` where it fails.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ModelError(f"not an RGB picture: shape {image.shape}, {image.dtype}")
        if not image.size:
            return []
        engine = self._loaded()
        try:
            found = engine.read(image)
        except MemoryError:
            raise
        except Exception as error:  # whatever the layers beneath raise
            raise ModelError(f"The picture cannot be read: {error}") from error
        return [
            OcrLine(text, min(max(score, 0.0), 1.0), tuple((float(x), float(y)) for x, y in polygon))
            for text, score, polygon in found
            if text.strip()
        ]

    def load(self) -> None:
        """Build the engine now, so that the first use does not wait for it."""
        self._loaded()

    def _loaded(self) -> PageReader:
        with self._lock:
            if self._engine is None:
                self._engine = self._build()
            return self._engine

    def _build(self) -> PageReader:
        models = self._models or ensure_ocr_models(self._cache_dir)
        detection, recognition = model_name(models.detection), model_name(models.recognition)
        _prepare_environment(self._cache_dir / "paddlex")
        try:
            with warnings.catch_warnings():
                # It tries packages that are not ours, whose deprecations say nothing here.
                warnings.simplefilter("ignore")
                from paddleocr import TextDetection, TextRecognition

            _mute()
            detector: TextDetection = TextDetection(
                model_name=detection,
                model_dir=str(models.detection),
                limit_side_len=self._detection_side,
                limit_type="max",
                device="cpu",
                engine="onnxruntime",
                engine_config=_engine_settings(self._threads),
            )
            _stop_spinning(detector, models.detection, self._threads)
            # Many small operations gain little from two processors, two lines at once gain twice.
            reader: TextRecognition = TextRecognition(
                model_name=recognition,
                model_dir=str(models.recognition),
                device="cpu",
                engine="onnxruntime",
                engine_config=_engine_settings(1),
            )
        except ImportError as error:
            raise ModelPackageMissingError(
                f"OCR needs paddleocr and what it imports: {error}", install="pip install paddleocr"
            ) from error
        except Exception as error:  # whatever the layers beneath raise
            raise ModelError(f"The OCR engine cannot be built: {error}") from error
        return PageReader(_Detector(detector), LineReader(_Recogniser(reader), threads=self._threads))


class _Detector:
    """PaddleOCR's detection, as `PageReader` wants it, of one picture at a time."""

    def __init__(self, model: TextDetection) -> None:
        self._model = model
        self._lock = threading.Lock()

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        with self._lock:
            (found,) = self._model.predict(np.ascontiguousarray(image[:, :, ::-1]))
        return [from_top_left(np.asarray(polygon, dtype=np.float64)) for polygon in found["dt_polys"]]


class _Recogniser:
    """PaddleOCR's recognition of one line, as `LineReader` wants it; it keeps nothing from line to line."""

    def __init__(self, model: TextRecognition) -> None:
        self._model = model

    def __call__(self, line: np.ndarray) -> tuple[str, float]:
        (found,) = self._model.predict(np.ascontiguousarray(line[:, :, ::-1]))
        return str(found["rec_text"]), float(found["rec_score"])


def _engine_settings(threads: int) -> dict[str, Any]:
    # Pages and lines are of bounded size, so that the arena is too, and saves a fifth of the time.
    return {
        "enable_cpu_mem_arena": True,
        "log_severity_level": 3,
        "intra_op_num_threads": threads,
        "inter_op_num_threads": 1,
    }


def _stop_spinning(detector: TextDetection, folder: Path, threads: int) -> None:
    """Let the detector's threads rest while they wait.

    They would wait at full speed, between operations and for the next picture, while the readers and
    others need the processors. PaddleOCR passes no such setting on.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    for name, value in _engine_settings(threads).items():
        setattr(options, name, value)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    detector.paddlex_predictor.runner.session = onnxruntime.InferenceSession(
        str(folder / "inference.onnx"), options, providers=["CPUExecutionProvider"]
    )


def _prepare_environment(folder: Path) -> None:
    """Keep paddlex off the network and out of the home folder; it looks at these when imported."""
    os.environ.setdefault("PADDLE_PDX_CACHE_HOME", str(folder))
    os.environ.setdefault("PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK", "True")
    os.environ.setdefault("PADDLE_PDX_EAGER_INIT", "False")
    # It imports matplotlib where that is installed, which writes its settings and caches.
    os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))


def _mute() -> None:
    """Turn off paddlex's greetings, after its import, which turns them on."""
    for name in ("paddlex", "paddleocr"):
        logging.getLogger(name).setLevel(logging.ERROR)
