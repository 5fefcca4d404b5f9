"""A process killed at any point leaves the old state or the new one."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.knowledge_base.doubles import Home, open_home
from tests.knowledge_base.kill_loop import Expected, Workers, kill_once
from tests.knowledge_base.process_to_kill import NEW, OLD, POINTS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DEADLINE = 60.0


def killed_at(point: str, folder: Path) -> None:
    """Run the process until it says that it is at `point`, and kill it there."""
    command = [sys.executable, "-m", "tests.knowledge_base.process_to_kill", str(folder), point]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603
        watchdog = threading.Timer(DEADLINE, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
        finally:
            watchdog.cancel()
            process.kill()
    assert line == b"reached\n"


def assert_whole(home: Home) -> None:
    """Each document in the catalogue is its old self or its new one, and all of it is found."""
    for name, chunks in home.texts("k").items():
        wanted = [
            [body for body in version[name].splitlines() if body and not body.startswith("#")]
            for version in (OLD, NEW)
            if name in version
        ]
        assert [chunk.splitlines()[-1] for chunk in chunks] in wanted, name
        for chunk in chunks:
            assert home.found(chunk.splitlines()[-1], "k") == {name}


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_it_comes_back_whole(point: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    home = open_home(folder)
    home.add("k", OLD)
    home.close()

    killed_at(point, folder)

    home = open_home(folder)
    assert_whole(home)
    present = set(home.texts("k"))
    assert present >= ({"kept.md"} if point == "delete" else set(OLD))
    if point == "delete":
        assert home.found("住宿标准为五百元", "k") == set()
    runner = home.runner()
    runner.start()
    deadline = time.monotonic() + DEADLINE
    tick = threading.Event()
    while any(job.state in {"queued", "running"} for job in home.queue.jobs()):
        assert time.monotonic() < deadline
        tick.wait(0.01)
    runner.stop()
    assert_whole(home)
    for job in home.queue.jobs():
        assert job.state == "done"
        assert {file.state for file in job.documents} <= {"ready", "unchanged"}
        assert {file.name for file in job.documents} == set(NEW)
        assert set(home.texts("k")) == set(OLD) | set(NEW)
        assert home.found("住宿标准为五百元", "k") == set()
        assert home.found("住宿标准为八百元", "k") == {"changed.md"}
    assert len(home.queue.jobs()) == (0 if point in {"put", "delete"} else 1)
    home.close()


def test_killed_at_random_it_keeps_all_that_it_promised(tmp_path: Path) -> None:
    """The short form of `python -m tests.knowledge_base.kill_loop`."""
    expected, chosen = Expected(), random.Random(7)  # noqa: S311 - the same choices each time
    folder = tmp_path / "data"
    with Workers() as workers:
        for kill in range(10):
            wrong, _ = kill_once(workers, folder, expected, chosen, longest=0.4)
            assert wrong == [], kill
    assert expected.may_be  # how much is done before a kill depends on the machine
