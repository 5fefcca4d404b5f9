"""Measures the service under load: chats, more chats than it takes, searches beside a bare FastAPI route.

    python -m benchmarks.http_load [--seconds 120] [--chats 20] [--crowd 200]

The server is a process of its own on loopback, with the quoting default and its default limits. First
`--chats` readers ask one question after the other for `--seconds`; then `--crowd` readers at once for a
quarter of that; then searches, in turns with a route of FastAPI that only checks the same body and
writes the same answer. One event loop is all the readers, so what they cost is in the figures too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.http_process import KB, QUESTIONS, ROOT, Reply, Running, post, process, running

ROUNDS = 3
SEARCHERS = 4


async def readers(
    count: int, seconds: float, ask: Callable[[int], Coroutine[None, None, Reply]], *, pause: float = 0.0
) -> list[Reply]:
    """The replies that so many readers got, who ask without rest; `pause` follows a refusal."""
    end = asyncio.get_running_loop().time() + seconds
    replies: list[Reply] = []

    async def read(reader: int) -> None:
        turn = reader
        while asyncio.get_running_loop().time() < end:
            reply = await ask(turn)
            replies.append(reply)
            turn += 1
            if reply.status == 429 and pause:
                await asyncio.sleep(pause)

    await asyncio.gather(*(read(reader) for reader in range(count)))
    return replies


def chat(server: Running) -> Callable[[int], Coroutine[None, None, Reply]]:
    """Asks a streamed question, another one each turn."""

    def ask(turn: int) -> Coroutine[None, None, Reply]:
        body = {"question": QUESTIONS[turn % len(QUESTIONS)], "knowledge_bases": [KB], "stream": True}
        return post(server.port, "/api/ask", body, until=b"event: token")

    return ask


def search(port: int) -> Callable[[int], Coroutine[None, None, Reply]]:
    """Searches for a question, another one each turn."""

    def ask(turn: int) -> Coroutine[None, None, Reply]:
        return post(port, "/api/search", {"query": QUESTIONS[turn % len(QUESTIONS)], "knowledge_bases": [KB]})

    return ask


def summary(replies: list[Reply], seconds: float) -> dict[str, object]:
    """Statuses, whole answers, percentiles of the first token in milliseconds."""
    accepted = [reply for reply in replies if reply.status == 200]
    whole = [reply for reply in accepted if b"event: final" in reply.body]
    first = np.array([reply.first for reply in whole] or [np.nan]) * 1e3
    return {
        "statuses": dict(sorted(Counter(reply.status for reply in replies).items())),
        "accepted_without_end": len(accepted) - len(whole),
        "answers_a_second": round(len(whole) / seconds, 1),
        "first_token_ms": {f"p{q}": round(float(np.percentile(first, q))) for q in (50, 95, 99)},
    }


async def searches(server: Running, seconds: float) -> dict[str, float]:
    """Searches a second of ours and of the bare route, in turns, and the median of their ratios."""
    reply = await post(server.port, "/api/search", {"query": QUESTIONS[0], "knowledge_bases": [KB]})
    with TemporaryDirectory() as folder:
        kept = Path(folder, "reply.json")
        kept.write_bytes(reply.body)
        with process(["-m", "benchmarks.bare_route", str(kept)], {"PYTHONPATH": str(ROOT)}) as bare:
            rates: list[tuple[float, float]] = []
            for _ in range(ROUNDS):
                pair = []
                for port in (server.port, bare.port):
                    replies = await readers(SEARCHERS, seconds / (2 * ROUNDS), search(port))
                    assert {each.status for each in replies} == {200}  # noqa: S101
                    pair.append(len(replies) / (seconds / (2 * ROUNDS)))
                rates.append((pair[0], pair[1]))
    ours, theirs = np.median(rates, axis=0)
    ratio = float(np.median([bare / own for own, bare in rates]))
    return {
        "ours_a_second": round(float(ours), 1),
        "bare_a_second": round(float(theirs), 1),
        "ratio": round(ratio, 2),
    }


async def measure(server: Running, options: argparse.Namespace) -> dict[str, object]:
    """All three parts."""
    found: dict[str, object] = {}
    memory = [server.megabytes()]
    chats = await readers(options.chats, options.seconds, chat(server))
    found[f"{options.chats} chats"] = summary(chats, options.seconds)
    memory.append(server.megabytes())
    part = options.seconds / 4
    for half in (1, 2):  # memory that does not come to rest shows in the second
        crowd = await readers(options.crowd, part / 2, chat(server), pause=0.2)
        found[f"{options.crowd} at once, {half}"] = summary(crowd, part / 2)
        memory.append(server.megabytes())
    found["searches"] = await searches(server, part)
    found["memory_mb"] = [round(each) for each in memory]
    found["slots_left_taken"] = server.figure("zhiwen_generations_active")
    return found


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--chats", type=int, default=20)
    parser.add_argument("--crowd", type=int, default=200)
    options = parser.parse_args()
    with running() as server:
        found = asyncio.run(measure(server, options))
    json.dump(found, sys.stdout, ensure_ascii=False, indent=1)
    print()


if __name__ == "__main__":
    main()
