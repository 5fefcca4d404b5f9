"""Measures chats over documents that nobody has asked about yet.

    python -m benchmarks.cold_chats SET [--passages 250] [--chats 20]

The passages of a set in SQuAD format are documents of a new server, and so many readers ask one
question of each, streamed, over HTTP: no question and no sentence that is looked at has a vector yet.
Then they ask the same again, when all have. Processor time is that of the server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from app.client import Client
from app.evaluation.squad import read_squad
from benchmarks.http_load import summary
from benchmarks.http_process import Reply, Running, post, running

KB = "未问过的文档"


def upload(server: Running, passages: Sequence[str]) -> None:
    """Make each passage a document."""
    with TemporaryDirectory() as folder, Client(server.url) as client:
        files = [Path(folder, f"{number}.txt") for number in range(len(passages))]
        for file, text in zip(files, passages, strict=True):
            file.write_text(text, "utf-8")
        client.knowledge_bases.create(KB)
        job = client.jobs.wait(client.knowledge_bases.upload(KB, files).job_id)
        assert job.state == "done", job  # noqa: S101


async def chats(server: Running, questions: Sequence[str], readers: int) -> dict[str, object]:
    """So many readers share the questions, each of which is asked once."""
    left = list(reversed(questions))
    replies: list[Reply] = []

    async def read() -> None:
        while left:
            body = {"question": left.pop(), "knowledge_bases": [KB], "stream": True}
            replies.append(await post(server.port, "/api/ask", body, until=b"event: token"))

    clock = asyncio.get_running_loop().time
    start, before = clock(), sum(server.process.cpu_times()[:2])
    await asyncio.gather(*(read() for _ in range(readers)))
    processor = sum(server.process.cpu_times()[:2]) - before
    return summary(replies, clock() - start) | {
        "processor_ms_a_question": round(1e3 * processor / len(questions))
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", type=Path)
    parser.add_argument("--passages", type=int, default=250)
    parser.add_argument("--chats", type=int, default=20)
    options = parser.parse_args()
    passages = [passage for passage in read_squad(options.set)[0] if passage.questions][: options.passages]
    questions = [passage.questions[0][0] for passage in passages]
    with running() as server:
        upload(server, [passage.text for passage in passages])
        found = {}
        for title in ("first", "again"):
            found[title] = asyncio.run(chats(server, questions, options.chats))
    json.dump(found, sys.stdout, ensure_ascii=False, indent=1)
    print()


if __name__ == "__main__":
    main()
