"""Measures what a document costs as a knowledge base grows: time, memory, disk, start.

    python -m benchmarks.growth FOLDER [--documents 10000] [--every 1000] [--job 20]

Adds so many small documents to the knowledge base in FOLDER, in jobs of a few files that are waited
for one by one, so that run after run the same base grows. Vectors come from hashes, because a
model's time does not depend on the base. What a document costs is the processor time of the service's
process; the processes that read files are not in it, and know nothing of the base. Other work on the
machine lengthens that time too, by what it takes of the caches: so the last documents of each row go
into the grown base and into a new one by turns, and the ratio of both is what growth costs. The start
is that of a second process, from its beginning until the first search has been answered.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

KB = "growth"
_TURNS = 8
"""Jobs into the grown base and into a new one that are compared in each row."""
_WORDS = ["合同", "设备", "报销", "网关", "培训", "请假", "机房", "采购", "验收", "安全", "档案", "会议"]


class HashingEmbeddings(Embeddings):
    """384 numbers from the hash of a text."""

    def embed_query(self, text: str) -> list[float]:
        """One vector."""
        seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
        vector = np.random.default_rng(seed).normal(size=384)
        return list(vector / np.linalg.norm(vector))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector a text."""
        return [self.embed_query(text) for text in texts]


def document(number: int) -> bytes:
    """A short text of its own, about 300 characters in three chunks or fewer."""
    chosen = np.random.default_rng(number).choice(_WORDS, size=60)
    lines = "".join(
        f"第{i}条：{''.join(chosen[i * 6 : i * 6 + 6])}按编号{number:05d}-{i}执行。" for i in range(10)
    )
    return f"# 规定{number:05d}\n\n{lines}\n".encode()


def service(folder: Path) -> Any:
    """The application over FOLDER."""
    from app.composition import build_service
    from app.settings import load_settings

    return build_service(
        load_settings({"data_dir": folder, "embedder": {"name": "benchmarks.growth:HashingEmbeddings"}})
    )


def resident_mb() -> float:
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


@dataclass
class Cost:
    """What some documents took, by the clock and by this process's processor time."""

    documents: int = 0
    seconds: float = 0.0
    processor: float = 0.0

    def milliseconds(self) -> float:
        """Processor time of a document."""
        return self.processor / self.documents * 1e3


def add_job(opened: Any, numbers: range, cost: Cost) -> None:
    """Take in the documents of these numbers as one job, and wait for its end."""
    start, used = time.perf_counter(), time.process_time()
    files = [opened.store(f"{n:05d}.md", [document(n)], check=False) for n in numbers]
    job = opened.submit(KB, files)
    tick = threading.Event()
    while (state := opened.job(job.id).state) in {"queued", "running"}:
        tick.wait(0.01)
    if state != "done":
        raise SystemExit(f"job {state}")
    cost.documents += len(numbers)
    cost.seconds += time.perf_counter() - start
    cost.processor += time.process_time() - used


@contextmanager
def opened_service(folder: Path) -> Iterator[Any]:
    """A running service over FOLDER with the knowledge base."""
    opened = service(folder)
    opened.start()
    opened.ensure_knowledge_base(KB)
    try:
        yield opened
    finally:
        opened.close()


def beside_new(grown: Any, first: int, per_job: int) -> tuple[Cost, Cost]:
    """What the same documents cost in the grown base and in a new one, in turns, on the same machine.

    The first jobs, in which each process that reads files begins, do not count.
    """
    costs = Cost(), Cost()
    with TemporaryDirectory() as folder, opened_service(Path(folder)) as new:
        for turn in range(-1, _TURNS):
            begin = first + (turn + 1) * per_job
            for opened, cost in zip((grown, new), costs, strict=True):
                add_job(opened, range(begin, begin + per_job), cost if turn >= 0 else Cost())
    return costs


def add(folder: Path, count: int, every: int, per_job: int) -> None:
    """Add documents and print a row after each `every`."""
    print(
        "| documents | CPU ms a document | in a new base | ratio | elapsed ms | search ms | list CPU ms "
        "| resident MB | data MB |"
    )
    print("| --- " * 9 + "|")
    with opened_service(folder) as opened:
        first = present = len(opened.documents(KB))
        while present < first + count:
            until = present + every - (_TURNS + 1) * per_job
            while present < until:
                add_job(opened, range(present, present + per_job), Cost())
                present += per_job
            grown, new = beside_new(opened, present, per_job)
            present += (_TURNS + 1) * per_job
            start = time.perf_counter()
            hits = opened.search(f"编号{present - 1:05d}-3", [KB], threshold=0.0, top_k=20)
            searched = time.perf_counter() - start
            # The vectors mean nothing, so its place among the hits does not either.
            if not any(hit.document == f"{present - 1:05d}.md" for hit in hits):
                raise SystemExit(f"document {present - 1} is not found")
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
            used = time.process_time()
            listed = len(opened.documents(KB))
            used = time.process_time() - used
            print(
                f"| {listed:,} | {grown.milliseconds():.1f} | {new.milliseconds():.1f} "
                f"| {grown.milliseconds() / new.milliseconds():.2f} "
                f"| {grown.seconds / grown.documents * 1e3:.0f} | {searched * 1e3:.0f} | {used * 1e3:.0f} "
                f"| {resident_mb():.0f} | {size:.0f} |",
                flush=True,
            )


def first_search(folder: Path) -> None:
    """Open the base and search it once."""
    with opened_service(folder) as opened:
        opened.search("编号00003-3", [KB], threshold=0.0)
        print(f"resident {resident_mb():.0f} MB")


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--every", type=int, default=1000)
    parser.add_argument("--job", type=int, default=20, help="files in a job")
    parser.add_argument("--only-open", action="store_true", help="search once and end")
    options = parser.parse_args()
    if options.only_open:
        first_search(options.folder)
        return
    add(options.folder, options.documents, options.every, options.job)
    start = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.growth", str(options.folder), "--only-open"]
    subprocess.run(command, check=True)  # noqa: S603 - this very module
    print(f"start to first answer: {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
