"""What every request passes: hosts, origins, headers, limits, ids, figures."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio.to_thread
import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.errors import RequestTimeoutError, RequestTooLargeError, TooManyRequestsError
from app.http.application import create_app
from app.http.generations import Generations
from app.http.limits import RequestLimits, RequestRate, body_limit
from app.service import Service
from app.settings import LimitSettings
from tests.app.conftest import KB, MakeService

ClientOf = Callable[[Service], TestClient]

_SCOPE = {"type": "http", "method": "POST", "path": "/", "headers": []}


async def _ignore(message: Any) -> None:
    pass


@pytest.mark.parametrize(
    "host", ["127.0.0.1:7860", "localhost", "LOCALHOST.:80", "[::1]:7860", "192.168.1.5:80"]
)
def test_our_own_names_are_served(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "", "a@b]", "[::1"]
)
def test_a_foreign_name_is_refused(client: TestClient, host: str) -> None:
    reply = client.get("/api/knowledge-bases", headers={"Host": host})
    assert reply.status_code == 403
    assert reply.json()["error"]["code"] == "foreign_host"


def test_a_name_of_the_settings_is_served(make_service: MakeService, client_of: ClientOf) -> None:
    client = client_of(make_service(server={"allowed_hosts": ["zhiwen.lan"]}))
    assert client.get("/healthz", headers={"Host": "zhiwen.lan:7860"}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 422),
        ({"Origin": "http://127.0.0.1"}, 422),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_other_pages_change_nothing(client: TestClient, headers: dict[str, str], status: int) -> None:
    assert client.post("/api/knowledge-bases", json={"name": "/"}, headers=headers).status_code == status


def test_there_is_no_cors_unless_it_is_set(
    client: TestClient, make_service: MakeService, client_of: ClientOf
) -> None:
    asking = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    assert not [h for h in client.options("/api/ask", headers=asking).headers if "access-control" in h]
    allowed = client_of(make_service(server={"allowed_origins": ["https://example.org"]}))
    reply = allowed.options("/api/ask", headers=asking)
    assert reply.headers["access-control-allow-origin"] == "https://example.org"
    other = allowed.options("/api/ask", headers={**asking, "Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_answers_carry_the_headers_that_keep_browsers_from_harm(client: TestClient) -> None:
    for path in ("/api/knowledge-bases", "/nothing", "/healthz", "/docs"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "default-src" in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"] == "same-origin"  # else forms of our own come with a null origin
    assert client.get("/api/knowledge-bases").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml"])
def test_an_uploaded_page_is_never_shown_as_one(
    make_service: MakeService, client_of: ClientOf, kind: str
) -> None:
    service = make_service()
    service.create_knowledge_base("网页")
    page = "<html><body><p>本页会执行脚本吗？</p><script>alert(1)</script></body></html>".encode()
    service.ingest("网页", [service.store("页.html", [page])])
    document = service.documents("网页")[0].id
    reply = client_of(service).get(
        f"/api/knowledge-bases/网页/documents/{document}/content", headers={"Accept": kind}
    )
    assert reply.headers["Content-Type"] == "application/octet-stream"
    assert reply.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in reply.headers["Content-Security-Policy"]


def test_a_request_has_an_id_in_answer_and_error(client: TestClient) -> None:
    own = client.get("/nothing", headers={"X-Request-ID": "my-request.1"})
    assert own.headers["X-Request-ID"] == own.json()["error"]["request_id"] == "my-request.1"
    other = client.get("/nothing", headers={"X-Request-ID": "x" * 65})
    assert len(other.headers["X-Request-ID"]) == 16


def test_a_defect_is_an_error_in_the_one_format(
    client: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("/srv/secret/path")

    monkeypatch.setattr(service, "knowledge_bases", broken)
    reply = client.get("/api/knowledge-bases")
    assert reply.status_code == 500
    assert reply.json()["error"]["code"] == "internal_error"
    assert "secret" not in reply.text
    assert reply.headers["X-Request-ID"] == reply.json()["error"]["request_id"]


def test_readiness_names_what_is_missing(make_service: MakeService, client_of: ClientOf) -> None:
    service = make_service()
    client = client_of(service)
    reply = client.get("/readyz")
    assert (reply.status_code, reply.json()["models"]) == (503, False)
    service.warm_up()
    reply = client.get("/readyz")
    assert reply.json() == {"ready": True, "models": True, "catalogue": True, "disk": True}
    assert reply.status_code == 200


def test_figures_count_requests_answers_and_refusals(make_service: MakeService, client_of: ClientOf) -> None:
    service = make_service()
    service.create_knowledge_base("空")
    client = client_of(service)
    client.post("/api/ask", json={"question": "有什么？", "knowledge_bases": ["空"]})
    client.get("/api/knowledge-bases/空")
    text = client.get("/metrics").text
    assert 'zhiwen_requests_total{method="GET",route="/api/knowledge-bases/{name}",status="200"} 1.0' in text
    assert "zhiwen_answers_refused_total 1.0" in text
    for stage in ("rewrite", "embed", "search"):
        assert f'zhiwen_answer_stage_seconds_count{{stage="{stage}"}} 1.0' in text
    assert "zhiwen_generations_active 0.0" in text
    assert 'zhiwen_jobs{state="running"} 0.0' in text
    assert "空" not in text


def test_figures_are_for_administrators(make_service: MakeService, client_of: ClientOf) -> None:
    service = make_service()
    reader, admin = (service.keys.create(role, role=role)[1] for role in ("reader", "admin"))
    client = client_of(service)
    assert client.get("/metrics", headers={"X-API-Key": reader}).status_code == 403
    assert client.get("/metrics", headers={"X-API-Key": admin}).status_code == 200


def test_a_key_has_so_many_requests_a_minute(make_service: MakeService, client_of: ClientOf) -> None:
    service = make_service(limits={"requests_per_minute": 3})
    first, second = (service.keys.create(name)[1] for name in ("a", "b"))
    client = client_of(service)
    statuses = [client.get("/api/jobs", headers={"X-API-Key": first}).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = client.get("/api/jobs", headers={"X-API-Key": first})
    assert 1 <= int(refused.headers["Retry-After"]) <= 20
    assert client.get("/api/jobs", headers={"X-API-Key": second}).status_code == 200


def test_a_bucket_fills_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0
    monkeypatch.setattr("app.http.limits.time.monotonic", lambda: clock)
    rate = RequestRate(60)
    assert [rate.wait("a") for _ in range(60)] == [0] * 60
    assert rate.wait("a") == 1
    clock = 1.5
    assert rate.wait("a") == 0
    assert rate.wait("a") == pytest.approx(0.5)


@pytest.mark.parametrize("path", ["/api/search", "/login", "/v1/embeddings"])
def test_a_body_beyond_the_limit_is_refused(
    make_service: MakeService, client_of: ClientOf, path: str
) -> None:
    client = client_of(make_service(limits={"request_bytes": 2048}))
    kind = "application/x-www-form-urlencoded" if path == "/login" else "application/json"
    reply = client.post(path, content=b" " * 4096, headers={"Content-Type": kind})
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "request_too_large")


@pytest.mark.parametrize(
    ("request_line", "limit"),
    [
        ("POST /api/knowledge-bases/制度/documents", ("upload_bytes", 4 << 30)),
        ("PUT /api/knowledge-bases/制度/documents/1f", ("upload_bytes", 4 << 30)),
        ("POST /api/sessions/x/files", ("upload_bytes", 4 << 30)),
        ("POST /gradio_api/upload", ("upload_bytes", 4 << 30)),
        ("POST /api/knowledge-bases/import", ("package_bytes", (100 << 30) + (1 << 20))),
        ("PATCH /api/knowledge-bases/import", ("request_bytes", 16 << 20)),
        ("PATCH /api/knowledge-bases/制度/documents/1f", ("request_bytes", 16 << 20)),
        ("POST /api/knowledge-bases/制度/documents/1f/chunks", ("request_bytes", 16 << 20)),
        ("POST /api/ask", ("request_bytes", 16 << 20)),
        ("POST /gradio_api/queue/join", ("request_bytes", 16 << 20)),
        ("POST /login", ("request_bytes", 64 << 10)),
    ],
)
def test_only_what_goes_to_the_disk_may_be_large(request_line: str, limit: tuple[str, int]) -> None:
    method, path = request_line.split(" ")
    multipart = [(b"content-type", b"multipart/form-data; boundary=x")]
    scope = {**_SCOPE, "method": method, "path": path, "headers": multipart}
    assert body_limit(scope, LimitSettings()) == limit


def test_a_large_form_does_not_get_past_the_login(make_service: MakeService, client_of: ClientOf) -> None:
    service = make_service()
    service.keys.create("first")
    parts = {f"f{n}": (None, "x" * 1000) for n in range(90)}
    reply = client_of(service).post("/login", files=parts)
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "request_too_large")


def test_the_files_of_one_upload_are_limited_together(make_service: MakeService, client_of: ClientOf) -> None:
    service = make_service(limits={"upload_bytes": 8192})
    service.create_knowledge_base("kb")
    client = client_of(service)
    files = [("files", (f"{n}.txt", f"{n} 号文件。".encode() * 200)) for n in range(4)]
    reply = client.post("/api/knowledge-bases/kb/documents", files=files)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (413, "request_too_large")
    assert error["details"] == {"limit": "upload_bytes", "maximum": 8192}
    assert "limits.upload_bytes" in error["message"]
    assert service.documents("kb") == []
    assert list(service.settings.data_dir.joinpath("files").rglob("*.*")) == []


def test_a_body_is_counted_as_it_comes(make_service: MakeService) -> None:
    settings = make_service(limits={"request_bytes": 2048}).settings
    parts = 0

    async def endless() -> Any:
        nonlocal parts
        parts += 1
        return {"type": "http.request", "body": b" " * 1024, "more_body": True}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(RequestTooLargeError):
            while True:
                await receive()

    asyncio.run(RequestLimits(app, settings=settings)(_SCOPE, endless, _ignore))
    assert parts == 3


def test_a_body_that_does_not_come_is_waited_for_so_long(make_service: MakeService) -> None:
    settings = make_service(limits={"body_seconds": 0.05}).settings
    raised: list[BaseException] = []

    async def never() -> Any:
        await asyncio.Event().wait()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await receive()
        except RequestTimeoutError as error:
            raised.append(error)

    async def run() -> None:
        await RequestLimits(app, settings=settings)(_SCOPE, never, _ignore)

    asyncio.run(run())
    assert len(raised) == 1


class _Waiting:
    """A client that has left or not."""

    def __init__(self) -> None:
        self.left = False

    async def is_disconnected(self) -> bool:
        return self.left


def test_slots_go_in_turn_and_too_many_are_refused() -> None:
    async def run() -> None:
        generations = Generations(at_once=1, waiting=1, patience=60)
        client: Any = _Waiting()
        order: list[str] = []

        async def second() -> None:
            async with generations.slot(client):
                order.append("second")

        async with generations.slot(client):
            task = asyncio.create_task(second())
            await asyncio.sleep(0)
            assert (generations.active, generations.waiting) == (1, 1)
            with pytest.raises(TooManyRequestsError):
                async with generations.slot(client):
                    pass
            order.append("first")
        await task
        assert order == ["first", "second"]
        assert (generations.active, generations.waiting) == (0, 0)

    asyncio.run(run())


def _client_in_loop(service: Service) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(service, pages=False))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


def test_the_service_tells_that_it_lives_while_all_threads_are_busy(service: Service) -> None:
    async def run() -> int:
        limiter = anyio.to_thread.current_default_thread_limiter()
        limiter.total_tokens = 1
        async with limiter, _client_in_loop(service) as client:
            return (await asyncio.wait_for(client.get("/healthz"), 60)).status_code

    assert asyncio.run(run()) == 200


def test_few_texts_are_embedded_at_once(make_service: MakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    service = make_service(limits={"waiting_generations": 0})
    begun, go_on = threading.Semaphore(0), threading.Event()

    class Slow:
        def encode_documents(self, texts: list[str]) -> np.ndarray:
            begun.release()
            assert go_on.wait(60)
            return np.zeros((len(texts), 2), dtype=np.float32)

    monkeypatch.setattr(service, "embedder", Slow)

    async def run() -> None:
        async with _client_in_loop(service) as client:

            async def status() -> int:
                return (await client.post("/v1/embeddings", json={"input": ["年假"]})).status_code

            first = [asyncio.create_task(status()) for _ in range(4)]
            for _ in first:
                assert await asyncio.to_thread(begun.acquire, timeout=60)
            assert await status() == 429
            go_on.set()
            assert await asyncio.gather(*first) == [200] * 4
            assert await status() == 200

    asyncio.run(run())


def test_who_leaves_the_queue_takes_no_slot() -> None:
    async def slot(generations: Generations, client: Any) -> AsyncIterator[None]:
        async with generations.slot(client):
            yield

    async def run() -> None:
        generations = Generations(at_once=1, waiting=5, patience=60)
        staying, leaving = _Waiting(), _Waiting()
        leaving.left = True
        async with generations.slot(staying):  # type: ignore[arg-type]
            with pytest.raises(TooManyRequestsError):
                await slot(generations, leaving).__anext__()
            impatient = Generations(at_once=0, waiting=5, patience=0.0)
            with pytest.raises(TooManyRequestsError):
                await slot(impatient, staying).__anext__()
        assert (generations.active, generations.waiting) == (0, 0)

    asyncio.run(run())


def test_a_conversation_is_kept_and_leaned_on(client: TestClient, service: Service) -> None:
    session = client.post("/api/sessions", json={"knowledge_bases": [KB]}).json()["id"]
    first = client.post("/api/ask", json={"question": "年假有几天？", "session_id": session}).json()
    assert not first["refused"]
    streamed = client.post(
        "/api/ask", json={"question": "那病假呢？", "session_id": session, "stream": True}
    ).text
    assert "event: final" in streamed
    assert client.get(f"/api/sessions/{session}").json()["title"] == "年假有几天？"
    said = client.get(f"/api/sessions/{session}/messages").json()["messages"]
    assert [m["role"] for m in said] == ["user", "assistant"] * 2
    assert said[1]["text"] == first["answer"]
    assert said[1]["citations"] == first["citations"]
    assert "病假" in said[3]["question"]
    rate = client.put(
        f"/api/sessions/{session}/messages/{said[1]['id']}/feedback", json={"rating": 1, "reason": "helpful"}
    )
    assert rate.status_code == 204
    exported = client.get(f"/api/sessions/{session}/export").json()
    assert exported["messages"][1]["rating"] == 1
    markdown = client.get(f"/api/sessions/{session}/export", params={"format": "markdown"}).text
    assert markdown.startswith("# 年假有几天？\n\n## 年假有几天？\n\n")
    assert [s["id"] for s in client.get("/api/sessions", params={"query": "病假"}).json()["sessions"]] == [
        session
    ]
    renamed = client.patch(f"/api/sessions/{session}", json={"title": "假期"}).json()
    assert (renamed["title"], renamed["knowledge_bases"]) == ("假期", [KB])
    assert client.delete(f"/api/sessions/{session}").status_code == 204
    for path in ("", "/messages", "/export"):
        reply = client.get(f"/api/sessions/{session}{path}")
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "session_not_found")


@pytest.mark.parametrize(
    "settings", ['{"a": %s}' % ("[" * 900 + "]" * 900), '{"a": NaN}', '{"a": "%s"}' % ("长" * 3000)]
)
def test_what_is_kept_with_a_conversation_is_small(client: TestClient, settings: str) -> None:
    kind = {"Content-Type": "application/json"}
    session = client.post("/api/sessions", json={"settings": {"a": [{"b": 10**30}]}}).json()["id"]
    body = f'{{"settings": {settings}}}'
    for method, path in (("POST", "/api/sessions"), ("PATCH", f"/api/sessions/{session}")):
        reply = client.request(method, path, content=body, headers=kind)
        assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_request")
    (kept,) = client.get("/api/sessions").json()["sessions"]
    assert kept["settings"] == {"a": [{"b": 10**30}]}
    client.delete(f"/api/sessions/{session}")


def test_a_conversation_is_invisible_to_another_key(make_service: MakeService, client_of: ClientOf) -> None:
    service = make_service()
    service.create_knowledge_base("甲")
    first, second = (service.keys.create(name, names=["甲"], role="admin")[1] for name in "ab")
    admin = service.keys.create("all", role="admin")[1]
    client = client_of(service)
    session = client.post("/api/sessions", json={"title": "私"}, headers={"X-API-Key": first}).json()["id"]
    own = {"question": "有什么？", "knowledge_bases": ["甲"], "session_id": session}
    assert client.post("/api/ask", json=own, headers={"X-API-Key": first}).status_code == 200
    kept = client.get(f"/api/sessions/{session}/messages", headers={"X-API-Key": first}).json()["messages"]
    feedback = f"/api/sessions/{session}/messages/{kept[1]['id']}/feedback"
    for other in (second, admin):
        headers = {"X-API-Key": other}
        assert client.get("/api/sessions", headers=headers).json() == {"sessions": []}
        body = {"question": "有什么？", "knowledge_bases": ["甲"], "session_id": session}
        for reply in (
            client.get(f"/api/sessions/{session}", headers=headers),
            client.delete(f"/api/sessions/{session}", headers=headers),
            client.patch(f"/api/sessions/{session}", json={"title": "x"}, headers=headers),
            client.post("/api/ask", json=body, headers=headers),
            client.get(f"/api/sessions/{session}/messages", headers=headers),
            client.get(f"/api/sessions/{session}/export", headers=headers),
            client.get(f"/api/sessions/{session}/export?format=markdown", headers=headers),
            client.put(feedback, json={"rating": -1}, headers=headers),
            client.get(f"/api/sessions/{session}/files", headers=headers),
        ):
            assert (reply.status_code, reply.json()["error"]["code"]) == (404, "session_not_found")
    after = client.get(f"/api/sessions/{session}/messages", headers={"X-API-Key": first}).json()["messages"]
    assert after == kept
    named = {"title": "x", "knowledge_bases": ["乙"]}
    service.create_knowledge_base("乙")
    assert client.post("/api/sessions", json=named, headers={"X-API-Key": first}).status_code == 404
