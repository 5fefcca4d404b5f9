"""Clients that leave in the middle of a stream, and whether a slot, thread or generation is left behind.

    python -m benchmarks.http_leaving [--times 500] [--at-once 8]

Once with the quoting default, and once with a small language model of random weights whose answers take a
while. Every other client resets its connection, the others close it. The server is a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import struct
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.client import Client
from benchmarks.http_process import KB, QUESTIONS, Running, running, wire
from tests.models.tiny_models import save_llama

WARM = 32
"""Clients that leave before anything is counted: pools of threads grow to their size meanwhile."""
_RESET = struct.pack("ii", 1, 0)


async def leave(port: int, body: dict[str, Any], *, reset: bool) -> bool:
    """Ask, and be gone with the first token; whether it came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(wire("/api/ask", {**body, "stream": True}))
    received = b""
    while b"event: token" not in received and (block := await reader.read(4096)):
        received += block
    if reset:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort() if reset else writer.close()
    return b"event: token" in received


async def leave_all(port: int, body: dict[str, Any], times: int, at_once: int) -> int:
    """So many clients, some at once; how many got a token before they left."""
    places = asyncio.Semaphore(at_once)

    async def one(number: int) -> bool:
        async with places:
            return await leave(port, body, reset=number % 2 == 0)

    return sum(await asyncio.gather(*(one(number) for number in range(times))))


def left_behind(server: Running) -> dict[str, float]:
    """What may leak."""
    return {
        "threads": server.process.num_threads(),
        "files": server.process.num_fds(),
        "megabytes": round(server.megabytes()),
        "slots": server.figure("zhiwen_generations_active"),
        "waiting": server.figure("zhiwen_generations_waiting"),
    }


async def quiet(server: Running, model: str) -> float:
    """Seconds until no slot is taken and the model writes nothing, 30 at most."""
    clock = asyncio.get_running_loop().time
    start = clock()
    with Client(server.url) as client:
        while clock() - start < 30:
            listed = client.request("GET", "/api/models").json()["models"]
            writing = sum(each["active"] + each["waiting"] for each in listed if each["name"] == model)
            if not writing and not server.figure("zhiwen_generations_active"):
                break
            await asyncio.sleep(0.05)
    return round(clock() - start, 2)


async def measure(
    server: Running, model: str, body: dict[str, Any], times: int, at_once: int
) -> dict[str, Any]:
    """What is there before and after so many clients have left."""
    await leave_all(server.port, body, WARM, at_once)
    await quiet(server, model)
    before = left_behind(server)
    told = await leave_all(server.port, body, times, at_once)
    seconds = await quiet(server, model)
    return {
        "left_after_a_token": told,
        "quiet_after_s": seconds,
        "before": before,
        "after": left_behind(server),
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=500)
    parser.add_argument("--at-once", type=int, default=8)
    options = parser.parse_args()
    asked: dict[str, dict[str, Any]] = {
        "quote": {"question": QUESTIONS[0], "knowledge_bases": [KB]},
        "local": {"question": "你好", "mode": "chat", "model": "local"},
    }
    with TemporaryDirectory() as folder:
        spec = {
            "kind": "transformers",
            "model": str(save_llama(Path(folder), hidden=256, layers=6)),
            "device": "cpu",
            "max_tokens": 400,
            "context_tokens": 600,
            "concurrency": options.at_once,
        }
        settings = {"ZHIWEN_ANSWERING__MODELS": json.dumps({"local": spec})}
        with running(settings) as server:
            found = {}
            for model, body in asked.items():
                found[model] = asyncio.run(measure(server, model, body, options.times, options.at_once))
                print(model, found[model], file=sys.stderr, flush=True)
    json.dump(found, sys.stdout, ensure_ascii=False, indent=1)
    print()


if __name__ == "__main__":
    main()
