"""Readers and writers at once against a server process, and now and then a command line beside it.

    python -m benchmarks.faults_http [--threads 24] [--seconds 600]

Each thread uploads, replaces, deletes and searches documents of its own in knowledge bases that all
share; one document is uploaded by all in turns. Whatever was promised is looked up at once: an
upload whose job is done is found by words that only it holds, a deleted one is not. At the end the
lists must hold what the threads expect, and the shared document the last upload. Vectors come from
hashes. Prints what went wrong, replies of 500 and above among it, and ends with status 1 then.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.side_by_side import server

BASES = ("甲", "b%_", "c")
SHARED = "shared.md"


def text(words: list[str]) -> bytes:
    """A section for each word."""
    return "\n\n".join(
        f"# {number}\n\n编号 {word} 的设备应于每季度检查。" for number, word in enumerate(words)
    ).encode()


class Everyone:
    """What the threads have in common."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.seconds: dict[str, list[float]] = {}
        self.statuses: Counter[int] = Counter()
        self.turn = threading.Lock()
        self.shared = b""
        self.end = 0.0

    def note(self, what: str, reply: httpx.Response, since: float) -> httpx.Response:
        """Count a reply."""
        self.seconds.setdefault(what, []).append(time.perf_counter() - since)
        self.statuses[reply.status_code] += 1
        if reply.status_code >= 500 or (reply.status_code >= 400 and what != "busy"):
            self.wrong.append(f"{what}: {reply.status_code} {reply.text[:200]}")
        return reply


class Person:
    """One thread's work."""

    def __init__(self, number: int, client: httpx.Client, everyone: Everyone) -> None:
        self.number = number
        self.random = random.Random(number)  # noqa: S311
        self.client = client
        self.all = everyone
        self.mine: dict[tuple[str, str], tuple[str, list[str]]] = {}

    def run(self) -> None:
        """Work until the end."""
        actions = [
            self.upload,
            self.upload,
            self.delete,
            self.search,
            self.search,
            self.search,
            self.everyones,
        ]
        while time.monotonic() < self.all.end:
            try:
                self.random.choice(actions)()
            except Exception as error:
                self.all.wrong.append(f"{type(error).__name__}: {error}")

    def ask(self, what: str, method: str, address: str, **options: Any) -> Any:
        """A request and its JSON."""
        since = time.perf_counter()
        reply = self.all.note(what, self.client.request(method, address, **options), since)
        return reply.json() if reply.content else None

    def upload(self) -> None:
        """A new document, or a new text of an old one."""
        base, name = self.random.choice(BASES), f"{self.number}-{self.random.randrange(4)}.md"
        words = [f"w{self.random.getrandbits(48):012x}" for _ in range(self.random.randrange(1, 6))]
        job = self.ask(
            "upload", "POST", f"/api/knowledge-bases/{base}/documents", files={"files": (name, text(words))}
        )["job_id"]
        job = self.wait(job)
        if job["state"] != "done":
            self.all.wrong.append(f"{name}: job {job['state']} {job}")
            return
        before = self.mine.get((base, name))
        self.mine[base, name] = (job["documents"][0]["id"], words)
        if before is not None:
            if before[0] != job["documents"][0]["id"]:
                self.all.wrong.append(f"{name} of {base} has another id")
            self.must_be(base, before[1][0], None)
        self.must_be(base, self.random.choice(words), name)

    def everyones(self) -> None:
        """The document that all upload: the last upload counts."""
        content = text([f"s{self.random.getrandbits(48):012x}"])
        address = f"/api/knowledge-bases/{BASES[0]}/documents"
        with self.all.turn:
            job = self.ask("upload", "POST", address, files={"files": (SHARED, content)})["job_id"]
            self.all.shared = content
        self.wait(job)

    def delete(self) -> None:
        """One of my documents."""
        if self.mine:
            base, name = self.random.choice(list(self.mine))
            document, words = self.mine.pop((base, name))
            self.ask("delete", "DELETE", f"/api/knowledge-bases/{base}/documents/{document}")
            self.must_be(base, words[-1], None)

    def search(self) -> None:
        """Find one of my documents again."""
        if self.mine:
            base, name = self.random.choice(list(self.mine))
            self.must_be(base, self.random.choice(self.mine[base, name][1]), name)

    def wait(self, job: str) -> Any:
        """The job when it has ended."""
        while (found := self.ask("job", "GET", f"/api/jobs/{job}"))["state"] in {"queued", "running"}:
            time.sleep(0.05)
        return found

    def must_be(self, base: str, word: str, name: str | None) -> None:
        """The word must be found in the document of this name, or nowhere."""
        body = {"query": word, "knowledge_bases": [base], "threshold": 0.0, "top_k": 5}
        hits = self.ask("search", "POST", "/api/search", json=body)["hits"]
        found = {hit["document"] for hit in hits if word in hit["text"]}
        if found != ({name} if name else set()):
            self.all.wrong.append(f"{word} of {base}: in {found}, should be in {name}")


def command_line(folder: Path, everyone: Everyone, environment: dict[str, str]) -> dict[str, bytes]:
    """Now and then a process of its own takes a file in; the files by name."""
    given: dict[str, bytes] = {}
    number = 0
    while time.monotonic() < everyone.end - 20:
        number += 1
        path = folder / f"cli-{number % 3}.md"
        path.write_bytes(text([f"c{number:06d}"]))
        command = [sys.executable, "-m", "app", "ingest", BASES[1], str(path), "--json"]
        ended = subprocess.run(command, env=environment, capture_output=True, check=False)  # noqa: S603
        if ended.returncode:
            everyone.wrong.append(
                f"command line: {ended.stdout.decode()[-300:]} {ended.stderr.decode()[-300:]}"
            )
        given[path.name] = path.read_bytes()
        time.sleep(5)
    return given


def compare(client: httpx.Client, people: list[Person], everyone: Everyone, given: dict[str, bytes]) -> int:
    """Hold the lists to what everybody expects; how many documents there are."""
    wanted = {(base, name): text(words) for p in people for (base, name), (_, words) in p.mine.items()}
    wanted.update({(BASES[1], name): content for name, content in given.items()})
    if everyone.shared:
        wanted[BASES[0], SHARED] = everyone.shared
    there: dict[tuple[str, str], bytes] = {}
    for base in BASES:
        for document in client.get(f"/api/knowledge-bases/{base}/documents").json()["documents"]:
            address = f"/api/knowledge-bases/{base}/documents/{document['id']}/content"
            there[base, document["name"]] = client.get(address).content
    for place in wanted.keys() | there.keys():
        if wanted.get(place) != there.get(place):
            everyone.wrong.append(f"{place}: {there.get(place)!r}, should be {wanted.get(place)!r}")
    return len(there)


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=600)
    options = parser.parse_args()
    os.environ["ZHIWEN_EMBEDDER__NAME"] = "benchmarks.growth:HashingEmbeddings"
    everyone = Everyone()
    with tempfile.TemporaryDirectory() as temporary, server(Path(temporary, "data")) as client:
        for base in BASES:
            client.post("/api/knowledge-bases", json={"name": base}).raise_for_status()
        everyone.end = time.monotonic() + options.seconds
        clients = [httpx.Client(base_url=client.base_url, timeout=120) for _ in range(options.threads)]
        people = [Person(number, each, everyone) for number, each in enumerate(clients)]
        threads = [threading.Thread(target=person.run) for person in people]
        for thread in threads:
            thread.start()
        environment = {**os.environ, "ZHIWEN_DATA_DIR": str(Path(temporary, "data"))}
        given = command_line(Path(temporary), everyone, environment)
        for thread in threads:
            thread.join()
        count = compare(client, people, everyone, given)
    for line in everyone.wrong[:20]:
        print(line)
    print(f"{len(everyone.wrong)} wrong; replies {dict(everyone.statuses)}; {count} documents")
    for what, seconds in everyone.seconds.items():
        low, high = np.percentile(seconds, [50, 95]) * 1e3
        print(f"{what}: {len(seconds)}, median {low:.0f} ms, p95 {high:.0f} ms, longest {max(seconds):.1f} s")
    raise SystemExit(bool(everyone.wrong))


if __name__ == "__main__":
    main()
