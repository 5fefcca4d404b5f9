"""Runs: kept, found again, compared, and shown as a page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from app.cli.main import main
from app.cli.reports import run_text
from app.errors import EvaluationRunNotFoundError, EvaluationRunsDifferError, SettingsError
from app.evaluation.comparison import comparable, compare
from app.evaluation.configurations import Configuration, Matrix, matrix_of, splitter_settings
from app.evaluation.figures import Outcome, curve, figures, recalls
from app.evaluation.question_sets import Question
from app.evaluation.report import html_report
from app.evaluation.runs import LAST, Failure, Found, Row, Run, RunStore
from app.settings import SplitterSettings, load_settings

FOUND = Outcome(True, 1, 0.9, False, True, 40)
LOW = Outcome(True, 3, 0.6, False, False, 50)
LOST = Outcome(True, 0, 0.2, True, False, 0)
REFUSED = Outcome(False, 0, 0.1, True, None, 0)
TAKEN_IN = Outcome(False, 0, 0.7, False, None, 30)

CONFIGURATION = Configuration(splitter="chinese:480:80", dense=1, keyword=1, threshold=0.3, top_k=5)
HOSTILE = "<script>alert(1)</script>"


def row(*outcomes: Outcome, **changes: Any) -> Row:
    return Row(replace(CONFIGURATION, **changes), {"passages": 3, **figures(outcomes)}, outcomes)


def run(*rows: Row, **changes: Any) -> Run:
    made = Run(
        date="2026-01-02T03:04:05+00:00",
        version="1",
        question_set="问题.json",
        digest="d",
        knowledge_bases=(),
        hold_out=0.5,
        limit=None,
        embedder="e5",
        settings={"retrieval": {"top_k": 5}},
        machine={"processors": 2},
        interrupted=False,
        questions=tuple(
            Question(f"问题{number}？", ("答",), ("文.md",)) for number in range(len(rows[0].outcomes))
        ),
        rows=rows,
    )
    return replace(made, **changes)


def test_figures_of_outcomes() -> None:
    assert figures((FOUND, LOW, LOST, REFUSED, TAKEN_IN)) == {
        "recall@1": 0.3333,
        "recall@5": 0.6667,
        "recall@10": 0.6667,
        "mrr@10": 0.4444,
        "quote_contains": 0.3333,
        "quote_characters": 45.0,
        "refusal": {
            "auc": 0.6667,
            "f1": 0.5,
            "refused_unanswerable": 0.5,
            "refused_answerable": 0.3333,
        },
    }
    assert recalls((FOUND, LOW))[:4] == [0.5, 0.5, 1, 1]
    assert recalls((REFUSED,)) == []
    points = curve((FOUND, REFUSED))
    assert (len(points), points[0].refused_unanswerable, points[-1].refused_answerable) == (51, 0, 1)
    assert curve((FOUND,)) == []


def test_a_better_outcome_is_worth_more() -> None:
    assert FOUND.worth > LOW.worth > LOST.worth
    assert REFUSED.worth > TAKEN_IN.worth
    assert replace(LOW, rank=2).worth > LOW.worth > replace(LOW, rank=0).worth


def test_a_run_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "evaluations")
    failure = Failure(0, (Found("文.md", 3, 0.5, "正文"),), "引文")
    kept = store.save(run(replace(row(FOUND, REFUSED), failures=(failure,)), knowledge_bases=("制度",)))
    assert kept.id == "20260102T030405Z"
    assert store.run(kept.id) == kept
    again = store.save(run(row(FOUND, REFUSED)))
    assert again.id == "20260102T030405Z-2"
    assert [found.id for found in store.runs()] == [again.id, kept.id]
    assert store.run(LAST) == again
    assert store.last(lambda found: found.knowledge_bases == ("制度",)) == kept


@pytest.mark.parametrize("name", ["20260102T030405Z", "../settings", "last", "", "x"])
def test_a_run_that_is_not_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "settings.json").write_text("{}", encoding="utf-8")
    with pytest.raises(EvaluationRunNotFoundError):
        RunStore(tmp_path / "evaluations").run(name)


def test_files_of_another_version_are_passed_over(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    kept = store.save(run(row(FOUND)))
    content = json.loads((tmp_path / f"{kept.id}.json").read_text(encoding="utf-8"))
    (tmp_path / "20270101T000000Z.json").write_text(json.dumps({**content, "schema": 2}), encoding="utf-8")
    (tmp_path / "20270101T000001Z.json").write_text("{", encoding="utf-8")
    assert store.runs() == [kept]
    with pytest.raises(EvaluationRunNotFoundError):
        store.run("20270101T000000Z")


def test_differences_and_regressions() -> None:
    before = run(row(FOUND, FOUND, REFUSED), id="1")
    now = run(row(FOUND, LOW, REFUSED), id="2")
    (compared,) = compare(now, before)
    assert {d.metric for d in compared.regressions} == {"recall@1", "mrr@10", "quote_contains"}
    change = {d.metric: d.change for d in compared.differences}
    assert (change["recall@1"], change["recall@5"], change["refusal.auc"]) == (-0.5, 0, 0)
    assert (compared.worse, compared.better) == ((1,), ())
    assert compare(before, now)[0].regressions == ()
    assert compare(before, now)[0].better == (1,)
    assert compare(now, before, tolerance=0.5)[0].regressions == ()
    assert {d.metric for d in compare(now, before, tolerance=0.499)[0].regressions} == {
        "recall@1",
        "quote_contains",
    }


def test_more_false_refusals_are_a_regression() -> None:
    before, now = run(row(FOUND, LOW, REFUSED)), run(row(FOUND, LOST, REFUSED))
    assert "refusal.refused_answerable" in {d.metric for d in compare(now, before)[0].regressions}


def test_rows_are_compared_by_configuration() -> None:
    before = run(row(FOUND, threshold=0.1), row(FOUND, threshold=0.2), id="1")
    now = run(row(LOST, threshold=0.2), row(FOUND, threshold=0.4), id="2")
    (compared,) = compare(now, before)
    assert compared.now.threshold == compared.before.threshold == 0.2
    assert compared.worse == (0,)
    assert comparable(now, before)
    assert not comparable(now, now)
    single = run(row(FOUND, threshold=0.9), id="3")
    assert compare(run(row(FOUND), id="4"), single)[0].before.threshold == 0.9
    with pytest.raises(EvaluationRunsDifferError):
        compare(now, single)
    with pytest.raises(EvaluationRunsDifferError):
        compare(now, replace(before, hold_out=0.0))


def test_a_matrix_from_options_and_a_file(tmp_path: Path) -> None:
    settings = load_settings({"data_dir": tmp_path})
    file = tmp_path / "matrix.toml"
    file.write_text(
        'splitters = ["chinese", "recursive"]\nchunk_sizes = [100, 300]\noverlaps = [60]\n'
        'weights = ["1:0.5"]\nthresholds = [0.1, 0.1, 0.2]\ntop_k = [3]\n',
        encoding="utf-8",
    )
    assert matrix_of(settings, file=file) == Matrix(
        splitters=("chinese:300:60", "recursive:300:60"),
        weights=((1.0, 0.5),),
        thresholds=(0.1, 0.2),
        top_ks=(3,),
    )
    given = matrix_of(settings, file=file, splitters=["chinese:200"], weights=["0:1"], thresholds=[0.5])
    assert given == Matrix(
        splitters=("chinese:200:80",), weights=((0.0, 1.0),), thresholds=(0.5,), top_ks=(3,)
    )
    assert matrix_of(settings) == Matrix()


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ("splitter = []", "splitter"),
        ('thresholds = ["x"]', "thresholds.0"),
        ("thresholds = [1.5]", "thresholds"),
        ("thresholds = [nan]", "thresholds"),
        ("top_k = [0]", "top_k"),
        ('weights = ["1"]', "weights"),
        ('weights = ["0:0"]', "weights"),
        ('weights = ["nan:1"]', "weights"),
        ('splitters = ["none:1:1"]', "splitter.name"),
        ('splitters = ["chinese:100:60"]', "splitter.overlap"),
        ("[", "matrix.toml"),
    ],
)
def test_a_matrix_that_is_none(tmp_path: Path, content: str, key: str) -> None:
    file = tmp_path / "matrix.toml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        matrix_of(load_settings({"data_dir": tmp_path}), file=file)
    assert str(caught.value.details["key"]).endswith(key)


def test_missing_parts_of_a_splitter_are_those_of_the_settings() -> None:
    base = SplitterSettings(chunk_size=300, overlap=30)
    assert splitter_settings("recursive", base) == SplitterSettings(
        name="recursive", chunk_size=300, overlap=30
    )


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.slow
def test_the_page_asks_for_nothing_and_escapes_everything() -> None:
    hostile = Failure(0, (Found(HOSTILE, None, 0.5, HOSTILE),), HOSTILE)
    shown = run(
        replace(row(LOST, FOUND, REFUSED), failures=(hostile,)),
        row(FOUND, FOUND, TAKEN_IN, threshold=0.5),
        questions=(Question(HOSTILE, (HOSTILE,), (HOSTILE,)), Question("二？", ("答",)), Question("三？")),
        question_set=HOSTILE,
        knowledge_bases=(HOSTILE,),
    )
    before = run(*(row(FOUND, FOUND, REFUSED, threshold=t) for t in (0.3, 0.5)), id=HOSTILE)
    compared = compare(replace(shown, knowledge_bases=()), before)
    text = html_report(shown, language="en", before=before, compared=compared)
    page = _Page()
    page.feed(text)
    tags = {tag for tag, _ in page.tags}
    assert "script" not in tags
    assert HOSTILE not in text
    assert not {"link", "img", "iframe", "object"} & tags
    attributes = [(name, value) for _, attrs in page.tags for name, value in attrs.items()]
    assert not [value for name, value in attributes if name in {"src", "href"} and "#" not in str(value)]
    assert "url(http" not in text
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in attributes
    assert sum(tag == "svg" for tag, _ in page.tags) == 3
    assert "var(--series-1)" in text
    assert not re.search(r"#0[0a]0[0a]0[1-9]", text)
    assert "Questions that got worse" in text
    assert "变差的问题" in text
    identifiers = [value for name, value in attributes if name == "id"]
    assert len(identifiers) == len(set(identifiers))


def test_a_page_without_answerable_questions() -> None:
    assert "No question could be answered" in html_report(run(row(REFUSED, TAKEN_IN)))


def test_texts_for_the_terminal() -> None:
    lines = run_text(run(row(FOUND, REFUSED), row(LOST, REFUSED, threshold=0.9), id="1")).splitlines()
    assert lines[2].startswith(" chinese:480:80 t=0.3 k=5") or lines[2].startswith("chinese:480:80 t=0.3 k=5")
    assert lines[-1] == "run 1"
    single = run_text(run(row(FOUND, REFUSED), id="1"))
    assert re.search(r"^refusal\.refused_unanswerable +1\.0$", single, re.MULTILINE)


def _zhiwen(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    with pytest.raises(SystemExit) as exit_:
        main(["--data-dir", str(folder), "evaluate", *arguments, "--json"])
    return int(exit_.value.code or 0), json.loads(capsys.readouterr().out)


def test_kept_runs_by_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = RunStore(tmp_path / "evaluations")
    first = store.save(run(row(FOUND, FOUND, REFUSED)))
    second = store.save(run(row(FOUND, LOST, REFUSED), date="2026-02-02T03:04:05+00:00"))
    status, listed = _zhiwen(capsys, tmp_path, "--list")
    assert (status, [entry["run"] for entry in listed["runs"]]) == (0, [second.id, first.id])
    status, shown = _zhiwen(capsys, tmp_path, "--show", first.id)
    assert (status, shown["run"], shown["recall@1"]) == (0, first.id, 1)
    report = tmp_path / "report.html"
    status, shown = _zhiwen(capsys, tmp_path, "--show", "last", "--compare", "last", "--report", str(report))
    assert (status, shown["comparison"]["run"], shown["comparison"]["regression"]) == (3, first.id, True)
    assert shown["comparison"]["rows"][0]["worse"] == ["问题1？"]
    assert first.id in report.read_text(encoding="utf-8")
    status, shown = _zhiwen(capsys, tmp_path, "--show", second.id, "--compare", "last", "--tolerance", "0.6")
    assert status == 0
    status, failed = _zhiwen(capsys, tmp_path, "--show", "none")
    assert (status, failed["error"]["code"]) == (1, "evaluation_run_not_found")
    status, failed = _zhiwen(capsys, tmp_path)
    assert (status, failed["error"]["code"]) == (2, "usage")
