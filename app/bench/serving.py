"""A service of its own over HTTP: from its start to the first answer, and many who chat at once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import psutil

from app.bench.measuring import Progress, growth_exponent, rounded

_PATIENCE = 300.0
"""Seconds that a server may take to come up, and an answer to come."""
OURS = ("-m", "app", "serve", "--api-only", "--port")
RIVAL = ("-m", "app.bench.rival_server")


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers on `url`, the seconds from its start until it was ready, and its process."""

    url: str
    ready_s: float
    process: psutil.Process

    def memory_mb(self) -> float:
        """What the process and its children hold."""
        processes = [self.process, *self.process.children(recursive=True)]
        return sum(int(process.memory_info().rss) for process in processes) / 1e6


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Running]:
    """Python with `command`, the port as its last argument, until `/readyz` answers with 200."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, began = f"http://127.0.0.1:{port}", time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, *command, str(port)],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=url, trust_env=False) as client:
            while not _ready(client):
                if process.poll() is not None or time.perf_counter() - began > _PATIENCE:
                    raise RuntimeError(f"{' '.join(command)} did not come up")
                time.sleep(0.02)
        yield Running(url, time.perf_counter() - began, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(60)


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


@dataclass(slots=True)
class Chats:
    """What many clients saw together."""

    first_s: list[float] = field(default_factory=list)
    """Until the first piece of each answer."""
    whole_s: list[float] = field(default_factory=list)
    turned_away: int = 0
    failed: int = 0

    def figures(self, seconds: float) -> dict[str, Any]:
        """Answers per second, and times in milliseconds."""
        first = np.asarray(self.first_s or [np.nan]) * 1e3
        return {
            "answers": len(self.whole_s),
            "answers_per_s": len(self.whole_s) / seconds,
            "first_p50_ms": float(np.quantile(first, 0.5)),
            "first_p95_ms": float(np.quantile(first, 0.95)),
            "turned_away": self.turned_away,
            "failed": self.failed,
        }


def ask(client: httpx.Client, question: str, knowledge_base: str, chats: Chats) -> None:
    """One streamed answer, and what became of it."""
    body = {"question": question, "knowledge_bases": [knowledge_base], "stream": True}
    began, first = time.perf_counter(), None
    try:
        with client.stream("POST", "/api/ask", json=body) as response:
            if response.status_code == 429:
                chats.turned_away += 1
                return
            response.raise_for_status()
            for line in response.iter_lines():
                if first is None and line.startswith("event: token"):
                    first = time.perf_counter() - began
                if line.startswith("event: error"):
                    chats.failed += 1
                    return
    except httpx.HTTPError:
        chats.failed += 1
        return
    took = time.perf_counter() - began
    chats.first_s.append(took if first is None else first)
    chats.whole_s.append(took)


def measure_chats(
    server: Running, users: int, questions: Sequence[str], *, knowledge_base: str, seconds: float
) -> dict[str, Any]:
    """`users` ask question after question for so long, each on a connection of its own."""
    chats, end = [Chats() for _ in range(users)], time.perf_counter() + seconds

    def chat(number: int) -> None:
        with httpx.Client(base_url=server.url, trust_env=False, timeout=_PATIENCE) as client:
            turn = number
            while time.perf_counter() < end:
                ask(client, questions[turn % len(questions)], knowledge_base, chats[number])
                turn += users

    began = time.perf_counter()
    threads = [threading.Thread(target=chat, args=(number,)) for number in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = Chats(
        [value for each in chats for value in each.first_s],
        [value for each in chats for value in each.whole_s],
        sum(each.turned_away for each in chats),
        sum(each.failed for each in chats),
    )
    return {**together.figures(time.perf_counter() - began), "memory_mb": server.memory_mb()}


def measure_serving(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    questions: Sequence[str],
    knowledge_base: str,
    users: Sequence[int],
    seconds: float,
    progress: Progress,
) -> dict[str, Any]:
    """A cold start until the first answer, then so many users at once, one number after the other.

    Returns the start's figures, and rows by users under "chats".
    """
    progress("start")
    with running(command, environment) as server:
        began, first = time.perf_counter(), Chats()
        with httpx.Client(base_url=server.url, trust_env=False, timeout=_PATIENCE) as client:
            ask(client, questions[0], knowledge_base, first)
        start = {
            "ready_s": server.ready_s,
            "first_answer_s": server.ready_s + time.perf_counter() - began,
            "idle_mb": server.memory_mb(),
        }
        rows = []
        for count in users:
            progress(f"{count} users")
            row = measure_chats(server, count, questions, knowledge_base=knowledge_base, seconds=seconds)
            rows.append({"size": count, **rounded(row)})
    per_answer = growth_exponent(users, [row["first_p50_ms"] for row in rows])
    return {**rounded(start), "chats": rows, "first_p50_grows_with_users^": per_answer}
