"""Reading question sets; and the figures, from the real model, of small ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.cli.main import main
from app.errors import EvaluationCancelledError, EvaluationFileError, SourcesNotFoundError
from app.evaluation.configurations import AS_IT_IS, Matrix
from app.evaluation.evaluator import Evaluator
from app.evaluation.question_sets import Question, read_question_set, sample_set
from app.evaluation.runs import Row, Run
from app.evaluation.squad import Passage, read_squad
from app.service import Service
from app.settings import load_settings
from models.embedder import Embedder
from tests.app.conftest import HANDBOOK, KB, MANUAL, MakeService

pytestmark = pytest.mark.slow

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
ASKED = (
    ("SG-200的最大功耗是多少？", "14W", MANUAL),
    ("旷工到什么程度会被公司开除？", "连续旷工3天", HANDBOOK),
    ("红楼梦的作者是谁？", "", ""),
)


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


def evaluated(data_dir: Path, path: Path, **options: Any) -> Run:
    return Evaluator(load_settings({"data_dir": data_dir})).run(read_question_set(path), **options)


def test_passages_and_empty_questions(tmp_path: Path) -> None:
    path = tmp_path / "set.json"
    data = _squad({"甲文": [("问一？ ", "甲"), (" ", "")], "乙文": []})
    del data["data"][0]["paragraphs"][0]["qas"][1]["answers"]
    path.write_text(json.dumps(data), encoding="utf-8")
    assert read_squad(path) == ([Passage("甲文", (("问一？", ("甲",)),)), Passage("乙文", ())], 1)


def test_a_passage_twice_is_one_document(tmp_path: Path) -> None:
    path = tmp_path / "set.json"
    data = _squad({"甲文": [("问一？", "甲")], "乙文": [("问二？", "乙")]})
    data["data"].append(_squad({"甲文": [("问三？", "文")]})["data"][0])
    path.write_text(json.dumps(data), encoding="utf-8")
    found = read_question_set(path)
    assert found.documents == {"000000.txt": "甲文", "000001.txt": "乙文"}
    assert [q.sources for q in found.questions] == [("000000.txt",), ("000001.txt",), ("000000.txt",)]
    assert found.passages == 3


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
        (b"[" * 100_000, "RecursionError"),
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


def test_a_line_of_a_set_may_hold_other_line_separators(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text('{"question": "几天\u2028？", "answer": "10\x85天"}\r\n', encoding="utf-8", newline="")
    assert read_question_set(path).questions == (Question("几天\u2028？", ("10\x85天",)),)


@pytest.mark.parametrize("name", ["none.json", "none.csv", "none.jsonl"])
def test_a_missing_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(EvaluationFileError) as caught:
        read_question_set(tmp_path / name)
    assert caught.value.details == {"name": name, "reason": "No such file or directory"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("set.csv", "问题,答案,来源\n几天？,10天,手册.md\n谁写的？,,\n,无,x.md\n"),
        ("set.csv", "﻿Source;Answer;Question\n手册.md;10天;几天？\n;;谁写的？\nx.md;无;\n"),
        ("set.tsv", "提问\t标准答案\t文件名\n几天？\t10天\t手册.md\n谁写的？\t\t\n \t无\tx.md\n"),
        (
            "set.jsonl",
            '{"question": "几天？", "answer": "10天", "source": "手册.md"}\n\n'
            '{"问题": "谁写的？", "答案": null, "来源": []}\n{"q": " ", "a": ["无"]}\n',
        ),
        (
            "set.json",
            '{"questions": [{"question": "几天？", "answer": "10天", "document": "手册.md"},'
            '{"question": "谁写的？", "answer": null}, {"question": ""}]}',
        ),
    ],
)
def test_tables_of_questions(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    found = read_question_set(path)
    assert found.questions == (Question("几天？", ("10天",), ("手册.md",)), Question("谁写的？"))
    assert [question.answerable for question in found.questions] == [True, False]
    assert (found.documents, found.empty) == (None, 1)
    assert read_question_set(path, limit=1).questions == found.questions[:1]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("set.csv", "问题,页码\n几天？,3\n", "no columns"),
        ("set.csv", "", "no columns"),
        ("set.csv", "问题,答案\n,无\n", "no questions"),
        ("set.jsonl", '{"question": "x"}\n{"question": 3}\n', "line 2: q: 3 is no text"),
        ("set.jsonl", "[1]\n", "line 1: no object"),
        ("set.jsonl", '{"question"\n', "line 1: Expecting"),
        ("set.jsonl", '{"question": "x"}\n' + '{"a":' * 100_000, "line 2: maximum recursion"),
        ("set.json", "[" * 100_000, "RecursionError"),
    ],
)
def test_tables_that_are_no_question_set(tmp_path: Path, name: str, content: str, reason: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(EvaluationFileError) as caught:
        read_question_set(path)
    assert str(caught.value.details["reason"]).startswith(reason)


def test_the_sample_questions() -> None:
    questions = sample_set().questions
    assert (len(questions), sum(question.answerable for question in questions)) == (60, 45)
    assert questions[0] == Question("我工龄六年，一年有几天年休假？", ("10天",), ("员工手册.md",))


@pytest.mark.model
def test_figures(squad: Path, embedder: Embedder, tmp_path: Path) -> None:
    steps: list[str] = []
    run = evaluated(tmp_path / "data", squad, progress=steps.append)
    (row,) = run.rows
    figures = row.figures
    assert (figures["passages"], figures["passages_held_out"], figures["questions"]) == (6, 0, 7)
    assert [figures[name] for name in ("recall@1", "recall@5", "recall@10", "mrr@10")] == [1, 1, 1, 1]
    assert figures["quote_contains"] >= 0.85
    assert 5 < figures["quote_characters"] < 40
    refused_answerable = figures["refusal"].pop("refused_answerable")
    assert refused_answerable <= 0.15
    assert figures["refusal"] == {"auc": None, "f1": None, "refused_unanswerable": None}
    assert set(figures["seconds"]) == {"parse", "embed", "index", "search"}
    assert all(value >= 0 for value in figures["seconds"].values())
    assert figures["seconds"]["embed"] > 0
    assert steps[-1] == "ask 7/7"
    assert (run.embedder, run.interrupted) == (embedder.fingerprint, False)
    assert len(row.failures) == round(refused_answerable * 7)


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
    assert report["refusal"]["refused_answerable"] <= 0.2
    assert report["refusal"]["f1"] >= 0.8
    assert report["recall@1"] == 1
    assert run("--hold-out", "0.5")["passages_held_out"] == held_out

    limited = run("--limit", "2", "--splitter", "recursive:100:0")
    assert (limited["passages"], limited["questions"]) == (2, 3)
    assert limited["rows"][0]["configuration"]["splitter"] == "recursive:100:0"


@pytest.mark.model
def test_nothing_left_to_find(squad: Path, embedder: Embedder, tmp_path: Path) -> None:
    figures = evaluated(tmp_path / "data", squad, hold_out=1.0).rows[0].figures
    assert (figures["passages"], figures["passages_held_out"]) == (6, 6)
    assert (figures["recall@1"], figures["mrr@10"], figures["quote_contains"]) == (None, None, None)
    assert figures["refusal"]["refused_unanswerable"] == 1
    assert set(figures["seconds"]) == {"parse", "embed", "index", "search"}
    json.dumps(figures, allow_nan=False)


@pytest.mark.model
def test_a_passage_that_cannot_be_stored_counts_as_not_found(embedder: Embedder, tmp_path: Path) -> None:
    passages = {**PASSAGES, " ": [("什么都没有吗？", "有")]}
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(_squad(passages)), encoding="utf-8")
    figures = evaluated(tmp_path / "data", path).rows[0].figures
    assert (figures["passages"], figures["passages_failed"], figures["passages_held_out"]) == (7, 1, 0)
    assert figures["recall@10"] == 0.875
    assert figures["refusal"]["refused_unanswerable"] is None


@pytest.mark.model
def test_the_temporary_folder_goes(
    squad: Path, embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    data = tmp_path / "data"

    def interrupt(text: str) -> None:
        if text.startswith("ask 3/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluated(data, squad, progress=interrupt)
    assert [path.name for path in temporary.iterdir() if path.name.startswith("zhiwen-evaluation")] == []
    assert not data.exists()


@pytest.mark.model
def test_a_matrix_asks_every_combination(squad: Path, embedder: Embedder, tmp_path: Path) -> None:
    steps: list[str] = []
    matrix = Matrix(
        splitters=("chinese:480:80", "recursive:100:0"),
        weights=((1.0, 1.0), (1.0, 0.0)),
        thresholds=(0.0, 1.0),
        top_ks=(1, 5),
    )
    run = evaluated(tmp_path / "data", squad, matrix=matrix, hold_out=0.5, progress=steps.append)
    labels = [row.configuration.label for row in run.rows]
    assert len(labels) == len(set(labels)) == 16
    assert labels[:2] == ["chinese:480:80 t=0 k=1", "chinese:480:80 t=0 k=5"]
    assert labels[-1] == "recursive:100:0 w=1:0 t=1 k=5"
    for row in run.rows:
        refused = row.configuration.threshold == 1
        assert row.figures["refusal"]["refused_answerable"] == refused
        assert row.figures["recall@1"] == 1
    assert sum(step == "ask 1/7" for step in steps) == 4
    parsed = [step for step in steps if step.startswith("parse")]
    assert len(parsed) == 2 * (6 - run.rows[0].figures["passages_held_out"])


@pytest.mark.model
def test_cancelled_it_keeps_the_rows_that_were_done(squad: Path, embedder: Embedder, tmp_path: Path) -> None:
    rows: list[Row] = []
    matrix = Matrix(splitters=("chinese:480:80", "recursive:100:0"))
    run = evaluated(
        tmp_path / "data", squad, matrix=matrix, finished=rows.append, cancelled=lambda: bool(rows)
    )
    assert (len(run.rows), run.interrupted) == (1, True)
    with pytest.raises(EvaluationCancelledError):
        evaluated(tmp_path / "data", squad, cancelled=lambda: True)


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    path = tmp_path / "asked.csv"
    rows = ["问题,答案,来源", *(",".join(row) for row in ASKED)]
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


@pytest.mark.model
def test_a_table_is_asked_of_a_knowledge_base(service: Service, asked: Path) -> None:
    run = Evaluator(service.settings, service).run(read_question_set(asked), knowledge_bases=[KB])
    figures = run.rows[0].figures
    assert run.rows[0].configuration.splitter == AS_IT_IS
    assert (figures["passages"], figures["questions"]) == (4, 3)
    assert (figures["recall@1"], figures["mrr@10"]) == (1, 1)
    assert figures["refusal"]["refused_unanswerable"] == 1
    assert figures["refusal"]["auc"] == 1


@pytest.mark.model
def test_what_is_held_out_of_a_knowledge_base_is_not_searched(service: Service, asked: Path) -> None:
    run = Evaluator(service.settings, service).run(
        read_question_set(asked), knowledge_bases=[KB], hold_out=1.0
    )
    figures = run.rows[0].figures
    assert (figures["passages"], figures["passages_held_out"], figures["recall@1"]) == (4, 4, None)
    assert figures["refusal"]["refused_unanswerable"] == 1


@pytest.mark.model
def test_another_splitter_leaves_the_knowledge_base_as_it_is(
    service: Service, embedder: Embedder, asked: Path
) -> None:
    before = service.documents(KB)
    run = Evaluator(service.settings, service).run(
        read_question_set(asked), knowledge_bases=[KB], matrix=Matrix(splitters=("chinese:200:40",))
    )
    assert run.rows[0].configuration.splitter == "chinese:200:40"
    assert run.rows[0].figures["recall@10"] == 1
    assert service.documents(KB) == before
    assert [info.name for info in service.knowledge_bases()] == [KB]


@pytest.mark.model
def test_without_a_source_a_hit_that_holds_the_answer_is_right(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "asked.jsonl"
    path.write_text(
        '{"question": "旷工到什么程度会被公司开除？", "answer": "连续旷工 3 天"}\n', encoding="utf-8"
    )
    evaluator = Evaluator(service.settings, service)
    run = evaluator.run(read_question_set(path), knowledge_bases=[KB])
    assert run.rows[0].figures["recall@1"] == 1
    with pytest.raises(EvaluationFileError):
        evaluator.run(read_question_set(path), knowledge_bases=[KB], hold_out=0.5)


@pytest.mark.parametrize("knowledge_bases", [[], [KB]])
def test_sets_that_do_not_go_with_the_knowledge_bases(
    tmp_path: Path, squad: Path, asked: Path, knowledge_bases: list[str]
) -> None:
    path = squad if knowledge_bases else asked
    with pytest.raises(EvaluationFileError) as caught:
        evaluated(tmp_path / "data", path, knowledge_bases=knowledge_bases)
    assert "--kb" in str(caught.value.details["reason"])


@pytest.mark.model
def test_a_source_that_is_not_there(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "asked.csv"
    path.write_text("问题,来源\n几天？,没有.md\n", encoding="utf-8")
    with pytest.raises(SourcesNotFoundError) as caught:
        Evaluator(service.settings, service).run(read_question_set(path), knowledge_bases=[KB])
    assert caught.value.details["documents"] == "没有.md"


@pytest.mark.model
@pytest.mark.parametrize("splitters", [(), ("chinese:200:40",)])
def test_a_source_is_named_without_the_folder_it_came_with(
    make_service: MakeService, tmp_path: Path, splitters: tuple[str, ...]
) -> None:
    service = make_service()
    service.create_knowledge_base(KB)
    texts = {"甲/假期.md": "年假为十天。", "乙/假期.md": "年假为五天。", "乙/打印.md": "彩印须经主管批准。"}
    service.ingest(KB, [service.store(name, [text.encode()]) for name, text in texts.items()])
    path = tmp_path / "asked.csv"
    path.write_text("问题,来源\n彩印要谁批准？,打印.md\n", encoding="utf-8")
    evaluator = Evaluator(service.settings, service)
    matrix = Matrix(splitters=splitters) if splitters else Matrix()
    run = evaluator.run(read_question_set(path), knowledge_bases=[KB], matrix=matrix)
    assert run.rows[0].figures["recall@1"] == 1
    held = evaluator.run(read_question_set(path), knowledge_bases=[KB], matrix=matrix, hold_out=1)
    assert held.rows[0].figures["recall@1"] is None
    path.write_text("问题,来源\n年假几天？,假期.md\n", encoding="utf-8")  # one of two
    with pytest.raises(SourcesNotFoundError):
        evaluator.run(read_question_set(path), knowledge_bases=[KB], matrix=matrix)
