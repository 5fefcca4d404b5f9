"""Knowledge bases, documents and jobs over HTTP."""

from __future__ import annotations

import hashlib
import io
import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import quote, unquote

import anyio
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from app.pages.uploads import take_in, upload_folder
from app.service import Service
from tests.app.bad_files import bad_files
from tests.app.conftest import BRANCH, HANDBOOK, KB, MANUAL, SAMPLES, MakeService, files_below, finished

pytestmark = [pytest.mark.model, pytest.mark.slow]

BASE = "/api/knowledge-bases"
DOCUMENTS = f"{BASE}/{quote(KB)}/documents"


def _error(response: Any) -> str:
    """The code of an error in the one format."""
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "details", "request_id"}
    assert body["error"]["message"]
    return str(body["error"]["code"])


def _files(*named: tuple[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", pair) for pair in named]


@pytest.fixture
def other(make_service: MakeService, client_of: Callable[[Service], TestClient]) -> TestClient:
    """A client of a running service with an empty knowledge base kb, at most three files in an upload."""
    service = make_service(limits={"files_per_upload": 3, "file_bytes": 100_000, "waiting_jobs": 3})
    service.create_knowledge_base("kb")
    service.start()
    return client_of(service)


def _snapshot(client: TestClient) -> Any:
    return files_below(client.app.state.service.settings.data_dir)  # type: ignore[attr-defined]


def test_health(client: TestClient) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.json()["status"]) == (200, "ok")


def test_knowledge_bases(other: TestClient) -> None:
    made = other.post(BASE, json={"name": " 中文-a_b% ", "description": "说明"})
    assert made.status_code == 201
    assert made.json()["name"] == "中文-a_b%"
    address = f"{BASE}/{quote('中文-a_b%')}"
    assert other.get(address).json() == made.json()
    assert [kb["name"] for kb in other.get(BASE).json()["knowledge_bases"]] == ["kb", "中文-a_b%"]

    assert (again := other.post(BASE, json={"name": "kb"})).status_code == 409
    assert _error(again) == "knowledge_base_exists"
    changed = other.patch(address, json={"name": "axb", "description": "新"})
    assert (changed.status_code, changed.json()["name"], changed.json()["description"]) == (200, "axb", "新")
    assert other.get(address).status_code == 404
    assert _error(other.patch(f"{BASE}/axb", json={"name": "kb"})) == "knowledge_base_exists"

    deleted = other.delete(f"{BASE}/axb")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert other.delete(f"{BASE}/axb").status_code == 404


@pytest.mark.parametrize("name", ["", " ", "a/b", "..", "a\\b", "a\0b", "a\nb", "x" * 201, "\u202eabc"])
def test_names_that_cannot_be(other: TestClient, name: str) -> None:
    response = other.post(BASE, json={"name": name})
    assert (response.status_code, _error(response)) == (422, "invalid_name")
    assert len(other.get(BASE).json()["knowledge_bases"]) == 1


@pytest.mark.parametrize("body", [{}, {"name": 1}, {"name": "x", "colour": 1}, [], "x", None])
def test_bodies_that_cannot_be(other: TestClient, body: Any) -> None:
    response = other.post(BASE, json=body)
    assert (response.status_code, _error(response)) == (422, "invalid_request")


def test_upload_of_several_files(other: TestClient) -> None:
    text = "员工工作满一年享有年假五天。".encode()
    response = other.post(
        f"{BASE}/kb/documents",
        files=_files(("年假.md", text), (BRANCH, (SAMPLES / BRANCH).read_bytes()), ("empty.txt", b"")),
    )
    assert response.status_code == 202
    upload = response.json()
    assert upload["job_id"] == upload["job"]["id"]
    assert [(r["name"], r["error"]["code"]) for r in upload["rejected"]] == [("empty.txt", "empty_file")]

    job = finished(other, upload["job_id"])
    assert (job["state"], job["done"], job["total"], job["error"]) == ("done", 2, 2, "")
    assert [(d["name"], d["state"], d["problems"]) for d in job["documents"]] == [
        ("年假.md", "ready", []),
        (BRANCH, "ready", []),
    ]
    assert other.get("/api/jobs").json()["jobs"] == [job]
    listed = other.get(f"{BASE}/kb/documents").json()["documents"]
    assert {d["id"] for d in listed} == {d["id"] for d in job["documents"]}
    for wish, found in (
        ("limit=1", listed[:1]),
        ("limit=1&offset=1", listed[1:]),
        ("offset=2", []),
        (f"query={quote(listed[1]['name'])}", listed[1:]),
        ("state=ready_with_problems", []),
    ):
        page = other.get(f"{BASE}/kb/documents?{wish}").json()
        assert page["documents"] == found, wish
        assert page["total"] == {"q": 1, "s": 0}.get(wish[0], 2), wish
    for wish in ("limit=0", "offset=-1", "state=lost"):
        assert other.get(f"{BASE}/kb/documents?{wish}").status_code == 422
    info = other.get(f"{BASE}/kb").json()
    assert (info["documents"], info["chunks"]) == (2, sum(d["chunks"] for d in listed))

    again = other.post(f"{BASE}/kb/documents", files=_files(("年假.md", text)))
    job = finished(other, again.json()["job_id"])
    assert [d["state"] for d in job["documents"]] == ["unchanged"]
    for action in ("cancel", "retry"):
        response = other.post(f"/api/jobs/{job['id']}/{action}")
        assert (response.status_code, _error(response)) == (409, "job_state")


def test_replacing_and_deleting(other: TestClient) -> None:
    def hits(query: str) -> list[str]:
        body = {"query": query, "knowledge_bases": ["kb"], "threshold": 0}
        return [hit["text"] for hit in other.post("/api/search", json=body).json()["hits"]]

    upload = other.post(f"{BASE}/kb/documents", files=_files(("规定.md", "年假为每年五天。".encode())))
    (document,) = finished(other, upload.json()["job_id"])["documents"]
    address = f"{BASE}/kb/documents/{document['id']}"
    put = other.put(address, files=_files(("新名.md", "年假改为每年十五天。".encode())))
    assert put.status_code == 202
    (replaced,) = finished(other, put.json()["job_id"])["documents"]
    assert (replaced["id"], replaced["name"], replaced["state"]) == (document["id"], "规定.md", "ready")
    assert hits("年假几天") == ["年假改为每年十五天。"]
    stored = hashlib.sha256("年假改为每年十五天。".encode()).hexdigest()
    assert f"{stored[:2]}/{stored}" in _stored(other)

    assert other.put(address, files=_files(("a", b"a"), ("b", b"b"))).status_code == 413
    assert other.put(f"{BASE}/kb/documents/none", files=_files(("a.md", b"a"))).status_code == 404

    assert other.delete(address).status_code == 204
    assert hits("年假几天") == []
    for path in ("", "/content", "/chunks", "/pages/1.png"):
        response = other.get(address + path)
        assert (response.status_code, _error(response)) == (404, "document_not_found")
    assert other.delete(address).status_code == 404
    assert f"{stored[:2]}/{stored}" not in _stored(other)


def _stored(client: TestClient) -> Any:
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    return files_below(service.settings.data_dir / "files")


@pytest.mark.parametrize("name", bad_files())
def test_bad_files_leave_nothing(other: TestClient, name: str) -> None:
    content, code, status = bad_files()[name]
    before = _stored(other)
    response = other.post(f"{BASE}/kb/documents", files=_files((name, content)))
    assert (response.status_code, _error(response)) == (status, code)
    assert name in response.json()["error"]["message"]
    assert _stored(other) == before == {}
    assert other.get("/api/jobs").json() == {"jobs": []}
    assert other.get(f"{BASE}/kb/documents").json() == {"documents": [], "total": 0}


@pytest.mark.parametrize(
    "name",
    [
        b"../evil.txt",
        b"..\\\\evil.txt",
        b"/etc/evil.txt",
        b"a/../../evil.txt",
        b"a\0b.txt",
        b"",
        b"..",
        b"x" * 500 + b".txt",
    ],
)
def test_names_that_are_paths(other: TestClient, name: bytes) -> None:
    # Written out by hand: the client's library would clean the name.
    body = (
        b'--frontier\r\nContent-Disposition: form-data; name="files"; filename="' + name + b'"\r\n'
        b"Content-Type: text/plain\r\n\r\nwords\r\n--frontier--\r\n"
    )
    before = _snapshot(other)
    response = other.post(
        f"{BASE}/kb/documents",
        content=body,
        headers={"Content-Type": "multipart/form-data; boundary=frontier"},
    )
    assert 400 <= response.status_code < 500
    _error(response)
    assert _stored(other) == {}
    assert set(_snapshot(other)) == set(before)


def test_uploads_that_cannot_be(other: TestClient) -> None:
    address = f"{BASE}/kb/documents"
    none = other.post(address, files={"files": (None, "words")})
    assert (none.status_code, _error(none)) == (422, "no_file")
    assert _error(other.post(address, json={"files": []})) == "no_file"
    assert _error(other.post(address)) == "no_file"
    for count in (4, 5, 9):
        many = other.post(address, files=_files(*((f"{n}.txt", b"words") for n in range(count))))
        assert (many.status_code, _error(many)) == (413, "too_many_files")
        assert many.json()["error"]["details"] == {"maximum": 3}
    large = other.post(address, files=_files(("large.txt", b"word " * 20_001)))
    assert (large.status_code, _error(large)) == (413, "limit_exceeded")
    assert "100000" in large.json()["error"]["message"]
    broken = other.post(address, content=b"nonsense", headers={"Content-Type": "multipart/form-data"})
    assert (broken.status_code, _error(broken)) == (400, "invalid_request")
    missing = other.post(f"{BASE}/none/documents", files=_files(("a.txt", b"words")))
    assert (missing.status_code, _error(missing)) == (404, "knowledge_base_not_found")
    assert _stored(other) == {}


@pytest.mark.parametrize("names", [("a.md", "a.md"), ("a.md", " a.md"), ("caf\u00e9.md", "cafe\u0301.md")])
def test_files_of_one_name_are_not_taken_in(other: TestClient, names: tuple[str, str]) -> None:
    texts = (b"the first text", b"the second text")
    files = _files(*zip(names, texts, strict=True), ("other.md", b"words"))
    response = other.post(f"{BASE}/kb/documents", files=files)
    assert (response.status_code, _error(response)) == (422, "repeated_name")
    assert response.json()["error"]["details"] == {"names": unicodedata.normalize("NFC", names[0])}
    assert _stored(other) == {}
    assert other.get("/api/jobs").json() == {"jobs": []}


def test_the_pages_take_in_no_files_of_one_name(make_service: MakeService) -> None:
    service = make_service()
    service.create_knowledge_base("kb")
    paths = [upload_folder(service.settings.data_dir) / folder / "a.md" for folder in "xy"]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_text(str(path), encoding="utf-8")
    job, rejected = take_in(service, "kb", paths, "en")
    assert job is None
    assert [name for name, _ in rejected] == ["a.md", "a.md"]
    assert "one name: a.md" in rejected[0][1]
    assert files_below(service.settings.data_dir / "files") == {}


def test_an_upload_ends_where_the_limit_is(other: TestClient) -> None:
    """The body goes on for ever and states no length."""
    start = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n'
    sent = 0
    answer: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        nonlocal sent
        body = start if sent == 0 else b"w" * 10_000
        sent += len(body)
        return {"type": "http.request", "body": body, "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        answer.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": f"{BASE}/kb/documents",
        "raw_path": f"{BASE}/kb/documents".encode(),
        "query_string": b"",
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"content-type", b"multipart/form-data; boundary=x"),
            (b"content-length", b"10"),
        ],
    }
    before = set(_snapshot(other))
    anyio.run(cast("Any", other.app), scope, receive, send)
    assert answer[0]["status"] == 413
    error = json.loads(answer[1]["body"])["error"]
    assert (error["code"], error["details"]["limit"]) == ("limit_exceeded", "file_bytes")
    assert sent < 100_000 + 3 * 10_000
    assert set(_snapshot(other)) == before


def test_a_full_queue_keeps_nothing(
    make_service: MakeService, client_of: Callable[[Service], TestClient]
) -> None:
    service = make_service(limits={"waiting_jobs": 1})  # not started: no job ends
    service.create_knowledge_base("kb")
    client = client_of(service)
    address = f"{BASE}/kb/documents"
    first = client.post(address, files=_files(("a.txt", b"words")))
    assert first.status_code == 202
    full = client.post(address, files=_files(("b.txt", b"other words")))
    assert (full.status_code, _error(full), full.headers["Retry-After"]) == (429, "queue_full", "5")
    assert [path[3:] for path in _stored(client)] == [hashlib.sha256(b"words").hexdigest()]

    job = first.json()["job"]
    cancelled = client.post(f"/api/jobs/{job['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    retried = client.post(f"/api/jobs/{job['id']}/retry")
    assert (retried.status_code, retried.json()["state"]) == (200, "queued")
    for action in ("", "/cancel", "/retry"):
        method = client.post if action else client.get
        assert _error(method(f"/api/jobs/none{action}")) == "job_not_found"


def test_problems_are_told_in_the_readers_language(other: TestClient) -> None:
    content = "问题,答案\n年假几天,五天\n没有答案,\n几点上班,九点\n".encode()
    upload = other.post(f"{BASE}/kb/documents", files=_files(("faq.csv", content)))
    job = finished(other, upload.json()["job_id"])
    (document,) = job["documents"]
    assert document["state"] == "ready_with_problems"
    for language, start in (("en", "These rows lack a question"), ("zh", "这些行缺少问题或答案：3。")):
        headers = {"Accept-Language": language}
        (listed,) = other.get(f"{BASE}/kb/documents", headers=headers).json()["documents"]
        one = other.get(f"{BASE}/kb/documents/{document['id']}", headers=headers).json()
        (of_job,) = other.get(f"/api/jobs/{job['id']}", headers=headers).json()["documents"]
        for shown in (listed, one, of_job):
            assert shown["problems"][0]["code"] == "faq_incomplete"
            assert shown["problems"][0]["message"].startswith(start)


def _id_of(client: TestClient, name: str) -> str:
    listed = client.get(DOCUMENTS).json()["documents"]
    return next(str(document["id"]) for document in listed if document["name"] == name)


def test_content_is_a_download(client: TestClient) -> None:
    response = client.get(f"{DOCUMENTS}/{_id_of(client, HANDBOOK)}/content")
    assert response.content == (SAMPLES / HANDBOOK).read_bytes()
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    disposition = response.headers["Content-Disposition"]
    assert disposition.startswith("attachment; filename*=UTF-8''")
    assert unquote(disposition.rpartition("'")[2]) == HANDBOOK


def test_chunks(client: TestClient) -> None:
    document_id = _id_of(client, HANDBOOK)
    chunks = client.get(f"{DOCUMENTS}/{document_id}/chunks").json()["chunks"]
    assert len(chunks) == client.get(f"{DOCUMENTS}/{document_id}").json()["chunks"] > 5
    assert all(0 < len(chunk["text"]) == chunk["end"] - chunk["start"] <= 480 for chunk in chunks)
    assert [chunk["start"] for chunk in chunks] == sorted(chunk["start"] for chunk in chunks)
    assert len({chunk["id"] for chunk in chunks}) == len(chunks)


def test_pages(client: TestClient) -> None:
    document_id = _id_of(client, MANUAL)
    pages = client.get(f"{DOCUMENTS}/{document_id}").json()["pages"]
    response = client.get(f"{DOCUMENTS}/{document_id}/pages/{pages}.png")
    assert response.headers["Content-Type"] == "image/png"
    with Image.open(io.BytesIO(response.content)) as image:
        assert image.format == "PNG"
        assert image.width == 1200
        assert len(image.convert("L").getcolors() or []) > 10
    for number in (0, pages + 1, -1):
        missing = client.get(f"{DOCUMENTS}/{document_id}/pages/{number}.png")
        assert (missing.status_code, _error(missing)) == (404, "page_not_found")
        assert f"{MANUAL} has no page {number}" in missing.json()["error"]["message"]
    assert client.get(f"{DOCUMENTS}/{document_id}/pages/x.png").status_code == 422
    without = client.get(f"{DOCUMENTS}/{_id_of(client, HANDBOOK)}/pages/1.png")
    assert (without.status_code, _error(without)) == (415, "unsupported_format")
    assert HANDBOOK in without.json()["error"]["message"]


@pytest.mark.parametrize(
    "address",
    [
        f"{BASE}/none",
        f"{BASE}/none/documents",
        f"{BASE}/none/documents/x",
        f"{BASE}/none/documents/x/content",
        f"{BASE}/none/documents/x/chunks",
        f"{BASE}/none/documents/x/pages/1.png",
        f"{BASE}/..%2f..%2fetc/documents",
        f"{BASE}/%00/documents",
    ],
)
def test_what_is_not_there(client: TestClient, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 404
    assert _error(response) in {"knowledge_base_not_found", "not_found"}


def test_a_document_of_another_knowledge_base_is_not_there(other: TestClient) -> None:
    upload = other.post(f"{BASE}/kb/documents", files=_files(("a.txt", b"words of the document")))
    (document,) = finished(other, upload.json()["job_id"])["documents"]
    other.post(BASE, json={"name": "second"})
    for path in ("", "/content", "/chunks", "/pages/1.png"):
        response = other.get(f"{BASE}/second/documents/{document['id']}{path}")
        assert (response.status_code, _error(response)) == (404, "document_not_found")
    assert other.delete(f"{BASE}/second/documents/{document['id']}").status_code == 404
    assert other.get(f"{BASE}/kb/documents/{document['id']}").status_code == 200


def test_addresses_and_methods_that_are_not_there(client: TestClient) -> None:
    assert _error(missing := client.get("/api/nothing")) == "not_found"
    assert missing.status_code == 404
    wrong = client.put(BASE)
    assert (wrong.status_code, _error(wrong)) == (405, "method_not_allowed")
    assert wrong.headers["Allow"] in {"GET", "GET, POST", "POST, GET"}


@pytest.mark.parametrize(
    ("accepted", "start"),
    [
        ("zh-CN,zh;q=0.9", "没有名为"),
        ("en-GB", "There is no knowledge base"),
        ("fr, zh;q=0.5, en;q=0.4", "没有名为"),
        ("fr", "没有名为"),
    ],
)
def test_errors_in_the_readers_language(client: TestClient, accepted: str, start: str) -> None:
    response = client.get(f"{BASE}/none", headers={"Accept-Language": accepted})
    assert response.json()["error"]["message"].startswith(start)


def test_an_internal_error_tells_nothing_of_the_inside(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("cannot open /home/someone/data")

    monkeypatch.setattr(Service, "knowledge_bases", fail)
    response = client.get(BASE)
    assert (response.status_code, _error(response)) == (500, "internal_error")
    assert response.json()["error"]["details"] == {}
    assert not re.search(r"home|Runtime|Traceback|\.py", response.text)


def test_the_documentation_needs_no_other_host(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert re.findall(r"(?:https?:)?//[\w.-]+", page.text) == []
    for asset in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert client.get(asset).status_code == 200, asset
    assert client.get("/redoc").status_code == 404
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/healthz", "/api/ask", "/v1/chat/completions", f"{BASE}/{{name}}/documents"} <= set(paths)


def test_a_document_by_several_names_renamed_and_moved(other: TestClient) -> None:
    text = "年假共有十五天。".encode()
    job = other.post(f"{BASE}/kb/documents", files=_files(("a.md", text))).json()["job_id"]
    document = finished(other, job)["documents"][0]["id"]
    again = other.post(f"{BASE}/kb/documents", files=_files(("b.md", text))).json()["job_id"]
    (file,) = finished(other, again)["documents"]
    assert (file["name"], file["state"], file["id"]) == ("b.md", "unchanged", document)
    address = f"{BASE}/kb/documents/{document}"
    assert other.get(address).json()["other_names"] == ["b.md"]
    assert other.delete(f"{address}?only_name=b.md").status_code == 204
    assert _error(other.delete(f"{address}?only_name=b.md")) == "document_not_found"

    other.post(BASE, json={"name": "中文-a_b%"})
    moved = other.patch(address, json={"name": "制度/c.md", "knowledge_base": "中文-a_b%"}).json()
    assert (moved["id"], moved["name"], moved["other_names"]) == (document, "制度/c.md", [])
    assert other.get(address).status_code == 404
    there = f"{BASE}/{quote('中文-a_b%')}/documents/{document}"
    put = other.put(there, files=_files(("d.txt", "年假改为二十天。".encode()))).json()["job_id"]
    assert finished(other, put)["documents"][0]["id"] == document
    assert other.get(there).json()["name"] == "制度/d.txt"
    beside = other.post(f"{BASE}/{quote('中文-a_b%')}/documents", files=_files(("制度/e.md", b"# e")))
    finished(other, beside.json()["job_id"])
    refused = other.put(there, files=_files(("e.md", b"# f")))
    assert (refused.status_code, _error(refused)) == (409, "document_exists")
    versions = other.get(f"{there}/versions").json()["versions"]
    assert [(v["number"], v["name"]) for v in versions] == [(2, "制度/d.txt"), (1, "a.md")]


def test_chunks_by_hand(other: TestClient) -> None:
    text = "年假共有十五天，须提前申请。".encode()
    job = other.post(f"{BASE}/kb/documents", files=_files(("a.md", text))).json()["job_id"]
    address = f"{BASE}/kb/documents/{finished(other, job)['documents'][0]['id']}"

    def found(query: str) -> list[tuple[str, bool]]:
        body = {"query": query, "knowledge_bases": ["kb"], "threshold": 0}
        return [(hit["text"], hit["edited"]) for hit in other.post("/api/search", json=body).json()["hits"]]

    (chunk,) = other.get(f"{address}/chunks").json()["chunks"]
    assert (chunk["enabled"], chunk["edited"], chunk["edit_id"]) == (True, False, None)
    edited = other.patch(f"{address}/chunks/{chunk['id']}", json={"text": "年假共有二十天。"})
    assert (edited.status_code, edited.json()["edited"]) == (200, True)
    assert found("年假") == [("年假共有二十天。", True)]
    asked = other.post(
        "/api/ask", json={"question": "年假有几天？", "knowledge_bases": ["kb"], "threshold": 0}
    )
    assert [(c["edited"], c["boxes"]) for c in asked.json()["citations"]] == [(True, [])]

    added = other.post(f"{address}/chunks", json={"text": "班车七点四十发车。", "page": 2})
    assert (added.status_code, added.json()["page"]) == (201, 2)
    assert ("班车七点四十发车。", True) in found("班车几点发车")
    assert (
        other.patch(f"{address}/chunks/{added.json()['id']}", json={"enabled": False}).json()["enabled"]
        is False
    )
    assert found("班车几点发车") == [("年假共有二十天。", True)]
    assert other.delete(f"{address}/chunks/{added.json()['id']}").status_code == 204
    assert _error(other.patch(f"{address}/chunks/{added.json()['id']}", json={})) == "chunk_not_found"
    assert _error(other.post(f"{address}/chunks", json={"text": " "})) == "invalid_chunk"

    put = other.put(address, files=_files(("a.md", "年假共有三十天，须提前申请。".encode()))).json()["job_id"]
    finished(other, put)
    assert other.get(address).json()["conflicts"] == 1
    (conflict,) = other.get(f"{address}/edits").json()["edits"]
    assert (conflict["conflict"], conflict["text"]) == (True, "年假共有二十天。")
    (chunk,) = other.get(f"{address}/chunks").json()["chunks"]
    assert conflict.keys() >= {"suggested_chunk", "similarity"}
    keep = other.post(f"{address}/edits/{conflict['id']}/keep", json={"chunk_id": chunk["id"]})
    assert keep.status_code == 204
    (edit,) = other.get(f"{address}/edits").json()["edits"]
    assert found("年假") == [("年假共有二十天。", True)]
    assert other.delete(f"{address}/edits/{edit['id']}").status_code == 204
    assert found("年假") == [("年假共有三十天，须提前申请。", False)]


def test_a_rebuild_is_a_job_that_can_be_rolled_back(other: TestClient) -> None:
    text = "年假共有十五天，须提前申请。".encode()
    finished(other, other.post(f"{BASE}/kb/documents", files=_files(("a.md", text))).json()["job_id"])
    job = other.post(f"{BASE}/kb/rebuild")
    assert (job.status_code, finished(other, job.json()["id"])["state"]) == (202, "done")
    back = finished(other, other.post(f"{BASE}/kb/rollback").json()["id"])
    assert (back["state"], back["error"]) == ("failed", "nothing_kept")
    assert _error(other.delete(f"{BASE}/kb/previous")) == "nothing_kept"
    assert _error(other.post(f"{BASE}/none/rebuild")) == "knowledge_base_not_found"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "chunks", {"text": "补充。", "page": 10**30}),
        ("POST", "chunks", {"text": "补充。", "page": -5}),
        ("POST", "chunks", {"text": "补充。", "page": 0}),
        ("PATCH", f"chunks/{10**30}", {"enabled": False}),
        ("DELETE", f"chunks/{10**30}", None),
        ("DELETE", f"edits/{10**30}", None),
        ("POST", "edits/1/keep", {"chunk_id": 10**30}),
    ],
)
def test_numbers_that_nothing_can_have_are_refused(
    client: TestClient, service: Service, method: str, path: str, body: Any
) -> None:
    document = service.documents(KB)[0].id
    chunks = service.document_chunks(KB, document)
    reply = client.request(method, f"{BASE}/{KB}/documents/{document}/{path}", json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_request")
    assert service.document_chunks(KB, document) == chunks
    page = client.get(f"{BASE}/{KB}/documents/{document}/pages/{10**30}.png")
    assert page.status_code in {404, 415}
