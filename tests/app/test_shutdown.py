"""A server that is told to end: its answers are written to their end, its jobs go on at the next start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from app.client import Client
from app.client.events import Final, Token
from tests.app.slow_embedder import SECONDS_A_TEXT
from tests.browser.slow_model import FIRST, SlowModel

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FILES = 100


@pytest.fixture
def model() -> Iterator[SlowModel]:
    """A chat model that pauses in the middle of its answer until it is told to go on."""
    made = SlowModel()
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.release.set()
    made.shutdown()
    made.server_close()
    thread.join()


@contextmanager
def server(
    folder: Path, model: SlowModel, *, seconds_a_text: float, script: str = "api.py"
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`python api.py` on a free port, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spec = {"kind": "openai", "model": "slow", "base_url": model.url}
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "ZHIWEN_DATA_DIR": str(folder / "data"),
        "ZHIWEN_EMBEDDER__NAME": "tests.app.slow_embedder:SlowEmbeddings",
        "ZHIWEN_ANSWERING__MODELS": json.dumps({SlowModel.name: spec}),
        "ZHIWEN_SERVER__DRAIN_SECONDS": "60",
        SECONDS_A_TEXT: str(seconds_a_text),
    }
    command = [sys.executable, str(ROOT / script), "--port", str(port)]
    log = folder / "log.txt"
    with (
        log.open("ab") as output,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output) as process,  # noqa: S603
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(transport=httpx.HTTPTransport(retries=10), timeout=60) as client:
                client.get(f"{url}/healthz").raise_for_status()
            yield process, url
        except BaseException:
            process.kill()
            sys.stderr.write(log.read_text(errors="replace")[-3000:])
            raise
        finally:
            process.terminate()


def wait_until_closed(url: str) -> None:
    """Until no new connection is taken."""
    port = int(url.rsplit(":", 1)[1])
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionError:
            return
        threading.Event().wait(0.05)
    raise AssertionError("the server still takes connections")


def test_answers_end_and_jobs_go_on(tmp_path: Path, model: SlowModel) -> None:
    with server(tmp_path, model, seconds_a_text=0.1) as (process, url), Client(url) as client:
        events = client.ask_stream("你好", mode="chat", model=SlowModel.name)
        first = next(event for event in events if isinstance(event, Token))
        assert first.text == FIRST
        client.knowledge_bases.create("制度")
        files = [(f"{n}.txt", f"第{n}条规定由第{n}部门解释。".encode()) for n in range(FILES)]
        job = client.knowledge_bases.upload("制度", files).job_id
        while client.jobs.get(job).state == "queued":
            threading.Event().wait(0.05)
        process.send_signal(signal.SIGTERM)
        wait_until_closed(url)
        model.release.set()
        *_, last = events
        assert isinstance(last, Final)
        assert last.answer.answer.startswith(FIRST)
        assert process.wait(timeout=60) == 0
    with server(tmp_path, model, seconds_a_text=0) as (_, url), Client(url) as client:
        ended = client.jobs.wait(job)
        assert (ended.state, ended.done, ended.total) == ("done", FILES, FILES)
        assert {document.state for document in ended.documents} == {"ready"}
        events_of_job = client.request("GET", f"/api/jobs/{job}/events").json()["events"]
        kinds = [event["kind"] for event in events_of_job]
        assert kinds[:2] == ["submitted", "started"]
        assert kinds[-1] == "done"
        assert "suspended" in kinds
        assert "interrupted" not in kinds
        assert len(client.knowledge_bases.documents("制度")) == FILES


def test_an_open_page_does_not_hold_up_the_end(tmp_path: Path, model: SlowModel) -> None:
    """The stream by which a page sees that the server lives ends at once, not after `drain_seconds`."""
    with (
        server(tmp_path, model, seconds_a_text=0, script="webui.py") as (process, url),
        httpx.stream("GET", f"{url}/gradio_api/heartbeat/page", timeout=60) as watched,
    ):
        lines = watched.iter_lines()
        assert next(lines) == "data: ALIVE"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=40) == 0
