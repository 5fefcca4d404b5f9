"""A server in a process of its own for the HTTP benchmarks, and requests that cost the client little."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil

from app.client import Client

ROOT = Path(__file__).parents[1]
KB = "制度"
SAMPLES = ("员工手册.md", "差旅与费用报销管理办法.docx", "港台分支工作指引.txt")
QUESTIONS = (
    "我工龄六年，一年有几天年休假？",
    "国内出差住宿标准是多少？",
    "试用期有多长？",
    "报销需要哪些凭证？",
    "病假怎么申请？",
)


@dataclass(frozen=True)
class Running:
    """A server with the samples in it."""

    port: int
    process: psutil.Process

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def megabytes(self) -> float:
        """Memory of the server without the processes that read files."""
        return float(self.process.memory_info().rss) / 2**20

    def figure(self, name: str) -> float:
        """A figure of /metrics without labels."""
        text = httpx.get(f"{self.url}/metrics", timeout=60, trust_env=False).text
        return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")))


@contextmanager
def running(settings: Mapping[str, str] | None = None) -> Iterator[Running]:
    """A server on loopback with the default models, `settings` as variables, and three samples in it."""
    with TemporaryDirectory() as folder:
        environment = {"ZHIWEN_DATA_DIR": folder, "ZHIWEN_LOGGING__LEVEL": "error", **(settings or {})}
        with process([str(ROOT / "api.py"), "--port"], environment) as found:
            with Client(found.url) as client:
                client.knowledge_bases.create(KB)
                files = [ROOT / "knowledge_base" / "samples" / name for name in SAMPLES]
                job = client.jobs.wait(client.knowledge_bases.upload(KB, files).job_id)
                assert job.state == "done", job  # noqa: S101
                client.ask(QUESTIONS[0], [KB])
            yield found


@contextmanager
def process(arguments: list[str], environment: Mapping[str, str]) -> Iterator[Running]:
    """A Python process that listens on the port it is given as last argument, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, *arguments, str(port)]
    whole = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    with subprocess.Popen(command, env=whole) as started:  # noqa: S603 - our own program
        try:
            with httpx.Client(transport=httpx.HTTPTransport(retries=10), timeout=120) as client:
                client.get(f"http://127.0.0.1:{port}/healthz")
            yield Running(port, psutil.Process(started.pid))
        finally:
            started.terminate()


@dataclass(frozen=True)
class Reply:
    """What came back, and when: seconds to the first byte of the answer's text, and to its end."""

    status: int
    first: float
    whole: float
    body: bytes


def wire(path: str, body: Mapping[str, Any]) -> bytes:
    """A POST of JSON on a connection of its own."""
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode() + data


async def post(port: int, path: str, body: Mapping[str, Any], *, until: bytes = b"\r\n\r\n") -> Reply:
    """Send a request and read its answer; `first` is when `until` was there."""
    clock = asyncio.get_running_loop().time
    start = clock()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(wire(path, body))
        received, first = b"", 0.0
        while block := await reader.read(1 << 16):
            received += block
            if not first and until in received:
                first = clock() - start
        head, _, rest = received.partition(b"\r\n\r\n")
        status = int(head.split()[1]) if head else 0
        return Reply(status, first, clock() - start, rest)
    finally:
        writer.close()
