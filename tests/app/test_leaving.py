"""Clients that leave a real server while a real model writes: it stops, and its place is free."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.composition import build_service
from app.service import Service
from app.settings import load_settings
from tests.app.live import serving
from tests.models.tiny_models import save_llama

pytestmark = pytest.mark.slow

SECONDS_A_TOKEN = 0.15
"""A model slow enough that leaving can be told from its end."""


class SlowModel:
    """The service's model, each of whose steps takes a while and is counted."""

    def __init__(self, service: Service) -> None:
        self.steps = 0
        self.pause = SECONDS_A_TOKEN
        self._changed = threading.Condition()
        self._models = service.models
        chat: Any = service.models("local").model
        service.models.load("local")
        chat._serve().loaded.model.model.register_forward_pre_hook(self._step)

    def _step(self, *_: object) -> None:
        threading.Event().wait(self.pause)
        with self._changed:
            self.steps += 1
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, timeout=30)

    def wait_until_idle(self) -> None:
        pause = threading.Event()
        for _ in range(600):
            if self._models.status("local").active == 0:
                return
            pause.wait(0.02)
        raise AssertionError("the model still works")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture
def service(folder: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Service]:
    """One whose model writes as many answers at once as the test says."""
    spec = {
        "kind": "transformers",
        "model": str(folder),
        "device": "cpu",
        "max_tokens": 300,
        "context_tokens": 600,
        "concurrency": request.param,
        "answer_timeout": 4 if "timeout" in request.node.name else 600,
    }
    made = build_service(
        load_settings(
            {"data_dir": tmp_path / "data", "answering": {"models": {"local": spec}, "model": "local"}}
        )
    )
    yield made
    made.close()


@pytest.fixture
def port(service: Service) -> Iterator[int]:
    """Of a running server over the service."""
    with serving(service) as port:
        yield port


def request(port: int, path: str, body: dict[str, Any]) -> http.client.HTTPConnection:
    """A connection on which a request was sent."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    return connection


ASK = ("/api/ask", {"question": "你好", "mode": "chat"})
OPENAI = (
    "/v1/chat/completions",
    {"model": "local", "messages": [{"role": "user", "content": "你好"}], "mode": "chat"},
)


@pytest.mark.parametrize(
    ("service", "path", "body", "stream"),
    [(1, *ASK, True), (1, *ASK, False), (2, *ASK, True), (2, *OPENAI, False)],
    indirect=["service"],
)
def test_leaving_ends_the_answer_within_two_tokens(
    service: Service, port: int, path: str, body: dict[str, Any], stream: bool
) -> None:
    model = SlowModel(service)
    connection = request(port, path, {**body, "stream": stream})
    if stream:
        connection.getresponse().close()  # once its head is there; the connection stays
    model.wait_for(lambda: model.steps >= 3)
    assert connection.sock is not None
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()
    left_at = model.steps
    model.wait_until_idle()
    # The prompt is a step too, and the step under way when the client leaves cannot be undone.
    assert model.steps - left_at <= 2
    model.pause = 0.0
    answer = service.ask("你好", [], mode="chat")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens > 0, answer.usage.completion_tokens) == (True, 300)


@pytest.mark.parametrize("service", [1], indirect=True)
def test_a_timeout_is_an_error_and_frees_the_place(service: Service, port: int) -> None:
    model = SlowModel(service)
    with contextlib.closing(request(port, *ASK)) as connection:
        response = connection.getresponse()
        assert response.status == 504
        assert json.loads(response.read())["error"]["code"] == "model_timeout"
    ended_at = model.steps
    model.wait_until_idle()
    assert model.steps - ended_at <= 2
