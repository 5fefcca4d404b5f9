"""Kills a working process again and again at random instants, and holds what it left to its promises.

    python -m tests.knowledge_base.kill_loop [--kills 200] [--seed 1] [--seconds 600] [--real]

Before each kill the process (`work_to_kill`) has taken in texts and PDFs of several pages, replaced,
deleted, searched and rebuilt, also with another splitter, in two knowledge bases, has exported and
imported them, at once and as jobs, and has backed all up and restored it. After each kill the folder is
opened again, its jobs end, and everything is looked up.
`--real` takes the real embedder and reads scans with the real OCR.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from app.service import Service
from knowledge_base.errors import PackageError
from knowledge_base.restoring import restore
from tests.knowledge_base import promises
from tests.knowledge_base.kept_pages import KeptPages
from tests.knowledge_base.versioned_files import SCAN, Place, content, tokens
from tests.knowledge_base.work_to_kill import (
    BACKUPS,
    IMPORTED,
    UNFINISHED,
    Task,
    contents,
    open_service,
    packages_of,
    packed,
)

ROOT = Path(__file__).parents[2]
SETTLE_SECONDS = 600.0
"""How long nothing may move, on a machine that has much else to do."""
_LONG_AGO = time.time() - 3 * 24 * 3600
_REMEMBERED = 40


@dataclass
class Expected:
    """What the killed processes were promised."""

    may_be: dict[Place, set[int | None]] = field(default_factory=dict)
    """The versions in which a file may be there; None: it may be away."""
    jobs: set[str] = field(default_factory=set)
    gone: list[tuple[str, str]] = field(default_factory=list)
    """Knowledge bases and words that must not be found in them any more."""
    imported: dict[str, set[str | None]] = field(default_factory=dict)
    """What a knowledge base that was imported may hold; None: it may be away."""
    import_jobs: dict[str, str] = field(default_factory=dict)
    """The job that was to fill a knowledge base, by its name."""
    done: Counter[str] = field(default_factory=Counter)

    def take_in(self, lines: list[bytes]) -> list[str]:
        """Learn from what a process told before it was killed; what it complained of."""
        begun: dict[str, Any] | None = None
        complaints = []
        for line in lines:
            if not line.endswith(b"\n"):
                break
            told = json.loads(line)
            if told["what"] == "begin":
                begun = told
                if told["action"] == "delete a base":
                    self.import_jobs.pop(told["imported"], None)  # it goes with its knowledge base
            elif told["what"] == "done" and begun is not None:
                for *place, version in begun["files"]:
                    self.may_be[tuple(place)] = {version}
                self.jobs.update({told["job"]} if "job" in told else ())
                if "imported" in begun:
                    self.imported[begun["imported"]] = {begun["contents"]}
                if "import_job" in told:
                    self.import_jobs[begun["imported"]] = told["import_job"]
                self.done[begun["action"]] += 1
                begun = None
            elif told["what"] in {"lost", "failed"}:
                complaints.append(f"while serving: {told}")
        for *place, version in begun["files"] if begun else ():
            self.may_be.setdefault(tuple(place), {None}).add(version)
        if begun and "imported" in begun:
            self.imported.setdefault(begun["imported"], {None}).add(begun["contents"])
        if begun:
            self.done[f"{begun['action']} cut short"] += 1
        return complaints

    def check(self, service: Service) -> list[str]:
        """What of the promises about files and jobs is not kept."""
        found = []
        known = {info.name for info in service.knowledge_bases()}
        found += self._check_imported(service, known)
        known -= {*IMPORTED}
        there: dict[Place, Any] = {}
        for name in known:
            there.update({(name, info.name): info for info in service.documents(name)})
        found += [f"{place} was never uploaded" for place in there.keys() - self.may_be.keys()]
        for place, versions in self.may_be.items():
            version = self._version(service, place, there.get(place), versions)
            if version not in versions:
                found.append(f"{place} is {version}, and should be of {versions}")
            for other in versions - {version, None}:
                self.gone.extend((place[0], word) for word in tokens(place, other or 0))
            if version is not None and place[1] != SCAN:
                found += _lacking(service, place, version, there[place])
            elif version is not None and not there[place].chunks:
                found.append(f"{place} has no text")
            self.may_be[place] = {version}
        for name, word in self.gone:
            if name in known:
                hits = service.search(word, [name], threshold=0.0, top_k=5)
                found += [f"{word} is found, though gone" for hit in hits if word in hit.text]
        self.gone = self.gone[-_REMEMBERED:]
        for job_id in {*self.jobs, *self.import_jobs.values()}:
            job = service.job(job_id)
            bad = [f.state for f in job.documents if f.state not in {"ready", "unchanged"}]
            if job.state != "done" or bad:
                found.append(f"job {job_id} is {job.state} {job.error} {bad}")
        self.jobs.clear()
        self.import_jobs.clear()
        return found

    def _check_imported(self, service: Service, known: set[str]) -> list[str]:
        found = []
        for name, wanted in self.imported.items():
            held = None
            if name in known:
                infos = service.documents(name)
                files = {info.name: service.document_file(name, info.id).name for info in infos}
                held = contents(files, sum(info.chunks for info in infos))
            if held not in wanted:
                found.append(f"{name} holds {held}, and should hold one of {wanted}")
            self.imported[name] = {held}
        return found + [f"{name} was never imported" for name in {*IMPORTED} & known - self.imported.keys()]

    def _version(self, service: Service, place: Place, info: Any, versions: set[int | None]) -> int | None:
        if info is None:
            return None
        stored = service.document_file(place[0], info.id).read_bytes()
        same = [v for v in versions if v is not None and content(place, v) == stored]
        return same[0] if same else -1


def _lacking(service: Service, place: Place, version: int, info: Any) -> list[str]:
    found = []
    words = tokens(place, version)
    if place[1].endswith(".pdf") and info.pages != len(words):
        found.append(f"{place} has {info.pages} pages of {len(words)}")
    whole = "".join(chunk.text for _, chunk in service.document_chunks(place[0], info.id))
    found += [f"{place} lacks {word}" for word in words if word not in whole]
    for word in words[:: max(len(words) // 3, 1)]:
        hits = service.search(word, [place[0]], threshold=0.0, top_k=10)
        if not any(hit.document == place[1] and word in hit.text for hit in hits):
            found.append(f"{word} of {place} is not found")
    return found


class Workers:
    """Starts processes that work, and kills them. A context manager."""

    def __enter__(self) -> Workers:
        command = [sys.executable, "-m", "tests.knowledge_base.work_to_kill"]
        self._process = subprocess.Popen(  # noqa: S603
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def work_and_die(self, task: Task, *, after: float) -> list[bytes]:
        """Let a process work for so many seconds from when it has started; what it told."""
        assert self._process.stdin is not None and self._process.stdout is not None
        journal = Path(task.journal)
        journal.touch()
        self._process.stdin.write(json.dumps(asdict(task)) + "\n")
        self._process.stdin.flush()
        process = int(self._process.stdout.readline())
        deadline = time.monotonic() + SETTLE_SECONDS
        while not journal.stat().st_size and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(after)
        os.kill(process, signal.SIGKILL)
        self._process.stdout.readline()
        return journal.read_bytes().splitlines(keepends=True)


def damaged_packages(folder: Path) -> list[str]:
    """Exports that are at their place, and are not whole."""
    found = []
    for path in packages_of(folder).glob("*.zhiwen"):
        try:
            packed(path)
        except PackageError as error:
            found.append(f"the package {path.name} is damaged: {error}")
    return found


def damaged_backups(folder: Path) -> list[str]:
    """Backups, and what was restored from them, that are at their place and not whole."""
    found = []
    for name in BACKUPS:
        if (packages_of(folder) / name).exists():
            with tempfile.TemporaryDirectory() as copy:
                try:
                    restore(packages_of(folder) / name, Path(copy))  # reads and compares all of it
                except PackageError as error:
                    found.append(f"{name} is damaged: {error}")
    return found


def settle(service: Service) -> bool:
    """Wait until all jobs have ended, however slow the machine is; False when nothing moves any more."""
    tick = threading.Event()
    before: object = None
    deadline = 0.0
    while under_way := [job for job in service.jobs() if job.state in UNFINISHED]:
        if under_way != before:
            before, deadline = under_way, time.monotonic() + SETTLE_SECONDS
        elif time.monotonic() > deadline:
            return False
        tick.wait(0.02)
    return True


def kill_once(
    workers: Workers,
    folder: Path,
    expected: Expected,
    chosen: random.Random,
    *,
    longest: float,
    real: bool = False,
) -> tuple[list[str], int]:
    """One kill, and what is wrong after it; and how many files went on after pages that were kept."""
    sizes = (60, 90)
    seed = chosen.randrange(1 << 30)
    journal = folder.parent / f"journal-{seed}"
    task = Task(str(folder), str(journal), seed, chosen.choice(sizes), real)
    lines = workers.work_and_die(task, after=chosen.uniform(0, longest))
    wrong = expected.take_in(lines)
    pages = KeptPages(folder)
    before = pages.counts()
    for path in (*folder.glob("files/*/*"), *folder.glob("pages/*")):
        os.utime(path, (_LONG_AGO, _LONG_AGO))  # what nothing needs is cleared away after a day
    service = open_service(folder, chunk_size=chosen.choice(sizes), real=real)
    try:
        left = pages.watch(service, before)
        service.start()
        if not settle(service):
            stuck = [job for job in service.jobs() if job.state in UNFINISHED]
            return [*wrong, f"jobs stand still: {stuck}"], pages.resumed
        service._tidy_up(set())
        wrong += [
            f"the {count} pages kept in {name[:8]} were not gone on with" for name, count in left.items()
        ]
        wrong += expected.check(service)
        wrong += promises.broken(service, folder)
        wrong += damaged_packages(folder) + damaged_backups(folder)
    finally:
        service.close()
    return wrong, pages.resumed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--longest", type=float, default=2.0, help="seconds of work before a kill, at most")
    parser.add_argument("--real", action="store_true")
    options = parser.parse_args()
    chosen = random.Random(options.seed)  # noqa: S311 - the same choices each time
    start, kills, resumed = time.monotonic(), 0, 0
    failures: list[str] = []
    totals: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as temporary, Workers() as workers:
        folder, expected = Path(temporary, "data0"), Expected()
        while kills < options.kills and time.monotonic() - start < options.seconds:
            wrong, gone_on = kill_once(
                workers, folder, expected, chosen, longest=options.longest, real=options.real
            )
            kills, resumed = kills + 1, resumed + gone_on
            for each in wrong:
                print(f"kill {kills}: {each}", flush=True)  # noqa: T201
            failures += wrong
            if wrong or kills % 40 == 0:  # a fresh folder, so that one failure is told once
                totals += expected.done
                folder, expected = Path(temporary, f"data{kills}"), Expected()
            if kills % 10 == 0:
                passed = time.monotonic() - start
                print(f"{kills} kills, {len(failures)} failures, {passed:.0f} s", flush=True)  # noqa: T201
        totals += expected.done
    print(f"{kills} kills, {len(failures)} promises broken; {resumed} files resumed; {dict(totals)}")  # noqa: T201
    raise SystemExit(bool(failures))


if __name__ == "__main__":
    main()
