"""Measures what a document costs as a knowledge base grows: time, memory, disk, start.

    python -m benchmarks.growth FOLDER [--documents 2000] [--every 500] [--job 20]

Adds so many small documents to the knowledge base in FOLDER, in jobs of a few files that are waited
for one by one, so that run after run the same base grows. Vectors come from hashes, because a
model's time does not depend on the base. What a document costs is the processor time of the service's
process, which other work on the machine does not lengthen; the processes that read files are not in it,
and know nothing of the base. The start is that of a second process, from its beginning until the first
search has been answered.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

KB = "growth"
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


def add(folder: Path, count: int, every: int, per_job: int) -> None:
    """Add documents and print a row after each `every`."""
    opened = service(folder)
    opened.start()
    opened.ensure_knowledge_base(KB)
    first = len(opened.documents(KB))
    print("| documents | CPU ms a document | elapsed ms | search ms | list ms | resident MB | data MB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    seconds: list[float] = []
    processor: list[float] = []
    tick = threading.Event()
    for start_number in range(first, first + count, per_job):
        start, used = time.perf_counter(), time.process_time()
        numbers = range(start_number, start_number + per_job)
        files = [opened.store(f"{n:05d}.md", [document(n)], check=False) for n in numbers]
        job = opened.submit(KB, files)
        while (state := opened.job(job.id).state) in {"queued", "running"}:
            tick.wait(0.01)
        if state != "done":
            raise SystemExit(f"job {state}")
        seconds.append((time.perf_counter() - start) / per_job)
        processor.append((time.process_time() - used) / per_job)
        if len(seconds) * per_job >= every:
            last = numbers[-1]
            start = time.perf_counter()
            hits = opened.search(f"编号{last:05d}-3", [KB], threshold=0.0, top_k=20)
            searched = time.perf_counter() - start
            # The vectors mean nothing, so its place among the hits does not either.
            if not any(hit.document == f"{last:05d}.md" for hit in hits):
                raise SystemExit(f"document {last} is not found")
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
            start = time.perf_counter()
            opened.documents(KB)
            listed = time.perf_counter() - start
            print(
                f"| {last + 1:,} | {sum(processor) / len(processor) * 1e3:.1f} | {median(seconds) * 1e3:.0f} "
                f"| {searched * 1e3:.0f} | {listed * 1e3:.0f} | {resident_mb():.0f} | {size:.0f} |",
                flush=True,
            )
            seconds, processor = [], []
    opened.close()


def first_search(folder: Path) -> None:
    """Open the base and search it once."""
    opened = service(folder)
    opened.start()
    opened.search("编号00003-3", [KB], threshold=0.0)
    print(f"resident {resident_mb():.0f} MB")
    opened.close()


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--every", type=int, default=500)
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
