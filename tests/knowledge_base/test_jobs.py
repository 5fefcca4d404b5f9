from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from knowledge_base.chunk_embedding import ChunkEmbedding
from knowledge_base.embedders import Embedders
from knowledge_base.errors import JobNotFoundError, JobStateError, QueueFullError
from knowledge_base.ingestion import Ingestor
from knowledge_base.job_runner import JobRunner
from knowledge_base.page_log import PageLogs
from knowledge_base.stage_times import StageTimes
from knowledge_base.types import JobInfo, JobProgress
from models.errors import ModelUnavailableError
from tests.knowledge_base.doubles import Home, open_home

LEAVE = "员工每年享有十五天年假，须提前申请。"
TRAVEL = "出差住宿标准为每晚五百元，凭票报销。"
DEADLINE = 30.0


@pytest.fixture
def runner(home: Home) -> Iterator[JobRunner]:
    """Works through the jobs of `home` once it is started."""
    made = home.runner()
    yield made
    made.stop()


def wait_for(home: Home, job_id: str, condition: Callable[[JobInfo], bool]) -> JobInfo:
    deadline = time.monotonic() + DEADLINE
    tick = threading.Event()
    while not condition(job := home.queue.job(job_id)):
        assert time.monotonic() < deadline, job
        tick.wait(0.01)
    return job


def ended(home: Home, job_id: str) -> JobInfo:
    return wait_for(home, job_id, lambda job: job.state in {"done", "failed", "cancelled"})


def states(job: JobInfo) -> list[tuple[str, str]]:
    return [(file.name, file.state) for file in job.documents]


def test_a_job_from_its_submission_to_its_end(home: Home, runner: JobRunner) -> None:
    home.add("k", {"old.md": LEAVE})
    job_id = home.submit("k", {"old.md": LEAVE, "new.md": TRAVEL, "bad.md": "DAMAGED"})
    job = home.queue.job(job_id)
    assert (job.knowledge_base, job.state, job.done) == ("k", "queued", 0)
    assert states(job) == [("old.md", "queued"), ("new.md", "queued"), ("bad.md", "queued")]

    runner.start()
    job = ended(home, job_id)
    assert (job.state, job.error, job.stage, job.done) == ("done", "", "", 3)
    assert states(job) == [("old.md", "unchanged"), ("new.md", "ready"), ("bad.md", "failed")]
    old, new, bad = job.documents
    ids = {info.name: info.id for info in home.catalogue.documents(home.key("k").id)}
    assert (old.id, new.id, bad.id) == (ids["old.md"], ids["new.md"], None)
    assert (new.pages, new.chunks, bad.chunks) == (1, 1, 0)
    assert [(problem.code, problem.page) for problem in bad.problems] == [("damaged_file", None)]
    assert home.found(TRAVEL, "k") == {"new.md"}
    with pytest.raises(JobStateError):
        home.queue.retry(job_id)
    with pytest.raises(JobStateError):
        home.queue.cancel(job_id)


def test_a_job_of_failures_alone_has_failed(home: Home, runner: JobRunner) -> None:
    job_id = home.submit("k", {"bad.md": "DAMAGED", "empty.txt": ""})
    runner.start()
    job = ended(home, job_id)
    assert (job.state, job.error) == ("failed", "")


def test_an_unknown_job_is_named(home: Home) -> None:
    for call in (home.queue.job, home.queue.cancel, home.queue.retry):
        with pytest.raises(JobNotFoundError) as caught:
            call("no such job")
        assert caught.value.details == {"id": "no such job"}


def test_the_queue_says_when_it_is_full(home: Home) -> None:
    ids = [home.submit("k", {f"{n}.md": f"第{n}个文件。"}) for n in range(10)]
    with pytest.raises(QueueFullError) as caught:
        home.submit("k", {"more.md": "还有一个文件。"})
    assert caught.value.details == {"maximum": 10}
    assert {job.id for job in home.queue.jobs()} == set(ids)
    stored = [path for path in (home.folder / "files").rglob("*") if path.is_file()]
    assert len(stored) == 10, "the file refused is not kept"
    home.queue.cancel(ids[0])
    home.submit("k", {"more.md": "还有一个文件。"})


def test_jobs_are_taken_in_the_order_of_their_submission(home: Home) -> None:
    ids = [home.submit("k", {f"{n}.md": f"第{n}个文件。"}) for n in range(3)]
    claimed = [job.id for _ in range(3) if (job := home.queue.claim())]
    assert claimed == ids
    assert home.queue.claim() is None
    assert [job.id for job in home.queue.jobs()] == ids[::-1]
    assert [job.id for job in home.queue.jobs(limit=1)] == ids[-1:]
    home.submit("other", {"a.md": "别处的文件。"})
    seen = home.key("k").id
    assert [job.id for job in home.queue.jobs(limit=1, seen=seen.__eq__)] == ids[-1:]


def test_a_waiting_job_that_is_cancelled_never_runs(home: Home, runner: JobRunner) -> None:
    job_id = home.submit("k", {"a.md": LEAVE})
    assert home.queue.cancel(job_id).state == "cancelled"
    assert home.queue.claim() is None
    other = home.submit("k", {"b.md": TRAVEL})
    runner.start()
    ended(home, other)
    assert set(home.texts("k")) == {"b.md"}
    # It may be tried again, with the file that it came with.
    assert home.queue.retry(job_id).state == "queued"
    runner.wake()
    assert states(ended(home, job_id)) == [("a.md", "ready")]
    assert home.found(LEAVE, "k") == {"a.md"}


def test_a_running_job_is_cancelled_between_two_files(
    home: Home, runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knowledge_base.ingestion.COMMIT_CHUNKS", 1)
    monkeypatch.setattr("knowledge_base.job_runner._LOOK_SECONDS", 0.0)
    job_id = home.submit("k", {"a.md": LEAVE, "b.md": TRAVEL, "c.md": "第三个文件。" * 9})

    def cancel(name: str) -> None:
        if name == "b.md":
            wait_for(home, job_id, lambda job: job.done == 1)
            assert home.queue.cancel(job_id).state == "running"

    home.parser.before = cancel
    runner.start()
    job = ended(home, job_id)
    assert job.state == "cancelled"
    assert states(job) == [("a.md", "ready"), ("b.md", "queued"), ("c.md", "queued")]
    assert home.found(LEAVE, "k") == {"a.md"}

    home.parser.before = lambda _: None
    home.queue.retry(job_id)
    runner.wake()
    job = ended(home, job_id)
    assert job.state == "done"
    assert states(job) == [("a.md", "ready"), ("b.md", "ready"), ("c.md", "ready")]
    assert home.found(TRAVEL, "k") == {"b.md"}


def test_what_an_outage_failed_is_tried_again_without_a_restart(home: Home, runner: JobRunner) -> None:
    home.embedder.available = False
    job_id = home.submit("k", {"a.md": LEAVE, "bad.md": "DAMAGED"})
    runner.start()
    job = ended(home, job_id)
    assert states(job) == [("a.md", "failed"), ("bad.md", "failed")]
    assert [problem.code for problem in job.documents[0].problems] == ["model_unavailable"]
    home.embedder.available = True
    home.queue.retry(job.id)
    runner.wake()
    job = ended(home, job.id)
    assert (job.state, states(job)) == ("done", [("a.md", "ready"), ("bad.md", "failed")])
    assert job.documents[0].problems == ()
    assert home.found(LEAVE, "k") == {"a.md"}


def test_an_embedder_that_cannot_even_be_loaded_fails_the_job_until_it_is_back(home: Home) -> None:
    available = False

    def load() -> object:
        if not available:
            raise ModelUnavailableError("the model's folder is being copied")
        return home.embedder

    times = StageTimes()
    embedders = Embedders(home.database, load)  # type: ignore[arg-type]
    ingestor = Ingestor(
        home.catalogue,
        home.files,
        home.indexes,
        parser=home.parser,
        splitter=home.ingestor._splitter,
        embedding=ChunkEmbedding(home.database, embedders, times=times),
        page_logs=PageLogs(home.folder / "pages"),
        times=times,
    )
    runner = JobRunner(home.catalogue, home.queue, ingestor, locks=home.folder / "runners", swept=home.sweep)
    job_id = home.submit("k", {"a.md": LEAVE})
    runner.start()
    try:
        job = ended(home, job_id)
        assert (job.state, job.error) == ("failed", "model_unavailable")
        available = True
        home.queue.retry(job.id)
        runner.wake()
        assert states(ended(home, job.id)) == [("a.md", "ready")]
        assert home.found(LEAVE, "k") == {"a.md"}
    finally:
        runner.stop()


def test_a_job_stopped_with_the_process_goes_on_in_the_next(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knowledge_base.ingestion.COMMIT_CHUNKS", 1)
    runner = home.runner()
    stopping = threading.Thread(target=runner.stop)

    def stop(name: str) -> None:
        if name == "b.md":
            wait_for(home, job_id, lambda job: job.done == 1)
            stopping.start()
            assert runner._stopping.wait(DEADLINE)

    home.parser.before = stop
    job_id = home.submit("k", {"a.md": LEAVE, "b.md": TRAVEL})
    runner.start()
    wait_for(home, job_id, lambda job: job.done == 1 and job.state == "queued")
    stopping.join(DEADLINE)
    assert not stopping.is_alive()
    home.close()

    again = open_home(home.folder)
    second = again.runner()
    second.start()
    job = ended(again, job_id)
    second.stop()
    assert states(job) == [("a.md", "ready"), ("b.md", "ready")]
    assert again.found(TRAVEL, "k") == {"b.md"}
    assert len(again.embedder.embedded) == 1, "what was done is not done again"
    again.close()


def test_a_job_that_was_running_when_the_process_died_goes_on(home: Home, runner: JobRunner) -> None:
    job_id = home.submit("k", {"a.md": LEAVE})
    asked_to_stop = home.submit("k", {"b.md": TRAVEL})
    assert home.queue.claim() is not None
    assert home.queue.claim() is not None
    home.queue.cancel(asked_to_stop)
    assert home.queue.job(job_id).state == "running"
    runner.start()
    assert ended(home, job_id).state == "done"
    assert ended(home, asked_to_stop).state == "cancelled"
    assert set(home.texts("k")) == {"a.md"}


def test_what_fails_unforeseen_ends_its_own_job_only(home: Home, runner: JobRunner) -> None:
    def fail(name: str) -> None:
        if name == "a.md":
            raise ZeroDivisionError

    home.parser.before = fail
    first, second = home.submit("k", {"a.md": LEAVE}), home.submit("k", {"b.md": TRAVEL})
    runner.start()
    job = ended(home, first)
    assert (job.state, job.error) == ("failed", "internal_error")
    assert ended(home, second).state == "done"
    home.parser.before = lambda _: None
    home.queue.retry(first)
    runner.wake()
    assert ended(home, first).state == "done"


def test_deleting_a_knowledge_base_ends_its_jobs_and_no_others(home: Home, runner: JobRunner) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def block(name: str) -> None:
        if name == "a.md":
            reached.set()
            assert go_on.wait(DEADLINE)

    home.parser.before = block
    running = home.submit("k", {"a.md": LEAVE})
    waiting = home.submit("k", {"c.md": "第三个文件。"})
    other = home.submit("other", {"b.md": TRAVEL})
    runner.start()
    assert reached.wait(DEADLINE)
    key, digests = home.catalogue.delete("k")
    home.indexes.drop(key.id)
    home.sweep(digests)
    go_on.set()
    assert ended(home, other).state == "done"
    for gone in (running, waiting):
        with pytest.raises(JobNotFoundError):
            home.queue.job(gone)
    assert home.found(TRAVEL, "other") == {"b.md"}
    stored = [path for path in (home.folder / "files").rglob("*") if path.is_file()]
    assert len(stored) == 1


def test_a_job_over_a_renamed_knowledge_base_goes_on(home: Home, runner: JobRunner) -> None:
    job_id = home.submit("k", {"a.md": LEAVE})
    home.catalogue.update("k", new_name="umbenannt")
    runner.start()
    job = ended(home, job_id)
    assert (job.state, job.knowledge_base) == ("done", "umbenannt")
    assert home.found(LEAVE, "umbenannt") == {"a.md"}


def test_progress_is_noted(home: Home, runner: JobRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge_base.job_runner._LOOK_SECONDS", 0.0)
    noted: list[str] = []
    counted: list[JobProgress] = []

    def note(_id: str, stage: str, progress: JobProgress) -> None:
        noted.append(stage)
        counted.append(progress)

    monkeypatch.setattr(home.queue, "note_progress", note)
    job_id = home.submit("k", {"a.md": LEAVE, "b.md": TRAVEL})
    runner.start()
    job = ended(home, job_id)
    assert noted == ["parse 1/1 a.md", "parse 1/1 b.md", "embed 2/2 b.md", "commit 2/2 b.md"]
    assert [(at.pages_done, at.pages_total, at.chunks) for at in counted] == [
        (1, 2, 0),
        (2, 2, 0),
        (2, 2, 0),
        (2, 2, 0),
    ]
    end = job.progress
    assert (end.pages_done, end.pages_total, end.chunks, end.seconds_left) == (2, 2, 2, 0.0)
    assert end.pages_per_second > 0


@pytest.mark.slow
def test_twenty_files_while_another_knowledge_base_is_searched(home: Home, runner: JobRunner) -> None:
    home.add("searched", {"a.md": LEAVE, "b.md": TRAVEL})
    texts = {f"{n}.md": "".join(chr(0x4E00 + n * 97 + i * 13) for i in range(30)) + "。" for n in range(20)}
    found: list[set[str]] = []
    errors: list[BaseException] = []
    started = threading.Event()

    def search() -> None:
        started.set()
        try:
            found.extend(home.found(LEAVE, "searched") for _ in range(200))
        except BaseException as error:
            errors.append(error)

    searching = threading.Thread(target=search)
    runner.start()
    searching.start()
    assert started.wait(DEADLINE)
    jobs = [home.submit("k", dict([item])) for item in list(texts.items())[:5]]
    jobs.append(home.submit("k", dict(list(texts.items())[5:])))
    runner.wake()
    for job_id in jobs:
        assert {file.state for file in ended(home, job_id).documents} == {"ready"}
        for file in home.queue.job(job_id).documents:  # as soon as the job says so
            assert home.found(texts[file.name], "k") == {file.name}
    searching.join(DEADLINE)
    assert errors == []
    assert found == [{"a.md"}] * 200
    assert set(home.texts("k")) == set(texts)
