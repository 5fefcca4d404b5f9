"""Several jobs at once, several runners on one folder, and what is left when one is killed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from knowledge_base import job_queue, job_rows
from knowledge_base.runner_lock import RunnerLock
from loaders.document import Block, Page
from loaders.errors import LoadingCancelledError
from loaders.isolation import ReadPage
from tests.knowledge_base.doubles import Home, open_home
from tests.knowledge_base.test_jobs import DEADLINE, LEAVE, TRAVEL, ended, states, wait_for


def blocked_by(name: str, reached: threading.Event, go_on: threading.Event) -> Callable[[str], None]:
    def block(given: str) -> None:
        if given == name:
            reached.set()
            assert go_on.wait(DEADLINE)

    return block


def test_a_long_file_holds_up_nobody_else(home: Home) -> None:
    reached, go_on = threading.Event(), threading.Event()
    home.parser.before = blocked_by("scan.md", reached, go_on)
    runner = home.runner(at_once=3)
    runner.start()
    scan = home.submit("a", {"scan.md": "一本很厚的书。"})
    runner.wake()
    assert reached.wait(DEADLINE)
    note, other = home.submit("a", {"note.md": LEAVE}), home.submit("b", {"note.md": TRAVEL})
    runner.wake()
    assert ended(home, note).state == ended(home, other).state == "done"
    assert (home.found(LEAVE, "a"), home.found(TRAVEL, "b")) == ({"note.md"}, {"note.md"})
    assert home.queue.job(scan).state == "running"
    go_on.set()
    assert ended(home, scan).state == "done"
    runner.stop()


@pytest.mark.slow
def test_a_short_file_does_not_wait_for_the_long_one_before_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knowledge_base.batches.LINGER_SECONDS", 0.05)
    reached, go_on = threading.Event(), threading.Event()
    home.parser.before = blocked_by("scan.md", reached, go_on)
    runner = home.runner()
    runner.start()
    job_id = home.submit("a", {"scan.md": "一本很厚的书。" * 99, "note.md": LEAVE})
    assert reached.wait(DEADLINE)
    wait_for(home, job_id, lambda job: job.done == 1)  # while not even a page of the book is read
    assert home.found(LEAVE, "a") == {"note.md"}
    go_on.set()
    assert ended(home, job_id).state == "done"
    runner.stop()


def test_the_later_file_of_a_name_in_one_upload_wins(home: Home) -> None:
    stored = [home.store("a.md", text) for text in (LEAVE * 9, TRAVEL)]
    job = home.queue.submit(home.catalogue.ensure("k").id, stored)
    home.let_go(stored)
    runner = home.runner()
    runner.start()
    assert ended(home, job.id).state == "done"
    assert home.texts("k") == {"a.md": [TRAVEL]}
    runner.stop()


def test_the_later_upload_of_a_name_wins(home: Home) -> None:
    reached, go_on = threading.Event(), threading.Event()
    home.parser.before = blocked_by("hold.md", reached, go_on)
    runner = home.runner(at_once=3)
    runner.start()
    first = home.submit("k", {"hold.md": "先占住。", "a.md": LEAVE})
    runner.wake()
    assert reached.wait(DEADLINE)
    second = home.submit("k", {"a.md": TRAVEL})
    third = home.submit("k", {"a.md": TRAVEL + "再改。"})
    assert home.queue.claim("x") is None, "both wait for the first"
    go_on.set()
    for job_id in (first, second, third):
        assert ended(home, job_id).state == "done"
    assert home.texts("k")["a.md"] == [TRAVEL + "再改。"]
    runner.stop()


def test_knowledge_bases_take_turns(home: Home) -> None:
    many = [home.submit("many", {f"{n}.md": f"第{n}个文件。"}) for n in range(3)]
    one = home.submit("one", {"x.md": LEAVE})
    claimed = [job.id for _ in range(4) if (job := home.queue.claim())]
    assert claimed == [many[0], one, many[1], many[2]]


def test_jobs_keep_their_order_when_the_clock_is_set_back(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(datetime(2030, 1, 1) - timedelta(days=n) for n in range(100))
    monkeypatch.setattr(job_queue, "now", lambda: next(times))
    ids = [home.submit("k", {f"{n}.md": f"第{n}个文件。"}) for n in range(3)]
    assert [job.id for job in home.queue.jobs()] == ids[::-1]
    assert [job.id for _ in range(3) if (job := home.queue.claim())] == ids


@pytest.mark.slow
def test_a_job_of_a_living_process_is_left_to_it(home: Home) -> None:
    reached, go_on = threading.Event(), threading.Event()
    home.parser.before = blocked_by("a.md", reached, go_on)
    runner = home.runner()
    runner.start()
    job_id = home.submit("k", {"a.md": LEAVE})
    assert reached.wait(DEADLINE)
    other = open_home(home.folder)
    second = other.runner()
    second.start()
    assert other.queue.job(job_id).state == "running"
    assert [event.kind for event in other.queue.events(job_id)] == ["submitted", "started"]
    second.stop()
    go_on.set()
    assert ended(home, job_id).state == "done"
    assert len(home.embedder.embedded) == 1
    runner.stop()
    other.close()


def test_a_lock_is_gone_with_its_runner(tmp_path: Path) -> None:
    first, second = RunnerLock(tmp_path), RunnerLock(tmp_path)
    first.acquire()
    second.acquire()
    assert (first.gone(first.id), first.gone(second.id), second.gone(first.id)) == (False, False, False)
    second.release()
    assert first.gone(second.id)
    for stranger in ("", "../x", "0" * 16):
        assert first.gone(stranger)
    (tmp_path / f"{'1' * 16}.lock").touch()
    third = RunnerLock(tmp_path)
    third.acquire()
    assert {path.stem for path in tmp_path.iterdir()} == {first.id, third.id}
    first.release()
    third.release()
    assert list(tmp_path.iterdir()) == []


def test_events_tell_what_happened(home: Home) -> None:
    home.embedder.available = False
    job_id = home.submit("k", {"秘密.md": LEAVE, "bad.md": "DAMAGED"})
    runner = home.runner()
    runner.start()
    ended(home, job_id)
    home.embedder.available = True
    home.queue.retry(job_id)
    runner.wake()
    job = ended(home, job_id)
    runner.stop()
    events = [(event.kind, event.details) for event in home.queue.events(job_id)]
    document_id = job.documents[0].id
    assert sorted(events[2:4], key=str) == sorted(
        [
            ("file", {"position": 0, "state": "failed", "problems": ["model_unavailable"]}),
            ("file", {"position": 1, "state": "failed", "problems": ["damaged_file"]}),
        ],
        key=str,
    )
    assert [*events[:2], *events[4:]] == [
        ("submitted", {"files": 2}),
        ("started", {}),
        ("failed", {}),
        ("retried", {"files": 1}),
        ("started", {}),
        ("file", {"position": 0, "state": "ready", "document_id": document_id}),
        ("done", {}),
    ]
    assert "秘密" not in str(events)
    assert [at.at for at in home.queue.events(job_id)] == sorted(at.at for at in home.queue.events(job_id))


def test_ended_jobs_are_forgotten_with_the_files_that_only_they_needed(home: Home) -> None:
    ids = [home.submit("k", {f"{n}.md": f"第{n}个文件。"}) for n in range(4)]
    for job_id in ids[:3]:
        home.queue.cancel(job_id)
    digests = home.queue.prune(keep=1, days=30)
    home.sweep(digests)
    assert [job.id for job in home.queue.jobs()] == [ids[3], ids[2]]
    stored = [path for path in (home.folder / "files").rglob("*") if path.is_file()]
    assert len(stored) == 2
    home.sweep(home.queue.prune(keep=9, days=-1))
    assert [job.id for job in home.queue.jobs()] == [ids[3]]


def test_a_killed_job_goes_on_after_the_last_page_read(home: Home) -> None:
    """The parser stands for one that was killed with its process after the second page."""
    read: list[int] = []

    def parse_pages(home: Home, last: int) -> None:
        parse = home.parser.parse

        def paged(path, *, name, kept, **options):  # type: ignore[no-untyped-def]
            for number in range(len(kept.pages) + 1, 4):
                if number > last:
                    raise LoadingCancelledError("killed")
                read.append(number)
                kept.append(ReadPage(Page(number, (Block(f"第{number}页"),)), 3, "pdf"))
            return parse(path, name=name, kept=kept, **options)

        home.parser.parse = paged  # type: ignore[method-assign, assignment]

    parse_pages(home, 2)
    job_id = home.submit("k", {"a.md": LEAVE})
    runner = home.runner()
    runner.start()
    assert ended(home, job_id).state == "cancelled"
    runner.stop()
    home.close()

    again = open_home(home.folder)
    parse_pages(again, 3)
    again.queue.retry(job_id)
    runner = again.runner()
    runner.start()
    assert states(ended(again, job_id)) == [("a.md", "ready")]
    runner.stop()
    assert read == [1, 2, 3]
    assert list((home.folder / "pages").iterdir()) == [], "nothing is kept of what is stored"
    again.close()


def test_a_full_queue_of_conflicting_jobs_is_looked_through_quickly(home: Home) -> None:
    for n in range(10):
        home.submit("k", {"a.md": f"第{n}版。"})
    first = home.queue.claim()
    assert first is not None
    with home.database.read() as connection:
        assert job_rows.next_queued(connection) is None
