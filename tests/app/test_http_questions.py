"""Search and answers over HTTP, at once and streamed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from app.messages import translate
from app.service import Service
from models.embedder import Embedder
from models.errors import ModelUnavailableError
from tests.app.conftest import HANDBOOK, KB, MANUAL, TRAVEL, MakeService, finished

pytestmark = pytest.mark.model

LEAVE = "我工龄六年，一年有几天年休假？"
UNKNOWN = "恒星的光谱型是怎样划分的？"


def _search(client: TestClient, query: str, **body: Any) -> list[dict[str, Any]]:
    response = client.post("/api/search", json={"query": query, "knowledge_bases": [KB], **body})
    assert response.status_code == 200, response.text
    hits: list[dict[str, Any]] = response.json()["hits"]
    return hits


def _ask(client: TestClient, question: str, **body: Any) -> dict[str, Any]:
    response = client.post("/api/ask", json={"question": question, "knowledge_bases": [KB], **body})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def _events(text: str) -> list[tuple[str, Any]]:
    """The events of a stream of server-sent events."""
    found = []
    for block in text.removesuffix("\n\n").split("\n\n"):
        event, data = block.split("\n")
        found.append((event.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def _code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def _without_timings(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "timings"}


@pytest.mark.slow
def test_an_answer_tells_of_documents_that_are_still_being_processed(
    make_service: MakeService, client_of: Callable[[Service], TestClient]
) -> None:
    service = make_service()
    for name in (KB, "空"):
        service.create_knowledge_base(name)
    service.submit(KB, [service.store("假期.md", ["年休假为十天。".encode()])])
    client = client_of(service)
    before = _ask(client, "年休假有几天？")
    assert (before["refused"], before["documents_pending"]) == (True, 1)
    assert _ask(client, "年休假有几天？", knowledge_bases=["空"])["documents_pending"] == 0
    service.start()
    finished(client, service.jobs()[0].id)
    after = _ask(client, "年休假有几天？")
    assert (after["refused"], after["documents_pending"]) == (False, 0)


def test_search_finds_the_passage(client: TestClient) -> None:
    hits = _search(client, LEAVE)
    best = hits[0]
    assert (best["knowledge_base"], best["document"]) == (KB, HANDBOOK)
    assert "10天" in best["text"]
    assert 0.5 < best["score"] <= 1
    assert -1 <= best["dense_score"] <= 1
    assert 0 <= best["keyword_score"] <= 1
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    assert len(hits) <= 5


def test_a_page_has_boxes(client: TestClient) -> None:
    (best, *_) = _search(client, "SG-200的最大功耗是多少？", top_k=1)
    assert best["document"] == MANUAL
    assert best["page"] >= 1
    assert best["boxes"]
    for box in best["boxes"]:
        assert box["page"] >= best["page"]
        assert 0 <= box["x0"] < box["x1"] <= 1
        assert 0 <= box["y0"] < box["y1"] <= 1


def test_the_threshold_is_monotone_and_means_the_same_everywhere(client: TestClient) -> None:
    everything = _search(client, LEAVE, threshold=0, top_k=20)
    assert len(everything) == 20
    for threshold in (0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1.0):
        wanted = [hit for hit in everything if hit["score"] >= threshold]
        assert _search(client, LEAVE, threshold=threshold, top_k=20) == wanted
        assert _ask(client, LEAVE, threshold=threshold)["refused"] is (not wanted)


def test_the_number_of_passages(client: TestClient) -> None:
    for top_k in (1, 3, 100):
        hits = _search(client, "公司", top_k=top_k, threshold=0)
        assert len(hits) == top_k or top_k == 100
        assert len({hit["chunk_id"] for hit in hits}) == len(hits)


def test_only_some_documents(client: TestClient) -> None:
    travel = next(
        h["document_id"] for h in _search(client, "住宿费报销", threshold=0) if h["document"] == TRAVEL
    )
    hits = _search(client, LEAVE, document_ids=[travel], threshold=0)
    assert {hit["document"] for hit in hits} == {TRAVEL}
    assert _search(client, LEAVE, document_ids=[], threshold=0) == []
    assert _search(client, LEAVE, document_ids=["none"], threshold=0) == []


def test_an_empty_knowledge_base_is_no_error(
    make_service: MakeService, client_of: Callable[[Service], TestClient]
) -> None:
    service = make_service()
    service.create_knowledge_base(KB)
    client = client_of(service)
    assert _search(client, LEAVE) == []
    answer = _ask(client, LEAVE)
    assert (answer["refused"], answer["citations"]) == (True, [])


def test_several_knowledge_bases(client: TestClient, service: Service) -> None:
    service.create_knowledge_base("第二")
    try:
        both = client.post("/api/search", json={"query": LEAVE, "knowledge_bases": ["第二", KB, KB]})
        assert both.json()["hits"] == _search(client, LEAVE)
        file = service.store("冰箱.txt", ["冰箱里的牛奶归小王所有，别人不可以喝。".encode()])
        service.ingest("第二", [file])
        question = {"query": "冰箱里的牛奶归谁？", "knowledge_bases": [KB, "第二"]}
        (best, *_) = client.post("/api/search", json=question).json()["hits"]
        assert (best["knowledge_base"], best["document"]) == ("第二", "冰箱.txt")
        assert all(hit["knowledge_base"] == KB for hit in _search(client, "冰箱里的牛奶归谁？", threshold=0))
    finally:
        service.delete_knowledge_base("第二")


def test_an_answer_quotes_and_cites(client: TestClient) -> None:
    answer = _ask(client, LEAVE)
    assert (answer["refused"], answer["model"], answer["question"]) == (False, "quote", LEAVE)
    assert "[1]" in answer["answer"]
    for number, citation in enumerate(answer["citations"], start=1):
        assert citation["index"] == number
        assert f"[{number}]" in answer["answer"]
    first = answer["citations"][0]
    assert (first["document"], first["knowledge_base"]) == (HANDBOOK, KB)
    assert "10天" in first["quote"].replace(" ", "")
    assert answer["timings"]["total"] > 0


def test_a_citation_of_a_page_has_the_boxes_of_its_quote(client: TestClient) -> None:
    (citation, *_) = _ask(client, "SG-200的最大功耗是多少？")["citations"]
    assert citation["document"] == MANUAL
    assert citation["boxes"]
    assert citation["page"] == citation["boxes"][0]["page"]


def test_a_refusal_has_no_sources(client: TestClient) -> None:
    answer = _ask(client, UNKNOWN)
    assert (answer["answer"], answer["refused"], answer["citations"]) == (
        translate("refusal", "zh"),
        True,
        [],
    )
    english = _ask(client, "How are the spectral classes of stars defined?")
    assert (english["answer"], english["refused"]) == (translate("refusal", "en"), True)


@pytest.mark.parametrize("question", [LEAVE, UNKNOWN, "住宿费的标准是多少？"])
def test_the_stream_says_the_same(client: TestClient, question: str) -> None:
    whole = _ask(client, question)
    response = client.post("/api/ask", json={"question": question, "knowledge_bases": [KB], "stream": True})
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert response.headers["Cache-Control"] == "no-cache"
    events = _events(response.text)
    names = [name for name, _ in events]
    assert names == ["sources", *["token"] * (len(names) - 2), "final"]
    assert len(names) >= 3
    final = events[-1][1]
    assert set(final) == set(whole)
    assert _without_timings(final) == _without_timings(whole)
    assert events[0][1] == {"citations": whole["citations"]}
    assert "".join(data["text"] for name, data in events if name == "token") == whole["answer"]


def test_history_in_both_forms(client: TestClient) -> None:
    turns = [{"question": "年休假有几天？", "answer": "工龄六年为10天[1]。"}]
    messages = [
        {"role": "user", "content": "年休假有几天？"},
        {"role": "assistant", "content": "工龄六年为10天[1]。"},
    ]
    one = _ask(client, "那它要提前多久申请？", history=turns)
    two = _ask(client, "那它要提前多久申请？", history=messages)
    assert _without_timings(one) == _without_timings(two)
    assert "年休假" in one["question"]
    assert one["citations"][0]["document"] == HANDBOOK
    complete = _ask(client, LEAVE, history=turns)
    assert complete["question"] == LEAVE


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"question": "问", "knowledge_bases": ["none"]}, 404, "knowledge_base_not_found"),
        ({"question": "问", "knowledge_bases": [KB, "none"]}, 404, "knowledge_base_not_found"),
        ({"question": " ", "knowledge_bases": [KB]}, 422, "invalid_question"),
        ({"question": "问" * 4001, "knowledge_bases": [KB]}, 422, "invalid_question"),
        ({"question": "问", "knowledge_bases": [KB], "model": "none"}, 404, "unknown_model"),
        ({"question": "问", "knowledge_bases": []}, 422, "invalid_request"),
        ({"question": "问"}, 422, "invalid_request"),
        ({"question": "问", "knowledge_bases": [KB], "top_k": 0}, 422, "invalid_request"),
        ({"question": "问", "knowledge_bases": [KB], "threshold": 1.1}, 422, "invalid_request"),
        ({"question": "问", "knowledge_bases": [KB], "colour": 1}, 422, "invalid_request"),
        ({"question": "问", "knowledge_bases": [KB], "history": [{"role": "user"}]}, 422, "invalid_request"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_questions_that_cannot_be(
    client: TestClient, body: dict[str, Any], status: int, code: str, streamed: bool
) -> None:
    assert _code(client.post("/api/ask", json={**body, "stream": streamed})) == (status, code)


def test_searches_that_cannot_be(client: TestClient) -> None:
    def code(**body: Any) -> tuple[int, str]:
        return _code(client.post("/api/search", json=body))

    assert code(query="x", knowledge_bases=["none"]) == (404, "knowledge_base_not_found")
    assert code(query="", knowledge_bases=[KB]) == (422, "invalid_question")
    assert code(query="x", knowledge_bases=[KB], top_k=101) == (422, "invalid_request")
    broken = client.post("/api/search", content=b"{", headers={"Content-Type": "application/json"})
    assert _code(broken) == (422, "invalid_request")


@pytest.mark.parametrize("question", ["\x00年假", "年假" + "\u200b" * 50, "((((", '"', "😀" * 500])
def test_odd_questions_are_answered_or_refused(client: TestClient, question: str) -> None:
    body = json.dumps({"question": question, "knowledge_bases": [KB]})
    response = client.post("/api/ask", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in {200, 422}, response.text


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("/api/ask", {"question": "\ud800", "knowledge_bases": [KB]}),
        ("/api/ask", {"question": "问", "knowledge_bases": ["\udfff"]}),
        ("/api/search", {"query": "a\ud800b", "knowledge_bases": [KB]}),
        ("/api/knowledge-bases", {"name": "第三", "description": "\ud800"}),
        ("/api/knowledge-bases", {"name": "\ud800"}),
        ("/v1/chat/completions", {"model": "\ud800", "messages": [{"role": "user", "content": "问"}]}),
        ("/v1/embeddings", {"input": "\ud800"}),
    ],
)
def test_half_characters_are_refused(client: TestClient, address: str, body: dict[str, Any]) -> None:
    response = client.post(address, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert _code(response) == (422, "unreadable_text")
    assert response.json()["error"]["details"]["where"] in {"\\ud800", "\\udfff"}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b'{"query": "\xd6\xc6\xb6\xc8"}', "0xd6 @ 11"),
        (b"[" * 100_000, "[[[["),
    ],
)
def test_bytes_that_are_no_text(client: TestClient, body: bytes, where: str) -> None:
    response = client.post("/api/search", content=body, headers={"Content-Type": "application/json"})
    assert _code(response) == (422, "unreadable_text")
    assert where in response.json()["error"]["message"]


def test_a_body_beyond_the_limit(client: TestClient) -> None:
    content = b'{"query": "' + b"x" * (16 << 20) + b'"}'
    response = client.post("/api/search", content=content, headers={"Content-Type": "application/json"})
    assert _code(response) == (413, "request_too_large")


@pytest.mark.parametrize("threshold", ["NaN", "Infinity", "-1", "1.5"])
@pytest.mark.parametrize("address", ["/api/search", "/api/ask"])
def test_a_threshold_is_a_number_from_0_to_1(client: TestClient, address: str, threshold: str) -> None:
    content = f'{{"query": "x", "knowledge_bases": ["{KB}"], "threshold": {threshold}}}'
    content = content.replace("query", "question") if address.endswith("ask") else content
    response = client.post(address, content=content.encode(), headers={"Content-Type": "application/json"})
    assert _code(response) == (422, "invalid_request")


@pytest.fixture
def chatting(make_service: MakeService, client_of: Callable[[Service], TestClient]) -> TestClient:
    """A client of a service with two language models: one that cites, one that breaks."""
    kinds = {"writer": "RecordingModel", "broken": "BreakingModel", "absent": "NoSuchModel"}
    models = {name: {"kind": f"tests.app.fake_chat:{kind}"} for name, kind in kinds.items()}
    service = make_service(answering={"models": models, "model": "writer"})
    service.create_knowledge_base(KB)
    file = service.store("年假.md", ["员工每年享有年假五天。".encode()])
    service.ingest(KB, [file])
    return client_of(service)


def test_a_language_model_streams(chatting: TestClient) -> None:
    whole = _ask(chatting, "年假有几天？")
    assert (whole["answer"], whole["model"]) == ("出处在第一份资料[1]。", "writer")
    assert [c["document"] for c in whole["citations"]] == ["年假.md"]
    response = chatting.post(
        "/api/ask", json={"question": "年假有几天？", "knowledge_bases": [KB], "stream": True}
    )
    events = _events(response.text)
    assert [data["text"] for name, data in events if name == "token"] == [*"出处在第一份资料", "[1]", "。"]
    assert _without_timings(events[-1][1]) == _without_timings(whole)
    assert _ask(chatting, "年假有几天？", model="quote")["model"] == "quote"
    assert _ask(chatting, UNKNOWN)["refused"] is True


def test_a_model_that_breaks(chatting: TestClient) -> None:
    body = {"question": "年假有几天？", "knowledge_bases": [KB], "model": "broken"}
    assert _code(response := chatting.post("/api/ask", json=body)) == (503, "model_unavailable")
    assert "10.0.0.1" not in response.text
    streamed = chatting.post("/api/ask", json={**body, "stream": True})
    events = _events(streamed.text)
    assert [name for name, _ in events] == ["sources", "token", "error"]
    assert events[-1][1]["error"]["code"] == "model_unavailable"
    assert "10.0.0.1" not in streamed.text
    absent = {**body, "model": "absent"}
    assert _code(chatting.post("/api/ask", json=absent)) == (503, "model_not_found")
    assert _code(chatting.post("/api/ask", json={**absent, "stream": True})) == (503, "model_not_found")


def test_an_embedder_that_is_down_and_comes_back(
    make_service: MakeService,
    client_of: Callable[[Service], TestClient],
    embedder: Embedder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    down = True

    def load(_: str, **__: object) -> Embedder:
        if down:
            raise ModelUnavailableError("the embedder is down", name="default")
        return embedder

    monkeypatch.setattr("app.composition.load_embedder", load)
    service = make_service()
    service.create_knowledge_base(KB)
    service.start()
    client = client_of(service)
    body = {"query": LEAVE, "question": LEAVE, "knowledge_bases": [KB]}
    search = {key: body[key] for key in ("query", "knowledge_bases")}
    ask = {key: body[key] for key in ("question", "knowledge_bases")}
    assert _code(client.post("/api/search", json=search)) == (503, "model_unavailable")
    assert _code(client.post("/api/ask", json=ask)) == (503, "model_unavailable")
    assert _code(client.post("/v1/embeddings", json={"input": "x"})) == (503, "model_unavailable")
    streamed = client.post("/api/ask", json={**ask, "stream": True})
    assert [name for name, _ in _events(streamed.text)] == ["error"]

    file = ("files", ("年假.md", "员工每年享有年假五天。".encode()))
    upload = client.post(f"/api/knowledge-bases/{quote(KB)}/documents", files=[file])
    assert upload.status_code == 202
    job = finished(client, upload.json()["job_id"])
    assert (job["state"], job["error"]) == ("failed", "model_unavailable")

    down = False
    assert client.post(f"/api/jobs/{job['id']}/retry").status_code == 200
    job = finished(client, job["id"])
    assert (job["state"], job["error"], job["documents"][0]["state"]) == ("done", "", "ready")
    assert _search(client, "年假有几天？")[0]["document"] == "年假.md"
