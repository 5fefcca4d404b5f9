"""What a fresh image must do with no network: start, read a PDF and a scan, answer, restart, answer again.

Run inside the image, `python packaging/check_image.py` or from standard input; prints one JSON object
and ends with status 1 where something does not hold. `make image-test` runs it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

HOME = Path("/opt/zhiwen")
SAMPLES = HOME / "knowledge_base" / "samples"
QUESTIONS = (
    ("网关显示故障代码E21是什么意思？", "SG-200工业边缘网关用户手册.pdf", 11, "平台认证失败"),
    ("停电检修时7层负责人的分机是多少？", "停电检修通知-扫描件.pdf", 2, "8307"),
)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def outside_reachable() -> bool:
    """Whether any way leads out of this machine; an address for documentation stands for the outside."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 53))
        except OSError:
            return False
    return True


@contextmanager
def running(data: str) -> Iterator[tuple[httpx.Client, float]]:
    """The application of the image over the folder `data`, with the seconds until it answered."""
    port = free_port()
    began = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "webui.py", "--host", "127.0.0.1", "--port", str(port)],
        cwd=HOME,
        env={**os.environ, "ZHIWEN_DATA_DIR": data},
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False) as client:
            while True:
                if process.poll() is not None:
                    raise SystemExit(f"the application ended with status {process.returncode}")
                if time.monotonic() - began > 120:
                    raise SystemExit("the application did not come up within 120 s")
                try:
                    client.get("/healthz").raise_for_status()
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield client, time.monotonic() - began
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def upload(client: httpx.Client) -> None:
    """Take in the PDF and the scan of the samples, over HTTP, and wait for the job's end."""
    client.post("/api/knowledge-bases", json={"name": "镜像检查"}).raise_for_status()
    parts = [("files", (name, (SAMPLES / name).read_bytes())) for _, name, *_ in QUESTIONS]
    response = client.post("/api/knowledge-bases/镜像检查/documents", files=parts)
    response.raise_for_status()
    job = response.json()["job"]
    while job["state"] in {"queued", "running"}:
        time.sleep(0.2)
        job = client.get(f"/api/jobs/{job['id']}").json()
    assert {document["state"] for document in job["documents"]} == {"ready"}, job


def ask(client: httpx.Client, question: str, document: str, page: int, words: str) -> dict[str, Any]:
    """Ask and check that the answer quotes the right page, and that the page can be shown."""
    answer: dict[str, Any] = client.post(
        "/api/ask", json={"question": question, "knowledge_bases": ["镜像检查"]}
    ).json()
    assert not answer["refused"] and words in answer["answer"], answer
    cited = next(c for c in answer["citations"] if words in c["quote"])
    assert (cited["document"], cited["page"]) == (document, page) and cited["boxes"], cited
    picture = client.get(f"/api/knowledge-bases/镜像检查/documents/{cited['document_id']}/pages/{page}.png")
    assert picture.status_code == 200 and picture.content.startswith(b"\x89PNG")
    return answer


def main() -> None:
    """Do all of it and print what was seen."""
    seen: dict[str, Any] = {"outside_reachable": outside_reachable()}
    with tempfile.TemporaryDirectory() as data:
        began = time.monotonic()
        with running(data) as (client, seconds):
            seen["first_start_s"] = round(seconds, 2)
            assert client.get("/").status_code == 200
            upload(client)
            first = [ask(client, *question)["answer"] for question in QUESTIONS]
            seen["start_to_cited_answer_s"] = round(time.monotonic() - began, 2)
        with running(data) as (client, seconds):
            seen["second_start_s"] = round(seconds, 2)
            began = time.monotonic()
            again = [ask(client, *question)["answer"] for question in QUESTIONS]
            seen["first_answers_after_restart_s"] = round(time.monotonic() - began, 2)
    assert again == first
    assert not seen["outside_reachable"], "the check is worth nothing with a network"
    print(json.dumps({**seen, "answers": first}, ensure_ascii=False))


if __name__ == "__main__":
    main()
