"""Evaluation: question sets, what is left out, and the figures of a small set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.cli.main import main
from app.errors import EvaluationFileError
from app.evaluation import Passage, evaluate_file, read_squad
from app.settings import load_settings
from models.embedder import Embedder

PASSAGES = {
    "北极熊生活在北极圈内，主要以海豹为食，成年雄性体重可达六百公斤。": [("北极熊主要吃什么？", "海豹")],
    "长城始建于春秋战国时期，明长城东起鸭绿江，西至嘉峪关。": [
        ("明长城的东端在哪里？", "鸭绿江"),
        ("长城最早什么时候修建？", "春秋战国"),
    ],
    "水稻喜高温多湿，幼苗期适宜温度为二十五度，需要充足的日照。": [
        ("水稻幼苗期的适宜温度是多少？", "二十五度")
    ],
    "贝多芬于1770年出生在德国波恩，晚年失聪，仍完成了第九交响曲。": [("贝多芬出生在哪座城市？", "波恩")],
    "光在真空中的速度约为每秒三十万公里，是已知最快的速度。": [("光在真空中有多快？", "每秒三十万公里")],
    "珠穆朗玛峰海拔8848.86米，位于中国与尼泊尔边境。": [("珠穆朗玛峰有多高？", "8848.86米")],
}


def _squad(passages: dict[str, list[tuple[str, str]]]) -> dict[str, Any]:
    paragraphs = [
        {
            "context": context,
            "qas": [{"question": question, "answers": [{"text": answer}]} for question, answer in questions],
        }
        for context, questions in passages.items()
    ]
    return {"data": [{"paragraphs": paragraphs}]}


@pytest.fixture
def squad(tmp_path: Path) -> Path:
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(_squad(PASSAGES)), encoding="utf-8")
    return path


def test_passages_and_empty_questions(tmp_path: Path) -> None:
    path = tmp_path / "set.json"
    data = _squad({"甲文": [("问一？ ", "甲"), (" ", "")], "乙文": []})
    del data["data"][0]["paragraphs"][0]["qas"][1]["answers"]
    path.write_text(json.dumps(data), encoding="utf-8")
    assert read_squad(path) == ([Passage("甲文", (("问一？", ("甲",)),)), Passage("乙文", ())], 1)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "JSONDecodeError"),
        (b"[]", "TypeError"),
        (b'{"data": [{}]}', "KeyError"),
        (b'{"data": 3}', "TypeError"),
        (b'{"data": [{"paragraphs": [{"context": 1, "qas": [{"question": "y"}]}]}]}', "TypeError"),
        (
            b'{"data":[{"paragraphs":[{"context":"x","qas":[{"question":"y","answers":[{"text":3}]}]}]}]}',
            "TypeError",
        ),
        (
            b'{"data": [{"paragraphs": [{"context": "x", "qas": [{"question": "y", "answers": [3]}]}]}]}',
            "TypeError",
        ),
        (b'{"data": []}', "no questions"),
        ('{"data": "问"}'.encode("gbk"), "UnicodeDecodeError"),
    ],
)
def test_files_that_are_no_question_set(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "set.json"
    path.write_bytes(content)
    with pytest.raises(EvaluationFileError) as caught:
        read_squad(path)
    assert caught.value.details["name"] == "set.json"
    assert str(caught.value.details["reason"]).startswith(reason)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(EvaluationFileError) as caught:
        read_squad(tmp_path / "none.json")
    assert caught.value.details == {"name": "none.json", "reason": "No such file or directory"}


@pytest.mark.model
def test_figures(squad: Path, embedder: Embedder, tmp_path: Path) -> None:
    steps: list[str] = []
    report = evaluate_file(load_settings({"data_dir": tmp_path / "data"}), squad, progress=steps.append)
    assert (report["passages"], report["passages_held_out"], report["questions"]) == (6, 0, 7)
    assert (report["recall@1"], report["recall@5"], report["recall@10"], report["mrr@10"]) == (1, 1, 1, 1)
    assert report["quote_contains"] == 1
    assert 5 < report["quote_characters"] < 40
    assert report["refusal"] == {
        "auc": None,
        "f1": None,
        "refused_unanswerable": None,
        "refused_answerable": 0,
    }
    assert set(report["seconds"]) == {"parse", "embed", "index", "search"}
    assert all(value >= 0 for value in report["seconds"].values())
    assert report["seconds"]["embed"] > 0
    assert steps[-1] == "ask 6/6"


@pytest.mark.model
def test_hold_out_by_the_command_line(
    squad: Path, embedder: Embedder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> dict[str, Any]:
        with pytest.raises(SystemExit) as exit_:
            main(["--data-dir", str(tmp_path / "data"), "evaluate", str(squad), "--json", *arguments])
        assert not exit_.value.code
        report: dict[str, Any] = json.loads(capsys.readouterr().out)
        return report

    report = run("--hold-out", "0.5")
    held_out = report["passages_held_out"]
    assert 0 < held_out < 6
    assert report["refusal"]["auc"] == 1
    assert report["refusal"]["refused_unanswerable"] == 1
    assert report["refusal"]["refused_answerable"] == 0
    assert report["refusal"]["f1"] == 1
    assert report["recall@1"] == 1
    assert run("--hold-out", "0.5")["passages_held_out"] == held_out

    limited = run("--limit", "2", "--splitter", "recursive:100:0")
    assert (limited["passages"], limited["questions"]) == (2, 3)


@pytest.mark.model
def test_nothing_left_to_find(squad: Path, embedder: Embedder, tmp_path: Path) -> None:
    settings = load_settings({"data_dir": tmp_path / "data"})
    report = evaluate_file(settings, squad, hold_out=1.0)
    assert (report["passages_held_out"], report["recall@1"], report["mrr@10"]) == (6, None, None)
    assert report["quote_contains"] is None
    assert report["refusal"]["refused_unanswerable"] == 1
    assert set(report["seconds"]) == {"parse", "embed", "index", "search"}
    json.dumps(report, allow_nan=False)


@pytest.mark.model
def test_a_passage_that_cannot_be_stored_counts_as_not_found(embedder: Embedder, tmp_path: Path) -> None:
    passages = {**PASSAGES, " ": [("什么都没有吗？", "有")]}
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(_squad(passages)), encoding="utf-8")
    report = evaluate_file(load_settings({"data_dir": tmp_path / "data"}), path)
    assert (report["passages_failed"], report["passages_held_out"]) == (1, 0)
    assert report["recall@10"] == 0.875
    assert report["refusal"]["refused_unanswerable"] is None


@pytest.mark.model
def test_the_temporary_folder_goes(
    squad: Path, embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    data = tmp_path / "data"
    evaluate_file(load_settings({"data_dir": data}), squad, limit=1)
    assert list(temporary.iterdir()) == []
    assert not data.exists()
