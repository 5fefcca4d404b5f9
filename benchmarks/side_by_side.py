"""Measures searching one knowledge base while files are uploaded into another, beside an idle service.

    python -m benchmarks.side_by_side SET [--uploads 20] [--searches 500]

SET is a question set in SQuAD format: its first passages fill the searched base, the following ones
are the uploads, each a request of its own. Everything goes over HTTP to a server in a process of its
own, with the default models. At the end every upload must be found by its own words.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np

SEARCHED, FILLED = "searched", "filled"
PASSAGES = 60


@contextmanager
def server(data: Path | None = None) -> Iterator[httpx.Client]:
    """A client of a fresh server over the folder `data`, or over one that goes with it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with TemporaryDirectory() as folder:
        environment = {**os.environ, "ZHIWEN_DATA_DIR": str(data or folder), "PYTHONPATH": os.getcwd()}  # noqa: PTH109
        command = [sys.executable, "-m", "app", "serve", "--api-only", "--port", str(port)]
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:  # noqa: S603
            transport = httpx.HTTPTransport(retries=10)
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", timeout=120, transport=transport
            ) as client:
                try:
                    client.get("/healthz").raise_for_status()
                    yield client
                finally:
                    process.terminate()


def upload(client: httpx.Client, base: str, name: str, text: str) -> str:
    """Upload one file; its job."""
    address = f"/api/knowledge-bases/{base}/documents"
    reply = client.post(address, files={"files": (name, text.encode())}).raise_for_status()
    return str(reply.json()["job_id"])


def wait(client: httpx.Client, jobs: list[str]) -> list[str]:
    """The states in which the jobs end."""
    states = []
    for job in jobs:
        while (state := client.get(f"/api/jobs/{job}").json()["state"]) in {"queued", "running"}:
            time.sleep(0.2)
        states.append(state)
    return states


def search(client: httpx.Client, query: str, base: str) -> tuple[float, Any]:
    """Seconds and reply; the reply is None when the search failed."""
    start = time.perf_counter()
    reply = client.post("/api/search", json={"query": query, "knowledge_bases": [base]})
    return time.perf_counter() - start, reply.json() if reply.status_code == 200 else None


def shown(seconds: list[float]) -> str:
    """Percentiles in ms."""
    return " | ".join(f"{np.percentile(seconds, q) * 1e3:.0f}" for q in (50, 95, 100))


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else "")
    parser.add_argument("set", type=Path)
    parser.add_argument("--uploads", type=int, default=20)
    parser.add_argument("--searches", type=int, default=500)
    options = parser.parse_args()
    data = json.loads(options.set.read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in data for paragraph in article["paragraphs"]]
    texts = list(dict.fromkeys(paragraph["context"] for paragraph in paragraphs))
    known = set(texts[:PASSAGES])
    questions = [q["question"] for p in paragraphs if p["context"] in known for q in p["qas"]]
    with server() as client:
        for base in (SEARCHED, FILLED):
            client.post("/api/knowledge-bases", json={"name": base}).raise_for_status()
        jobs = [upload(client, SEARCHED, f"{n}.txt", text) for n, text in enumerate(texts[:PASSAGES])]
        print("filled:", set(wait(client, jobs)))
        asked = [questions[n % len(questions)] for n in range(options.searches)]
        idle = [search(client, question, SEARCHED) for question in asked]
        uploads = texts[PASSAGES : PASSAGES + options.uploads]
        states: list[str] = []
        busy: list[tuple[float, Any]] = []

        def fill() -> None:
            with httpx.Client(base_url=client.base_url, timeout=120) as other:
                ids = [upload(other, FILLED, f"{n}.txt", text) for n, text in enumerate(uploads)]
                states.extend(wait(other, ids))

        filling = threading.Thread(target=fill)
        filling.start()
        during = 0
        for question in asked:
            during += filling.is_alive()
            busy.append(search(client, question, SEARCHED))
        filling.join()
        found = 0
        for number, text in enumerate(uploads):
            hits = (search(client, text[:60], FILLED)[1] or {"hits": []})["hits"]
            found += any(hit["document"] == f"{number}.txt" for hit in hits)
    failed = sum(reply is None for _, reply in idle + busy)
    print(f"uploads: {states.count('done')} done, {found} of {len(uploads)} found; searches failed: {failed}")
    print(f"searches begun while files were taken in: {during} of {len(busy)}")
    print("| | median ms | p95 | longest |\n| --- | --- | --- | --- |")
    print(f"| idle | {shown([seconds for seconds, _ in idle])} |")
    print(f"| during and after | {shown([seconds for seconds, _ in busy])} |")
    print(f"| during | {shown([seconds for seconds, _ in busy[: max(during, 1)]])} |")


if __name__ == "__main__":
    main()
