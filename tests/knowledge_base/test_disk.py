"""A disk that is full or cannot be written to fails the job with its reason, and nothing else."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from knowledge_base.disk_reserve import DiskReserve
from knowledge_base.errors import DataFolderError, DiskFullError
from knowledge_base.job_runner import JobRunner
from tests.knowledge_base.doubles import Home
from tests.knowledge_base.test_jobs import LEAVE, TRAVEL, ended, states


@pytest.fixture
def runner(home: Home) -> Iterator[JobRunner]:
    made = home.runner()
    yield made
    made.stop()


def full(*_: object, **__: object) -> Any:
    raise DiskFullError("database or disk is full", reason="database or disk is full")


def test_a_job_on_a_full_disk_fails_with_its_reason_and_can_be_tried_again(
    home: Home, runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.add("k", {"a.md": LEAVE})
    job_id = home.submit("k", {"b.md": TRAVEL})
    with monkeypatch.context() as patch:
        patch.setattr(home.catalogue, "commit", full)
        runner.start()
        job = ended(home, job_id)
        assert (job.state, job.error, states(job)) == ("failed", "disk_full", [("b.md", "queued")])
        assert home.found(LEAVE, "k") == {"a.md"}
        assert set(home.texts("k")) == {"a.md"}
    home.queue.retry(job_id)
    runner.wake()
    assert states(ended(home, job_id)) == [("b.md", "ready")]
    assert home.found(TRAVEL, "k") == {"b.md"}


def test_an_end_that_cannot_be_written_is_told_and_written_later(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = home.submit("k", {"b.md": TRAVEL})
    assert home.queue.claim("1" * 16) is not None
    with monkeypatch.context() as patch:
        patch.setattr(home.database, "write", full)
        home.queue.end(job_id, "failed", error="disk_full")
        assert (home.queue.job(job_id).state, home.queue.job(job_id).error) == ("failed", "disk_full")
        assert [job.state for job in home.queue.jobs()] == ["failed"]
        with pytest.raises(DiskFullError):
            home.queue.write_ends()
    with home.database.read() as connection:
        assert connection.exec_driver_sql("SELECT state FROM jobs").scalar() == "running"
    home.queue.write_ends()
    with home.database.read() as connection:
        assert connection.exec_driver_sql("SELECT state, error FROM jobs").one() == ("failed", "disk_full")


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, DiskFullError), (errno.EROFS, DataFolderError), (errno.EACCES, DataFolderError)],
)
def test_an_upload_that_finds_no_room_says_so_and_leaves_nothing(
    number: int, kind: type[Exception], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.add("k", {"a.md": LEAVE})
    before = {path for path in (home.folder / "files").rglob("*") if path.is_file()}

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(kind) as caught:
            home.store("b.md", TRAVEL)
    assert type(caught.value) is kind
    assert caught.value.details == {"name": "b.md", "reason": os.strerror(number)}  # type: ignore[attr-defined]
    assert {path for path in (home.folder / "files").rglob("*") if path.is_file()} == before
    assert home.found(LEAVE, "k") == {"a.md"}


@pytest.mark.slow
def test_what_fails_while_tidying_up_does_not_change_how_the_job_ended(home: Home) -> None:
    runner = JobRunner(home.catalogue, home.queue, home.ingestor, locks=home.folder / "runners", swept=full)
    runner.start()
    job_id = home.submit("k", {"a.md": LEAVE})
    assert ended(home, job_id).state == "done"
    runner.stop()
    assert home.queue.job(job_id).state == "done"


def test_deleting_takes_the_room_set_aside(tmp_path: Path) -> None:
    reserve = DiskReserve(tmp_path / "reserve", size=1000)
    reserve.keep()
    assert (tmp_path / "reserve").stat().st_size == 1000
    tries: list[bool] = []

    def delete() -> str:
        tries.append((tmp_path / "reserve").exists())
        if tries[-1]:
            full()
        return "deleted"

    assert reserve.spend(delete) == "deleted"
    assert tries == [True, False]
    with pytest.raises(DiskFullError):
        reserve.spend(full)
    DiskReserve(tmp_path / "no folder" / "reserve").keep()
