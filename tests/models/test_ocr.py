from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import rapidocr

from models.errors import ModelError, ModelNotFoundError, ModelPackageMissingError
from models.ocr import PaddleOcrEngine
from models.ocr_models import OcrModels, ensure_ocr_models, model_name
from tests.conftest import SHARED_DATA

pytestmark = pytest.mark.slow

PICTURE = SHARED_DATA / "files" / "ocr" / "ocr_test.jpg"

_READ = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image
from models.ocr import PaddleOcrEngine
picture = np.asarray(Image.open(sys.argv[1]).convert("RGB"))
engine = PaddleOcrEngine(cache_dir=Path(sys.argv[2]), threads=2)
for line in engine.recognise(picture):
    corners = [round(value) for corner in line.polygon for value in corner]
    print(line.text, line.confidence > 0.99, corners, file=sys.stderr)
print(engine.recognise(np.full((1, 1, 3), 255, np.uint8)), file=sys.stderr)
"""


@pytest.mark.model
@pytest.mark.skipif(not PICTURE.exists(), reason="the shared sample files are not here")
def test_reads_horizontal_vertical_and_english_text_in_silence(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    command = [sys.executable, "-c", _READ, str(PICTURE), str(tmp_path / "cache")]
    environment = {**os.environ, "HOME": str(home)}
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)  # noqa: S603
    assert ended.stdout == ""
    assert ended.stderr.splitlines()[-4:] == [
        "横向文本框 True [24, 18, 149, 18, 149, 47, 24, 47]",
        "竖向文本框 True [49, 68, 78, 68, 78, 191, 49, 191]",
        "English text True [143, 98, 268, 98, 268, 128, 143, 128]",
        "[]",
    ]
    assert list(home.iterdir()) == []


def test_model_folders_name_themselves(tmp_path: Path) -> None:
    models = ensure_ocr_models(tmp_path)
    assert model_name(models.detection) == "PP-OCRv6_small_det"
    assert model_name(models.recognition) == "PP-OCRv6_small_rec"
    assert ensure_ocr_models(tmp_path) == models


def test_weights_of_next_to_nothing_are_zero_and_others_as_they_were(tmp_path: Path) -> None:
    models = ensure_ocr_models(tmp_path)
    source = Path(rapidocr.__file__).parent / "models"
    for folder, name in (
        (models.detection, "PP-OCRv6_det_small.onnx"),
        (models.recognition, "PP-OCRv6_rec_small.onnx"),
    ):
        changed = 0
        for before, after in zip(_weights(source / name), _weights(folder / "inference.onnx"), strict=True):
            small = np.abs(before) < 1e-20
            changed += int((small & (before != 0)).sum())
            assert not after[small].any()
            np.testing.assert_array_equal(after[~small], before[~small])
        assert changed > 0


def _weights(model: Path) -> list[np.ndarray]:
    return [onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(str(model)).graph.initializer]


def test_threads_of_the_detector_rest_while_they_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spinning: dict[str, list[str]] = {"det": [], "rec": []}
    build = onnxruntime.InferenceSession

    def noting(path: str, sess_options: onnxruntime.SessionOptions, **others: object) -> object:
        try:
            entry = sess_options.get_session_config_entry("session.intra_op.allow_spinning")
        except RuntimeError:
            entry = "not said"
        spinning[Path(path).parent.name[-3:]].append(entry)
        return build(path, sess_options, **others)

    monkeypatch.setattr(onnxruntime, "InferenceSession", noting)
    engine = PaddleOcrEngine(cache_dir=tmp_path, threads=2)
    engine.load()
    assert spinning == {"det": ["not said", "0"], "rec": ["not said"]}


def test_a_yaml_folder_names_itself(tmp_path: Path) -> None:
    (tmp_path / "inference.onnx").write_bytes(b"")
    (tmp_path / "inference.yml").write_text("Global:\n  model_name: PP-OCRv5_server_det\n", "utf-8")
    assert model_name(tmp_path) == "PP-OCRv5_server_det"


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    engine = PaddleOcrEngine(cache_dir=tmp_path, models=OcrModels(tmp_path, tmp_path))
    with pytest.raises(ModelNotFoundError, match="not the folder of a PaddleOCR model"):
        engine.load()


def test_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelPackageMissingError, match="rapidocr"):
        ensure_ocr_models(tmp_path)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (4, 4, 1)])
def test_other_shapes_are_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not an RGB picture"):
        PaddleOcrEngine(cache_dir=tmp_path).recognise(np.zeros(shape, np.uint8))


def test_an_empty_picture_has_no_text(tmp_path: Path) -> None:
    assert PaddleOcrEngine(cache_dir=tmp_path).recognise(np.zeros((0, 5, 3), np.uint8)) == []
