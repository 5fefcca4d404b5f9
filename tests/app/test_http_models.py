"""Listing, loading and unloading chat models over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from app.answering.types import Token
from app.service import Service
from tests.app.conftest import KB, MakeService
from tests.app.live import serving
from tests.models.tiny_models import save_llama

pytestmark = pytest.mark.slow


def test_a_local_model_is_loaded_asked_and_unloaded(
    make_service: MakeService, client_of: Callable[[Service], TestClient], tmp_path: Path
) -> None:
    folder = save_llama(tmp_path / "llama")
    spec = {"kind": "transformers", "model": str(folder), "device": "cpu", "max_tokens": 5, "concurrency": 1}
    service = make_service(answering={"models": {"local": spec}, "model": "local"})
    service.create_knowledge_base(KB)
    client = client_of(service)

    def state(name: str) -> dict[str, object]:
        found: dict[str, object] = next(
            m for m in client.get("/api/models").json()["models"] if m["name"] == name
        )
        return found

    assert (state("quote")["state"], state("quote")["default"]) == ("ready", False)
    assert (state("local")["state"], state("local")["memory_bytes"]) == ("unloaded", 0)
    loaded = client.post("/api/models/local/load").json()
    assert (loaded["state"], loaded["device"], loaded["default"]) == ("loaded", "cpu float32", True)
    assert loaded["memory_bytes"] > 10_000
    assert client.post("/api/models/local/unload").json()["state"] == "unloaded"
    missing = client.post("/api/models/other/load")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "unknown_model")
    refused = client.post("/api/models/quote/load")
    assert refused.status_code == 404


def local(folder: Path, **more: Any) -> dict[str, Any]:
    """Settings of a service whose model is a small local one."""
    spec = {"kind": "transformers", "model": str(folder), "device": "cpu", "max_tokens": 20, **more}
    return {"answering": {"models": {"local": spec}, "model": "local"}}


ASK = {"question": "你好", "mode": "chat"}


@pytest.mark.parametrize("concurrency", [1, 2])
def test_out_of_memory_is_told_with_advice_and_the_next_request_works(
    concurrency: int,
    make_service: MakeService,
    client_of: Callable[[Service], TestClient],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    folder = save_llama(tmp_path / "llama")
    service = make_service(**local(folder, max_tokens=5, concurrency=concurrency))
    client = client_of(service)
    assert client.post("/api/models/local/load").status_code == 200
    inner = type(service.models("local").model._serve().loaded.model)  # type: ignore[attr-defined]
    forward = inner.forward

    def greedy(*_: Any, **__: Any) -> None:
        torch.empty(1 << 60, dtype=torch.uint8)  # more than any machine has

    monkeypatch.setattr(inner, "forward", greedy)
    failed = client.post("/api/ask", json=ASK)
    assert (failed.status_code, failed.json()["error"]["code"]) == (503, "model_out_of_memory")
    assert "top_k" in failed.json()["error"]["message"]
    streamed = client.post("/api/ask", json={**ASK, "stream": True})
    assert "model_out_of_memory" in streamed.text
    monkeypatch.setattr(inner, "forward", forward)
    assert client.post("/api/ask", json=ASK).json()["answer"]
    assert client.get("/api/models").json()["models"][1]["active"] == 0


def test_a_stream_tells_its_position_in_the_queue(make_service: MakeService, tmp_path: Path) -> None:
    service = make_service(**local(save_llama(tmp_path / "llama"), concurrency=1))
    first = service.ask_stream("你好", [], mode="chat")
    while not isinstance(next(first), Token):
        pass
    events = []
    with (
        serving(service) as port,
        httpx.stream(
            "POST", f"http://127.0.0.1:{port}/api/ask", json={**ASK, "stream": True}, timeout=60
        ) as reply,
    ):
        lines = reply.iter_lines()
        for line in lines:
            events.append(line)
            if line == "event: waiting":
                assert json.loads(next(lines).removeprefix("data: "))["position"] == 1
                first.close()  # type: ignore[attr-defined]
    assert events.count("event: waiting") >= 1
    assert "event: final" in events
