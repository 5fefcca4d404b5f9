"""PaddleOCR model folders made from the ONNX files that the `rapidocr` package carries."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.artifacts import digest, ensure_folder
from models.errors import ModelError, ModelNotFoundError, ModelPackageMissingError

RECIPE = 5
_NAME = re.compile(r"""\bmodel_name["']?\s*:\s*["']?([\w.-]+)""")
_DETECTION = "PP-OCRv6_small_det"
_RECOGNITION = "PP-OCRv6_small_rec"
_FILES = {_DETECTION: "PP-OCRv6_det_small.onnx", _RECOGNITION: "PP-OCRv6_rec_small.onnx"}

_LEAST_WEIGHT = 1e-20
"""Weights below this are taken for zero. What training left of unused channels are subnormal numbers,
on which processors spend a hundred times as long; nothing that small changes a sum."""
_SHORTEST = 96
"""Width in pixels to which shorter lines are filled up. PaddleOCR's own 320 takes thrice the time of a
word, and reads it no better."""


@dataclass(frozen=True, slots=True)
class OcrModels:
    """Folders with `inference.onnx` and `inference.yml`, which names the model inside."""

    detection: Path
    recognition: Path


def ensure_ocr_models(cache_dir: Path) -> OcrModels:
    """Return the folders under `cache_dir`, and make them when they are not there yet."""
    source = _package_folder()
    folders = {name: _ensure(cache_dir / "ocr" / name, source / file) for name, file in _FILES.items()}
    return OcrModels(folders[_DETECTION], folders[_RECOGNITION])


def model_name(folder: Path) -> str:
    """The name that a model folder gives itself; raises `ModelNotFoundError` when it has none."""
    settings = folder / "inference.yml"
    found = _NAME.search(settings.read_text("utf-8")) if settings.is_file() else None
    if found is None or not (folder / "inference.onnx").is_file():
        raise ModelNotFoundError(
            f"{folder} is not the folder of a PaddleOCR model (inference.onnx and inference.yml)",
            name=folder.name,
        )
    return found[1]


def _package_folder() -> Path:
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or spec.origin is None:
        raise ModelPackageMissingError(
            "The package rapidocr, which carries the default OCR models, is not installed. Install it "
            "with pip install rapidocr, or set folders of PaddleOCR models.",
            install="pip install rapidocr",
            package="rapidocr",
        )
    return Path(spec.origin).parent / "models"


def _ensure(folder: Path, source: Path) -> Path:
    if not source.is_file():
        raise ModelNotFoundError(f"The package rapidocr holds no {source.name}", name=source.name)

    def build(target: Path) -> None:
        _write_model(source, target / "inference.onnx")
        settings = _detection() if folder.name == _DETECTION else _recognition(_characters(source))
        # What is JSON is YAML as well.
        text = json.dumps({"Global": {"model_name": folder.name}, **settings}, ensure_ascii=False)
        (target / "inference.yml").write_text(text, "utf-8")

    stamp = source.stat()
    version = f"{folder.name} {stamp.st_size} {digest(source)} recipe {RECIPE}"
    return ensure_folder(folder, version=version, build=build)


def _write_model(source: Path, target: Path) -> None:
    """Copy a model with weights of next to nothing set to zero; the detector takes a third of its time."""
    import numpy as np
    import onnx

    model = onnx.load(str(source))
    for tensor in model.graph.initializer:
        weights = onnx.numpy_helper.to_array(tensor)
        small = np.abs(weights) < _LEAST_WEIGHT
        if weights.dtype == np.float32 and (small & (weights != 0)).any():
            tensor.CopyFrom(
                onnx.numpy_helper.from_array(np.where(small, weights.dtype.type(0), weights), tensor.name)
            )
    onnx.save(model, str(target))


def _detection() -> Mapping[str, Any]:
    return {
        "PreProcess": {
            "transform_ops": [
                {"DecodeImage": {"channel_first": False, "img_mode": "BGR"}},
                {"DetResizeForTest": {"resize_long": 960}},
                {
                    "NormalizeImage": {
                        "mean": [0.485, 0.456, 0.406],
                        "std": [0.229, 0.224, 0.225],
                        "scale": 1 / 255,
                        "order": "hwc",
                    }
                },
                {"ToCHWImage": None},
            ]
        },
        "PostProcess": {
            "name": "DBPostProcess",
            "thresh": 0.3,
            "box_thresh": 0.5,
            "max_candidates": 3000,
            "unclip_ratio": 1.5,
        },
    }


def _recognition(characters: list[str]) -> Mapping[str, Any]:
    return {
        "PreProcess": {
            "transform_ops": [
                {"DecodeImage": {"channel_first": False, "img_mode": "BGR"}},
                {"RecResizeImg": {"image_shape": [3, 48, _SHORTEST]}},
            ]
        },
        "PostProcess": {"name": "CTCLabelDecode", "character_dict": characters},
    }


def _characters(model: Path) -> list[str]:
    """The recogniser's characters, which its file keeps under the key `character`, one a line."""
    import onnx

    for entry in onnx.load(str(model)).metadata_props:
        if entry.key == "character":
            return str(entry.value).split("\n")
    raise ModelError(f"{model} names no characters", file=str(model))
