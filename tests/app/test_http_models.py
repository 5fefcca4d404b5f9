"""Listing, loading and unloading chat models over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi.testclient import TestClient

from app.service import Service
from tests.app.conftest import KB, MakeService
from tests.models.tiny_models import save_llama


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
