"""A real server that speaks OpenAI's protocol: `transformers serve` with a small local model."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from app.chat_models import ChatModels
from models.chat_spec import ChatModelSpec
from models.errors import ModelUnavailableError
from models.registry import load_chat_model
from models.transformers_chat import TransformersChatModel
from tests.models.tiny_models import save_llama

pytestmark = pytest.mark.slow

START_SECONDS = 180


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a running server."""
    port = free_port()
    command = Path(sys.executable).with_name("transformers")
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603
            [command, "serve", str(folder), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(f"http://127.0.0.1:{port}/health"):
            assert process.poll() is None, log.read_text("utf-8")[-2000:]
            assert time.monotonic() < deadline, log.read_text("utf-8")[-2000:]
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=1) as response:  # noqa: S310 - our own server
            return bool(response.status == 200)
    except OSError:
        return False


def spec(base_url: str, model: str, **more: Any) -> ChatModelSpec:
    return ChatModelSpec(kind="openai", model=model, base_url=base_url, max_tokens=6, timeout=60, **more)


def test_it_answers_as_the_model_does(server: str, folder: Path) -> None:
    chat = load_chat_model(spec(server, str(folder)))
    local = TransformersChatModel(folder=folder, device="cpu", max_tokens=6)
    expected = str(local.invoke("你好").content)
    assert len(expected) == 6
    assert chat.invoke("你好").content == expected
    pieces = [str(chunk.content) for chunk in chat.stream([HumanMessage("你好")])]
    assert "".join(pieces) == expected
    assert len([piece for piece in pieces if piece]) > 1


def test_leaving_a_stream_leaves_the_server_well(server: str, folder: Path) -> None:
    chat = load_chat_model(spec(server, str(folder)))
    stream = chat.bind(extra_body={"max_tokens": 400}).stream("你好")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert chat.invoke("你好").content


def test_its_state_and_that_of_one_that_is_down(server: str, folder: Path) -> None:
    down = f"http://127.0.0.1:{free_port()}/v1"
    models = ChatModels({"up": spec(server, str(folder)), "down": spec(down, "x", retries=0)})
    assert {status.name: status.state for status in models.list()} == {
        "quote": "ready",
        "up": "ready",
        "down": "unreachable",
    }
    with pytest.raises(ModelUnavailableError, match="cannot be reached"):
        models("down").model.invoke("你好")
    with pytest.raises(ModelUnavailableError, match="cannot be reached"):
        list(models("down").model.stream("你好"))


def test_its_tokens_are_counted_by_its_tokenizer(folder: Path) -> None:
    models = ChatModels({"up": spec("http://127.0.0.1:9/v1", "x", tokenizer=folder)})
    short, long = ([HumanMessage(text)] for text in ("你好", "你好<|user|>"))
    count = models("up").budget.count
    assert count(long) > count(short) == 2 + 8
