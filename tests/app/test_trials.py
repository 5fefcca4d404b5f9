"""What the pages try out: weights of a search, a splitter, evaluations beside everything else."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from app.errors import EvaluationCancelledError, EvaluationRunningError, ForbiddenError
from app.evaluation.background import Evaluations
from app.evaluation.configurations import matrix_of
from app.evaluation.evaluator import Evaluator
from app.evaluation.question_sets import Question, QuestionSet
from app.logs import RecentProblems
from app.pages.amounts import duration_text, moment_html, size_text
from app.pages.evaluation_html import best_row, run_html, status_html
from app.pages.trial_html import found_html
from app.pages.tuning import Tuning, tuning_html, tuning_of
from app.rights import Access, for_access
from app.settings import SplitterSettings
from tests.app.conftest import KB, MakeService

RULES = """# 车辆

## 限速

园区内机动车限速每小时十五公里。

## 停放

访客车辆停放在南门停车场。
"""
SET = QuestionSet(
    "问题.csv",
    "0" * 64,
    (
        Question("园区内机动车限速多少？", ("十五公里",), ("车辆.md",)),
        Question("食堂几点开门？"),
    ),
)


def _filled(make_service: MakeService) -> Any:
    service = make_service()
    service.create_knowledge_base(KB)
    service.ingest(KB, [service.store("车辆.md", [RULES.encode()])])
    return service


def test_weights_change_the_relevance_of_one_search_alone(make_service: MakeService) -> None:
    service = _filled(make_service)

    def scores(**options: Any) -> list[tuple[float, float, float]]:
        hits = service.search("机动车限速多少？", [KB], threshold=0.0, **options)
        return [(hit.score, hit.dense_score, hit.keyword_score) for hit in hits]

    plain = scores()
    (score, dense, keyword), *_ = scores(weights=(1.0, 0.0))
    assert score < plain[0][0]  # nothing speaks for it but its meaning
    assert (dense, keyword) == plain[0][1:]
    assert scores(weights=(1.0, 1.0)) == plain


def test_a_splitter_is_tried_without_a_trace(make_service: MakeService, monkeypatch: Any) -> None:
    service = _filled(make_service)
    (info,) = service.documents(KB)
    small = service.splitting.split(KB, info.id, SplitterSettings(chunk_size=50, overlap=0))
    monkeypatch.setattr(service.splitting, "_parse", None)  # the second time nothing is read
    large = service.splitting.split(KB, info.id, SplitterSettings(chunk_size=500, overlap=0))
    assert [chunk.text for chunk in small.chunks][-1].endswith("访客车辆停放在南门停车场。")
    assert all(len(chunk.text) <= 50 for chunk in small.chunks)
    assert len(small.chunks) >= len(large.chunks)
    assert (small.pages, small.partly) == (1, False)
    assert [chunk.text for _, chunk in service.document_chunks(KB, info.id)] != []
    assert service.document(KB, info.id).chunks == info.chunks


def test_an_evaluation_runs_beside_and_is_kept(make_service: MakeService) -> None:
    service = _filled(make_service)
    evaluations = Evaluations(service.settings, service)
    matrix = matrix_of(service.settings, thresholds=[1.0, 0.2])
    evaluations.start(SET, matrix=matrix, knowledge_bases=[KB])
    _ended(evaluations)
    status = evaluations.status()
    assert (status.running, status.rows, status.of, status.error) == (False, 2, 2, None)
    run = evaluations.run(status.run)
    assert [round(row.right, 2) for row in run.rows] == [0.5, 1.0]  # the strict one refuses everything
    assert best_row(run.rows) == 1
    html = run_html(run, "zh")
    assert html.count("最好") == 1
    assert "相关度 ≥ 0.20 · 5 个片段" in html
    assert [kept.id for kept in evaluations.runs()] == [run.id]


def test_one_evaluation_at_a_time_and_a_cancelled_one_says_so(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make_service()
    evaluations = Evaluations(service.settings, service)
    begun = threading.Event()

    def run(self: Evaluator, *_: Any, progress: Any, cancelled: Any, **__: Any) -> None:
        progress("ask 1/60")
        begun.set()
        while not cancelled():
            threading.Event().wait(0.005)
        raise EvaluationCancelledError("cancelled")

    monkeypatch.setattr(Evaluator, "run", run)
    evaluations.start(SET, matrix=matrix_of(service.settings), knowledge_bases=[KB])
    assert begun.wait(60)
    assert "提问 1/60" in status_html(evaluations.status(), "zh")
    with pytest.raises(EvaluationRunningError):
        evaluations.start(SET, matrix=matrix_of(service.settings))
    evaluations.cancel()
    _ended(evaluations)
    assert isinstance(evaluations.status().error, EvaluationCancelledError)
    assert 'role="alert"' in status_html(evaluations.status(), "zh")


def _ended(evaluations: Evaluations) -> None:
    for thread in threading.enumerate():
        if thread.name == "evaluation":
            thread.join(timeout=120)
    assert not evaluations.status().running


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "[]",
        "null",
        '{"top_k": 0, "threshold": null, "dense": 1, "keyword": 1}',
        '{"top_k": 5, "threshold": 2, "dense": 1, "keyword": 1}',
        '{"top_k": 5, "threshold": NaN, "dense": 1, "keyword": 1}',
        '{"top_k": 5, "threshold": 0.5, "dense": 0, "keyword": 0}',
        '{"top_k": 1e999, "threshold": 0.5, "dense": 1, "keyword": 1}',
        '{"top_k": 5, "threshold": 0.5, "dense": Infinity, "keyword": 1}',
    ],
)
def test_what_a_browser_has_kept_is_used_only_when_it_can_be(kept: str) -> None:
    assert tuning_of(kept) == Tuning()


def test_what_was_applied_comes_back_and_says_what_differs() -> None:
    tuning = Tuning(8, 0.25, 1.0, 0.5)
    assert tuning_of(tuning.as_json()) == tuning
    html = tuning_html(tuning, "zh")
    assert "8 个片段 · 相关度 ≥ 0.25 · 语义 × 1，关键词 × 0.5" in html
    assert tuning_html(Tuning(), "zh") == '<span data-tuning=""></span>'


def test_the_words_of_a_query_are_marked_in_either_script() -> None:
    html = found_html("<機動車>的限速", "机动车限速多少？")
    assert html == "&lt;<mark>機動車</mark>&gt;的<mark>限速</mark>"
    assert found_html("午餐在食堂", "午饭几点？") == "<mark>午餐</mark>在食堂"
    assert found_html("ﬁ<x>", "机动车") == "ﬁ&lt;x&gt;"  # folded, it has another length


def test_amounts() -> None:
    sizes = [0, 999, 1000, 99_400, 99_600, 999_400, 999_600, 3_400_000_000]
    assert [size_text(size) for size in sizes] == [
        *("0 B", "999 B", "1.0 kB", "99.4 kB", "100 kB", "999 kB", "1.0 MB", "3.4 GB"),
    ]
    assert [duration_text(seconds, "zh") for seconds in (0, 59, 90, 7200)] == [
        *("1 秒", "59 秒", "2 分钟", "2 小时"),
    ]
    assert 'datetime="2026-11-21T10:00:00+00:00"' in moment_html(
        datetime(2026, 11, 21, 10, tzinfo=timezone.utc)
    )


def test_the_newest_problems_are_kept_without_what_errors_say() -> None:
    problems = RecentProblems(most=2)
    logger = logging.Logger("app.test")
    logger.addHandler(problems)
    logger.info("nothing")
    for n in range(3):
        logger.warning("problem %d: %s", n, ValueError("secret"))
    first, second = problems.lines()
    assert "problem 2: ValueError" in first
    assert "problem 1" in second
    assert "secret" not in first + second


def test_the_disk_by_parts(make_service: MakeService) -> None:
    service = _filled(make_service)
    disk = service.operations.disk()
    assert disk.parts["files"] == len(RULES.encode())
    assert {"catalogue.db", "files"} <= set(disk.parts)
    assert list(disk.parts.values()) == sorted(disk.parts.values(), reverse=True)
    assert 0 < disk.free <= disk.total


def test_what_others_may_not_see_of_the_system(make_service: MakeService) -> None:
    service = _filled(make_service)
    reader = for_access(service, Access("k", "reader", frozenset({service.key(KB).id})))
    (info,) = service.documents(KB)
    assert reader.splitting.split(KB, info.id, SplitterSettings()).chunks
    for name in ("integrity", "keys", "operations"):
        with pytest.raises(ForbiddenError):
            getattr(reader, name)


def test_admins_alone_reach_what_is_theirs() -> None:
    from app.pages.rights import for_admins

    class Reader:
        @property
        def keys(self) -> None:
            raise ForbiddenError("no", role="admin")

    target = SimpleNamespace(problems=lambda: ["secret"])
    with pytest.raises(ForbiddenError):
        for_admins(target, Reader()).problems()  # type: ignore[arg-type]
    admin: Any = SimpleNamespace(keys=None)
    assert for_admins(target, admin).problems() == ["secret"]
