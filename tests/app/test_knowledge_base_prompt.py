"""A prompt stored with a knowledge base, over HTTP, and what the language model gets."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from app.service import Service
from tests.app.conftest import KB, SAMPLES, MakeService
from tests.app.fake_chat import RecordingModel

SPEC = {"kind": "tests.app.fake_chat:RecordingModel"}


@pytest.mark.slow
def test_it_is_checked_stored_and_used(
    make_service: MakeService, client_of: Callable[[Service], TestClient]
) -> None:
    service = make_service(answering={"models": {"local": SPEC}, "model": "local"})
    service.create_knowledge_base(KB)
    file = service.store("员工手册.md", [(SAMPLES / "员工手册.md").read_bytes()], check=False)
    service.ingest(KB, [file])
    client = client_of(service)
    address = f"/api/knowledge-bases/{KB}"
    model = service.models("local").model
    assert isinstance(model, RecordingModel)

    def instructions() -> str:
        asked = {"question": "年假有几天？", "knowledge_bases": [KB], "threshold": 0}
        reply = client.post("/api/ask", json=asked)
        assert (reply.status_code, reply.json()["model"]) == (200, "local"), reply.text
        assert model.asked, reply.text
        return str(model.asked[-1][0].content)

    assert client.get(address).json()["prompt"] == ""
    wrong = client.patch(address, json={"prompt": "只说一句。"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "invalid_prompt")
    changed = client.patch(address, json={"prompt": "用文言回答：{passages}", "description": "x"}).json()
    assert (changed["prompt"], changed["description"]) == ("用文言回答：{passages}", "x")
    service.create_knowledge_base("别的")
    taken = client.patch(address, json={"prompt": "换成：{passages}", "name": "别的", "description": "y"})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "knowledge_base_exists")
    assert client.get(address).json() == changed
    assert instructions().startswith("用文言回答：[1] 《员工手册.md》")
    assert client.patch(address, json={"prompt": ""}).json()["prompt"] == ""
    assert not instructions().startswith("用文言回答")
