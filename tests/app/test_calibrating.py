"""A calibration of another embedder, from a question set to a search."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import app.calibrating
from app.calibrating import calibrate
from app.errors import EvaluationFileError
from app.settings import load_settings
from tests.knowledge_base.doubles import BigramEmbedder
from vectorstore.calibration import Calibration, Calibrations

PLACES = "东西南北上下左右前后里外春夏秋冬金木水火"


def _squad(path: Path, count: int) -> Path:
    """Passages that each say of one place what is stored there; questions ask where."""
    data = [
        {
            "paragraphs": [
                {
                    "context": f"{a}{b}仓库存放{b}{a}牌零件，由{a}组管理。",
                    "qas": [{"question": f"{b}{a}牌零件存放在哪里？", "answers": [{"text": f"{a}{b}仓库"}]}],
                }
            ]
        }
        for a in PLACES
        for b in PLACES
        if a != b
    ][:count]
    path.write_text(json.dumps({"data": data}, ensure_ascii=False), encoding="utf-8")
    return path


def test_an_embedder_gets_a_calibration_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = BigramEmbedder(name="mine", dimension=256)
    monkeypatch.setattr(app.calibrating, "load_embedder", lambda name, **options: embedder)
    settings = load_settings({"data_dir": tmp_path / "data"})
    made = calibrate(settings, [_squad(tmp_path / "a.json", 120)], progress=lambda _: None)
    assert made.embedder == "mine/256"
    assert 0 < made.calibration.threshold < 1
    kept = Calibrations(settings.models_folder / "calibrations")
    assert kept.of("mine/256") == made.calibration == Calibration.load(made.file)
    assert kept.of("another/256") is Calibration.words()


def test_too_few_passages_are_refused(tmp_path: Path) -> None:
    settings = load_settings({"data_dir": tmp_path / "data"})
    with pytest.raises(EvaluationFileError) as caught:
        calibrate(settings, [_squad(tmp_path / "a.json", 5)], progress=lambda _: None)
    assert caught.value.details["reason"] == "5 of at least 20 passages"
