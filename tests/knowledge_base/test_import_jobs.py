"""Imports as jobs: queued, worked on, cancelled, tried again, gone on with after a kill."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from knowledge_base.errors import KnowledgeBaseExistsError, PackageError, QueueFullError
from knowledge_base.import_jobs import KIND, ImportJobs
from knowledge_base.importing import Importer
from knowledge_base.job_runner import JobControl, JobRunner
from knowledge_base.types import JobInfo
from tests.knowledge_base.doubles import Home, open_home, sections
from tests.knowledge_base.test_transfer import exporter, importer

TEXTS = {"a.md": sections("年假每年十天。", "病假须交证明。"), "b.md": sections("报销须附发票。")}
MAX_BYTES = 10_000_000


class Killed(BaseException):
    """Ends a thread as a kill would: nothing tidies up."""


def import_jobs(home: Home) -> ImportJobs:
    return ImportJobs(
        home.catalogue, importer(home), home.files, home.queue, swept=home.sweep, wake=lambda: None
    )


def submit(home: Home, package: Path, name: str | None = None) -> JobInfo:
    with package.open("rb") as stream:
        return import_jobs(home).submit(stream, name=name, max_bytes=MAX_BYTES)


def work(home: Home) -> JobControl:
    """Take the next job and do it, in this thread."""
    job = home.queue.claim()
    assert job is not None and job.kind == KIND
    control = JobControl(job, home.queue, threading.Event())
    import_jobs(home).work(control)
    return control


def names(home: Home) -> list[str]:
    """Also those that no listing shows."""
    keys = home.catalogue.keys()
    return [key.name for key in keys]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    home = open_home(tmp_path / "other")
    home.add("制度", TEXTS)
    exporter(home).export("制度", tmp_path / "x.zhiwen")
    home.close()
    return tmp_path / "x.zhiwen"


def test_a_job_takes_a_package_in(home: Home, package: Path) -> None:
    job = submit(home, package)
    package.unlink()  # it was copied
    assert (job.knowledge_base, job.state, job.documents[0].name) == ("制度", "queued", "制度")
    assert home.catalogue.knowledge_bases() == []
    control = work(home)
    assert home.found("年假", "制度") == {"a.md"}
    assert home.embedder.embedded == []
    progress = control.meter.progress()
    assert (progress.pages_done, progress.pages_total) == (5, 5)  # two documents, three chunks
    (event,) = [event for event in home.queue.events(job.id) if event.kind == "imported"]
    assert {key: event.details[key] for key in ("documents", "chunks", "embedded")} == {
        "documents": 2,
        "chunks": 3,
        "embedded": 0,
    }
    ended = home.queue.job(job.id)
    assert (ended.knowledge_base, ended.documents[0].state) == ("制度", "ready")
    assert ended.knowledge_base_id == home.key("制度").id == job.knowledge_base_id


def test_the_runner_does_it(home: Home, package: Path) -> None:
    job = submit(home, package, "制度 2")
    runner = JobRunner(
        home.catalogue,
        home.queue,
        home.ingestor,
        locks=home.folder / "runners",
        swept=home.sweep,
        others={KIND: import_jobs(home).work},
    )
    runner.start()
    tick = threading.Event()
    while home.queue.job(job.id).state in {"queued", "running"}:
        tick.wait(0.01)
    runner.stop()
    assert home.queue.job(job.id).state == "done"
    assert home.found("报销须附发票", "制度 2") == {"b.md"}
    stored = {path.name for path in (home.folder / "files").glob("??/*")}
    assert stored == home.catalogue.referenced()  # the package is gone


def test_what_shows_at_a_look_is_refused_at_once(home: Home, package: Path, tmp_path: Path) -> None:
    (tmp_path / "no").write_bytes(b"no package")
    with pytest.raises(PackageError):
        submit(home, tmp_path / "no")
    home.catalogue.create("制度")
    with pytest.raises(KnowledgeBaseExistsError):
        submit(home, package)
    assert home.queue.jobs() == []
    assert names(home) == ["制度"]


def test_what_is_found_only_on_reading_is_the_files_problem(home: Home, package: Path) -> None:
    data = bytearray(package.read_bytes())
    at = data.index("年假每年十天".encode())
    data[at : at + 3] = "事".encode()
    package.write_bytes(data)
    job = submit(home, package)
    work(home)
    (file,) = home.queue.job(job.id).documents
    assert (file.state, file.problems[0].code) == ("failed", "invalid_package")
    assert home.catalogue.knowledge_bases() == []
    assert home.catalogue.referenced() == set()


def test_a_full_queue_leaves_nothing(home: Home, package: Path) -> None:
    for number in range(10):
        home.submit("k", {f"{number}.md": f"第{number}份。"})
    with pytest.raises(QueueFullError):
        submit(home, package)
    assert names(home) == ["k"]
    assert len(list((home.folder / "files").glob("??/*"))) == 10


def test_cancelled_it_leaves_nothing_and_can_be_tried_again(
    home: Home, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(home, package)
    with monkeypatch.context() as patch:
        patch.setattr(Importer, "_publish", lambda *_: _raise(KnowledgeBaseExistsError("taken", name="制度")))
        work(home)
    (file,) = home.queue.job(job.id).documents
    assert (file.state, file.problems[0].code) == ("failed", "knowledge_base_exists")
    assert home.catalogue.knowledge_bases() == []
    with home.database.read() as connection:
        held = connection.exec_driver_sql("SELECT count(*) FROM documents").scalar()
    assert held == 0
    assert importer(home).clear_left() == 0  # the job may be tried again
    home.queue.end(job.id, "failed")
    home.queue.retry(job.id)
    work(home)
    assert home.found("年假", "制度") == {"a.md"}


def test_killed_when_all_is_done_but_said_it_is_done(home: Home, package: Path) -> None:
    job = submit(home, package)
    work(home)
    home.close()
    again = open_home(home.folder)
    assert again.queue.requeue_interrupted() == 1
    assert work(again).job.files == ()
    assert again.queue.job(job.id).documents[0].state == "ready"
    assert again.found("年假", "制度") == {"a.md"}
    again.close()


@pytest.mark.parametrize("at", ["_publish", "fill"])
def test_killed_it_begins_anew(home: Home, package: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    job = submit(home, package)
    with monkeypatch.context() as patch:
        # A kill does not let what was begun be taken back.
        patch.setattr(Importer, "_empty", lambda *_: None)
        if at == "_publish":
            patch.setattr(Importer, at, lambda *_: _raise(Killed()))
        else:
            patch.setattr(home.queue, "note", lambda *_, **__: _raise(Killed()))
        with pytest.raises(Killed):
            work(home)
    assert {info.name for info in home.catalogue.knowledge_bases()} == ({"制度"} if at == "fill" else set())
    home.close()
    again = open_home(home.folder)
    assert importer(again).clear_left() == 0
    assert again.queue.requeue_interrupted() == 1
    work(again)
    assert again.queue.job(job.id).documents[0].state == "ready"
    assert [(info.name, info.documents, info.chunks) for info in again.catalogue.knowledge_bases()] == [
        ("制度", 2, 3)
    ]
    assert again.found("年假", "制度") == {"a.md"}
    again.close()


def test_what_a_forgotten_job_was_to_fill_goes(home: Home, package: Path) -> None:
    job = submit(home, package)
    home.queue.cancel(job.id)
    assert home.queue.prune(keep=0, days=30)
    assert importer(home).clear_left() == 1
    assert home.catalogue.keys() == []


def test_an_index_opened_in_the_middle_is_not_taken_for_whole(
    home: Home, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a service does that starts while a command line imports."""
    other = open_home(home.folder)

    def look(stage: str, done: int, _total: int) -> None:
        if (stage, done) == ("chunks", 3):  # two documents and the first chunk
            other.indexes.open_all(other.catalogue.keys())

    monkeypatch.setattr("knowledge_base.import_filling.COMMIT_CHUNKS", 1)
    importer(home).import_package(package, progress=look)
    assert other.found("报销须附发票", "制度") == {"b.md"}
    other.close()


def _raise(error: BaseException) -> None:
    raise error
