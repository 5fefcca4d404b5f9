"""Talking to a chat model without any document."""

from __future__ import annotations

from collections.abc import Callable

from fastapi.testclient import TestClient

from app.answering.answerer import Answerer
from app.answering.prompt import Budget
from app.answering.speech import ChatModel
from app.answering.types import Final, Sources, Token, Turn
from app.service import Service
from tests.app.conftest import MakeService
from tests.app.fake_chat import RecordingModel


def test_the_model_is_asked_without_documents() -> None:
    model = RecordingModel(responses=[" 你好，[1] 有什么事？"])
    chat = ChatModel(name="local", model=model, budget=Budget(10_000, len))
    events = list(Answerer(None, chat_model=chat).stream("你好", [Turn("早", "早上好")]))
    assert events[0] == Sources(())
    assert "".join(e.text for e in events if isinstance(e, Token)) == "你好，[1] 有什么事？"
    assert isinstance(events[-1], Final)
    answer = events[-1].answer
    assert (answer.refused, answer.model, answer.citations, answer.sentences) == (False, "local", (), ())
    assert "没有提供任何文档" in model.asked[0][0].text
    assert [message.text for message in model.asked[0][1:]] == ["早", "早上好", "你好"]


def test_over_http(make_service: MakeService, client_of: Callable[[Service], TestClient]) -> None:
    spec = {"kind": "tests.app.fake_chat:RecordingModel"}
    client = client_of(make_service(answering={"models": {"local": spec}}))
    asked = {"question": "你好", "mode": "chat", "model": "local"}
    answer = client.post("/api/ask", json=asked).json()
    assert (answer["answer"], answer["model"], answer["citations"]) == ("出处在第一份资料[1]。", "local", [])
    quoting = client.post("/api/ask", json={"question": "你好", "mode": "chat"})
    assert (quoting.status_code, quoting.json()["error"]["code"]) == (422, "model_needed")
    assert "language model" in quoting.json()["error"]["message"]
    both = client.post("/api/ask", json={**asked, "knowledge_bases": ["制度"]})
    neither = client.post("/api/ask", json={"question": "你好"})
    assert [r.json()["error"]["code"] for r in (both, neither)] == ["invalid_request"] * 2
    completion = client.post(
        "/v1/chat/completions",
        json={"model": "local", "mode": "chat", "messages": [{"role": "user", "content": "你好"}]},
    ).json()
    assert completion["choices"][0]["message"]["content"] == "出处在第一份资料[1]。"
