"""A chat model that speaks OpenAI's protocol and pauses in the middle of its answer until told."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FIRST = "额定功率为**四十五瓦** [1]。"
REST = (
    "\n\n- 待机功率见原文 [1]\n- <img src=x onerror=window.attacked=9> [点](javascript:alert(1)) ![图](http://example.com/i.png)"
    '\n\n```"onclick=alert(1)\ncode [1]\n```\n'
)


class SlowModel(ThreadingHTTPServer):
    """Streams `FIRST`, waits for `release`, then streams `REST`."""

    name = "慢模型"
    daemon_threads = True

    def __init__(self) -> None:
        self.release = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """The base address of the protocol."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: SlowModel

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self._send({"role": "assistant", "content": FIRST})
        self.server.release.wait(timeout=600)
        try:
            self._send({"content": REST})
            self._send({}, finish="stop")
            self.wfile.write(b"data: [DONE]\n\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # the answer was stopped

    def _send(self, delta: dict[str, str], *, finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        event = {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "slow",
            "choices": [choice],
        }
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
