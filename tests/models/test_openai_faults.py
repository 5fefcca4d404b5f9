"""What becomes of faults of a server that speaks OpenAI's protocol: a real one, told what to do wrong."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openai._base_client
import pytest
from langchain_core.language_models import BaseChatModel

from models.chat_spec import ChatModelSpec
from models.errors import (
    ModelError,
    ModelKeyError,
    ModelNotFoundError,
    ModelRefusalError,
    ModelUnavailableError,
)
from models.registry import load_chat_model

KEY = "sk-of-nobody-4711"
Reply = Callable[[BaseHTTPRequestHandler], None]


class FaultyServer:
    """Gives the replies it was told, one a request, and the last one from then on."""

    def __init__(self, *replies: Reply, listener: socket.socket | None = None) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        """Key and body of each."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append((self.headers["Authorization"], body))
                replies[min(len(outer.requests), len(replies)) - 1](self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=listener is None)
        if listener is not None:
            self._server.socket.close()
            self._server.socket = listener
            self._server.server_activate()
        self._server.daemon_threads = True
        port = self._server.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def status(code: int, text: str = "no", **headers: str) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        _send(handler, code, json.dumps({"error": {"message": text}}).encode(), **headers)

    return reply


def answer(handler: BaseHTTPRequestHandler) -> None:
    message = {"role": "assistant", "content": "五天"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    _send(handler, 200, json.dumps({"id": "1", "choices": choices, "usage": usage}).encode())


def pieces(*texts: str, whole: bool) -> Reply:
    """A stream of these; when it is not whole, the connection is closed after them."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        choices = [[{"index": 0, "delta": {"role": "assistant", "content": text}}] for text in texts]
        usage = None
        if whole:
            choices += [[{"index": 0, "delta": {}, "finish_reason": "stop"}], []]
            usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
        for choice in choices:
            piece = {"id": "1", "choices": choice, "usage": None if choice else usage}
            handler.wfile.write(f"data: {json.dumps(piece)}\n\n".encode())
        if whole:
            handler.wfile.write(b"data: [DONE]\n\n")
        handler.close_connection = True

    return reply


def cut_chunk(handler: BaseHTTPRequestHandler) -> None:
    """A first piece, and then less than the length that was announced."""
    piece = {"id": "1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "五"}}]}
    data = f"data: {json.dumps(piece)}\n\n".encode()
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n50\r\ndata: {")
    handler.close_connection = True


def _send(handler: BaseHTTPRequestHandler, code: int, body: bytes, **headers: str) -> None:
    handler.send_response(code)
    for name, value in {"Content-Type": "application/json", **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def serve() -> Iterator[Callable[..., FaultyServer]]:
    made: list[FaultyServer] = []

    def start(*replies: Reply, listener: socket.socket | None = None) -> FaultyServer:
        made.append(FaultyServer(*replies, listener=listener))
        return made[-1]

    yield start
    for server in made:
        server.close()


class Clock:
    """Takes the place of the client's `time`: pauses are noted, not made."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.meanwhile()

    def time(self) -> float:
        return 0.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(openai._base_client, "time", made)
    return made


def model(url: str, *, retries: int = 2, timeout: float = 60) -> BaseChatModel:
    spec = ChatModelSpec(
        kind="openai", model="m", base_url=url, api_key_env="TEST_KEY", retries=retries, timeout=timeout
    )
    return load_chat_model(spec)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)


def test_a_server_that_is_full_is_asked_again_after_longer_and_longer(
    serve: Callable[..., FaultyServer], clock: Clock
) -> None:
    server = serve(status(503), status(503), answer)
    assert model(server.url).invoke("年假？").content == "五天"
    assert [key for key, _ in server.requests] == [f"Bearer {KEY}"] * 3
    first, second = clock.pauses
    assert 0.375 <= first <= 0.5
    assert 0.75 <= second <= 1.0


def test_a_server_says_when_to_come_again(serve: Callable[..., FaultyServer], clock: Clock) -> None:
    server = serve(status(429, Retry_After="7"), answer)
    assert model(server.url).invoke("年假？").content == "五天"
    assert clock.pauses == [7.0]


@pytest.mark.parametrize(("code", "retries"), [(503, 2), (429, 1), (500, 0)])
def test_a_server_that_stays_full(
    code: int, retries: int, serve: Callable[..., FaultyServer], clock: Clock
) -> None:
    server = serve(status(code))
    with pytest.raises(ModelUnavailableError, match="failed"):
        model(server.url, retries=retries).invoke("年假？")
    assert (len(server.requests), len(clock.pauses)) == (retries + 1, retries)


def test_a_server_that_comes_up_between_two_tries(serve: Callable[..., FaultyServer], clock: Clock) -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
    started: list[FaultyServer] = []
    clock.meanwhile = lambda: started.append(serve(answer, listener=listener))
    chat = model(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
    assert chat.invoke("年假？").content == "五天"
    assert (len(started), len(clock.pauses)) == (1, 1)


def test_no_server(clock: Clock) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        chat = model(f"http://127.0.0.1:{bound.getsockname()[1]}/v1")
        with pytest.raises(ModelUnavailableError, match="cannot be reached"):
            list(chat.stream("年假？"))
    assert len(clock.pauses) == 2


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (400, ModelRefusalError),
        (401, ModelKeyError),
        (403, ModelKeyError),
        (404, ModelNotFoundError),
        (422, ModelRefusalError),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
def test_what_is_not_worth_another_try(
    code: int, error: type[ModelError], streamed: bool, serve: Callable[..., FaultyServer], clock: Clock
) -> None:
    server = serve(status(code))
    chat = model(server.url)
    with pytest.raises(ModelError) as caught:
        list(chat.stream("年假？")) if streamed else chat.invoke("年假？")
    assert type(caught.value) is error
    assert caught.value.details["name"] == "m"
    assert (len(server.requests), clock.pauses) == (1, [])


@pytest.mark.parametrize("code", [400, 401, 404, 500])
def test_a_key_stays_out_of_logs_and_errors(
    code: int, serve: Callable[..., FaultyServer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(status(code, f"what is {KEY}?"))
    chat = model(server.url, retries=1)
    with pytest.raises(ModelError) as caught:
        chat.invoke("年假？")
    logging.getLogger("caller").warning("it failed", exc_info=caught.value)
    assert KEY not in str(caught.value)
    assert KEY not in repr(chat)
    ours = [r for r in caplog.records if r.levelno >= logging.INFO]
    assert KEY not in "".join(logging.Formatter().format(record) for record in ours)
    assert server.requests[0][0] == f"Bearer {KEY}"


def test_a_server_that_does_not_answer(serve: Callable[..., FaultyServer], clock: Clock) -> None:
    over = threading.Event()

    def silent(_: BaseHTTPRequestHandler) -> None:
        over.wait(60)

    server = serve(silent)
    try:
        with pytest.raises(ModelUnavailableError, match="in time"):
            model(server.url, retries=1, timeout=0.2).invoke("年假？")
    finally:
        over.set()
    assert len(clock.pauses) == 1


@pytest.mark.parametrize("reply", [pieces("五", whole=False), cut_chunk])
def test_a_stream_that_breaks_off_is_an_error_and_not_begun_again(
    reply: Reply, serve: Callable[..., FaultyServer], clock: Clock
) -> None:
    server = serve(reply)
    seen: list[str] = []
    with pytest.raises(ModelUnavailableError, match="broke off"):
        seen.extend(chunk.text for chunk in model(server.url).stream("年假？"))
    assert seen[:1] == ["五"]
    assert (len(server.requests), clock.pauses) == (1, [])


def test_tokens_are_counted_while_streaming(serve: Callable[..., FaultyServer]) -> None:
    server = serve(pieces("五", "天", whole=True))
    chunks = list(model(server.url).stream("年假？"))
    assert "".join(chunk.text for chunk in chunks) == "五天"
    assert server.requests[0][1]["stream_options"] == {"include_usage": True}
    counted = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
    assert [(c["input_tokens"], c["output_tokens"]) for c in counted] == [(7, 2)]
