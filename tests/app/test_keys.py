"""Keys: made, listed, revoked; what each may see and do, the same in every route."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from app.errors import NoKeyMadeError
from app.http.application import create_app
from app.http.key_guesses import place_of
from app.rights import EVERYTHING, Access, for_access
from app.service import Service
from app.serving import check_guarded
from knowledge_base.tables import api_keys
from tests.app.conftest import HANDBOOK, SAMPLES, TRAVEL, MakeService, finished

ClientOf = Callable[[Service], TestClient]


@pytest.fixture(scope="module")
def guarded(
    embedder: Any, model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, dict[str, str]]]:
    """A service with two knowledge bases of one document each, and secrets by what they open."""
    from app.composition import build_service
    from app.settings import load_settings

    folder = tmp_path_factory.mktemp("keys")
    service = build_service(load_settings({"data_dir": folder}), model_folder=model_folder)
    for name, file in (("甲", HANDBOOK), ("乙", TRAVEL)):
        service.create_knowledge_base(name)
        service.ingest(name, [service.store(file, [(SAMPLES / file).read_bytes()], check=False)])
    service.start()
    secrets = {
        "all": service.keys.create("all", role="admin")[1],
        "admin甲": service.keys.create("admin甲", role="admin", names=["甲"])[1],
        "editor甲": service.keys.create("editor甲", role="editor", names=["甲"])[1],
        "reader甲": service.keys.create("reader甲", names=["甲"])[1],
        "reader乙": service.keys.create("reader乙", names=["乙"])[1],
    }
    yield service, secrets
    service.close()


@pytest.fixture
def speak(guarded: tuple[Service, dict[str, str]]) -> Iterator[Callable[[str], TestClient]]:
    """Makes a client with a key."""
    service, secrets = guarded
    with TestClient(create_app(service, pages=False), raise_server_exceptions=False) as client:

        def of(name: str) -> TestClient:
            client.headers = {"Authorization": f"Bearer {secrets[name]}", "Accept-Language": "en"}
            return client

        yield of


def test_without_any_key_everything_is_open(make_service: MakeService, client_of: ClientOf) -> None:
    service = make_service()
    client = client_of(service)
    assert client.get("/api/knowledge-bases").status_code == 200
    service.keys.create("first")
    assert client.get("/api/knowledge-bases").status_code == 401


def test_another_address_than_loopback_needs_a_key(make_service: MakeService) -> None:
    service = make_service()
    for host in ("127.0.0.1", "127.8.0.1", "localhost", "::1"):
        check_guarded(service, host)
    for host in ("0.0.0.0", "::", "192.168.1.4", "example.org"):  # noqa: S104
        with pytest.raises(NoKeyMadeError):
            check_guarded(service, host)
    key, _ = service.keys.create("first")
    check_guarded(service, "0.0.0.0")  # noqa: S104
    service.keys.revoke(key.id)
    with pytest.raises(NoKeyMadeError):
        check_guarded(service, "0.0.0.0")  # noqa: S104
    check_guarded(make_service(server={"open_without_keys": True}), "0.0.0.0")  # noqa: S104


def test_a_key_is_stored_as_its_digest_only(make_service: MakeService) -> None:
    service = make_service()
    _, secret = service.keys.create("colleagues")
    service.close()
    stored = b"".join(path.read_bytes() for path in service.settings.data_dir.glob("catalogue.db*"))
    random = secret.split("_", 2)[2]
    assert len(random) == 43  # 256 bits
    assert random.encode() not in stored
    assert hashlib.sha256(random.encode()).digest() in stored


@pytest.mark.parametrize(
    "secret", ["", "zw", "zw_", "zw__", "zw_{id}_", "zw_{id}_{other}", "xx_{id}_{own}", "none"]
)
def test_what_is_no_key_opens_nothing(make_service: MakeService, client_of: ClientOf, secret: str) -> None:
    service = make_service()
    key, own = service.keys.create("one", role="admin")
    other = service.keys.create("two", role="admin")[1].split("_", 2)[2]
    text = secret.format(id=key.id, other=other, own=own.split("_", 2)[2])
    reply = client_of(service).get("/api/jobs", headers={"Authorization": f"Bearer {text}"})
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert reply.json()["error"]["code"] == "key_needed"


def test_a_key_opens_in_either_header_until_it_is_revoked(
    make_service: MakeService, client_of: ClientOf
) -> None:
    service = make_service()
    key, secret = service.keys.create("one")
    client = client_of(service)
    assert client.get("/api/jobs", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    assert client.get("/api/jobs", headers={"X-API-Key": secret}).status_code == 200
    service.keys.revoke(key.id)
    assert client.get("/api/jobs", headers={"X-API-Key": secret}).status_code == 401
    assert client.get("/healthz").status_code == 200
    assert client.get("/openapi.json").status_code == 200


@pytest.mark.slow
def test_what_is_not_seen_answers_like_what_does_not_exist(
    guarded: tuple[Service, dict[str, str]], speak: Callable[[str], TestClient]
) -> None:
    service, _ = guarded
    document = service.documents("乙")[0].id
    chunk = service.document_chunks("乙", document)[0][0]
    job = finished(
        speak("all"),
        speak("all").post("/api/knowledge-bases/乙/rebuild").json()["id"],
    )["id"]
    client = speak("admin甲")
    below = f"documents/{document}"
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/api/knowledge-bases/{kb}", {}),
        ("PATCH", "/api/knowledge-bases/{kb}", {"json": {"description": "x"}}),
        ("DELETE", "/api/knowledge-bases/{kb}", {}),
        ("POST", "/api/knowledge-bases/{kb}/rebuild", {}),
        ("POST", "/api/knowledge-bases/{kb}/rollback", {}),
        ("DELETE", "/api/knowledge-bases/{kb}/previous", {}),
        ("GET", "/api/knowledge-bases/{kb}/documents", {}),
        ("POST", "/api/knowledge-bases/{kb}/documents", {"files": {"files": ("a.txt", b"text")}}),
        ("GET", f"/api/knowledge-bases/{{kb}}/{below}", {}),
        ("PUT", f"/api/knowledge-bases/{{kb}}/{below}", {"files": {"files": ("a.txt", b"text")}}),
        ("PATCH", f"/api/knowledge-bases/{{kb}}/{below}", {"json": {"name": "x.docx"}}),
        ("DELETE", f"/api/knowledge-bases/{{kb}}/{below}", {}),
        ("GET", f"/api/knowledge-bases/{{kb}}/{below}/content", {}),
        ("GET", f"/api/knowledge-bases/{{kb}}/{below}/versions", {}),
        ("GET", f"/api/knowledge-bases/{{kb}}/{below}/chunks", {}),
        ("POST", f"/api/knowledge-bases/{{kb}}/{below}/chunks", {"json": {"text": "x"}}),
        ("PATCH", f"/api/knowledge-bases/{{kb}}/{below}/chunks/{chunk}", {"json": {"text": "x"}}),
        ("DELETE", f"/api/knowledge-bases/{{kb}}/{below}/chunks/{chunk}", {}),
        ("GET", f"/api/knowledge-bases/{{kb}}/{below}/edits", {}),
        ("GET", f"/api/knowledge-bases/{{kb}}/{below}/pages/1.png", {}),
        ("POST", "/api/search", {"json": {"query": "出差", "knowledge_bases": ["{kb}"]}}),
        ("POST", "/api/search", {"json": {"query": "出差", "knowledge_bases": ["甲", "{kb}"]}}),
        ("POST", "/api/ask", {"json": {"question": "出差", "knowledge_bases": ["{kb}"]}}),
        ("POST", "/api/ask", {"json": {"question": "出差", "knowledge_bases": ["{kb}"], "stream": True}}),
        (
            "POST",
            "/v1/chat/completions",
            {
                "json": {
                    "model": "quote",
                    "messages": [{"role": "user", "content": "出差"}],
                    "knowledge_bases": ["{kb}"],
                }
            },
        ),
    ]

    def answer(kb: str, method: str, path: str, options: dict[str, Any]) -> tuple[int, str]:
        given = json.loads(json.dumps(options).replace("{kb}", kb)) if "json" in options else options
        reply = client.request(method, path.replace("{kb}", kb), **given)
        error = reply.json()["error"]
        error.pop("request_id", None)
        return reply.status_code, json.dumps(error, ensure_ascii=False).replace(kb, "{kb}")

    for request in requests:
        hidden, missing = answer("乙", *request), answer("无", *request)
        assert hidden == missing, request
        assert hidden[0] == 404, request
    for path in (f"/api/jobs/{job}", f"/api/jobs/{job}/events"):
        for reply in (client.get(path), client.get(path.replace(job, "0" * 16))):
            assert (reply.status_code, reply.json()["error"]["code"]) == (404, "job_not_found")
    assert [client.post(f"/api/jobs/{job}/{verb}").status_code for verb in ("cancel", "retry")] == [404] * 2
    assert [j["knowledge_base"] for j in client.get("/api/jobs").json()["jobs"]] == []
    listed = client.get("/api/knowledge-bases").json()["knowledge_bases"]
    assert [kb["name"] for kb in listed] == ["甲"]
    assert speak("all").get("/api/knowledge-bases/乙").json()["documents"] == 1


def test_a_chat_over_everything_is_over_what_is_seen(speak: Callable[[str], TestClient]) -> None:
    body = {"model": "quote", "messages": [{"role": "user", "content": "国内出差住宿标准是多少？"}]}
    found = speak("reader乙").post("/v1/chat/completions", json=body).json()
    assert {citation["knowledge_base"] for citation in found["citations"]} == {"乙"}
    other = speak("reader甲").post("/v1/chat/completions", json=body).json()
    assert {citation["knowledge_base"] for citation in other["citations"]} <= {"甲"}


def test_a_role_does_what_it_may_and_no_more(
    guarded: tuple[Service, dict[str, str]], speak: Callable[[str], TestClient]
) -> None:
    document = guarded[0].documents("甲")[0].id
    base = "/api/knowledge-bases/甲"
    upload = {"files": {"files": ("附则.txt", "本附则自发布之日起施行。".encode())}}

    def status(key: str, method: str, path: str, **options: Any) -> int:
        return speak(key).request(method, path, **options).status_code

    assert status("reader甲", "GET", f"{base}/documents/{document}/content") == 200
    refused: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", f"{base}/documents", upload),
        ("DELETE", f"{base}/documents/{document}", {}),
        ("PATCH", f"{base}/documents/{document}", {"json": {"name": "别名.md"}}),
        ("POST", f"{base}/rebuild", {}),
        ("DELETE", base, {}),
        ("POST", "/api/knowledge-bases", {"json": {"name": "乙"}}),
        ("POST", "/api/models/quote/load", {}),
    ]
    for method, path, options in refused:
        assert status("reader甲", method, path, **options) == 403, path
    assert status("editor甲", "POST", f"{base}/documents", **upload) == 202
    assert status("editor甲", "DELETE", base) == 403
    assert status("editor甲", "PATCH", base, json={"description": "规章"}) == 403
    assert status("admin甲", "PATCH", base, json={"description": "规章"}) == 200
    # To try a name would show whether it is taken.
    assert status("admin甲", "PATCH", base, json={"name": "乙"}) == 403
    assert status("admin甲", "POST", "/api/knowledge-bases", json={"name": "乙"}) == 403
    assert status("all", "POST", "/api/knowledge-bases", json={"name": "乙"}) == 409
    moved = status("admin甲", "PATCH", f"{base}/documents/{document}", json={"knowledge_base": "乙"})
    assert moved == 404


@pytest.mark.parametrize(
    "path",
    [
        "/api/knowledge-bases/甲/documents",
        "/api/knowledge-bases/甲/documents/{document}",
        "/api/knowledge-bases/import",
        "/api/knowledge-bases/import?wait=false",
        "/api/sessions/{session}/files",
    ],
)
def test_who_may_not_upload_is_told_before_anything_is_read(
    guarded: tuple[Service, dict[str, str]], speak: Callable[[str], TestClient], path: str
) -> None:
    service, client = guarded[0], speak("reader甲")
    session = client.post("/api/sessions", json={}).json()["id"]
    address = path.format(document=service.documents("甲")[0].id, session=session)

    def body() -> Iterator[bytes]:
        raise AssertionError("the body is read")
        yield b""

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    reply = client.request("PUT" if "{document}" in path else "POST", address, content=body(), headers=kind)
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "forbidden")
    assert service.conversation_files.name(session) is None


def test_a_key_holds_for_a_renamed_knowledge_base_and_not_for_a_new_one_of_its_name(
    make_service: MakeService, client_of: ClientOf
) -> None:
    service = make_service()
    service.create_knowledge_base("旧名")
    _, secret = service.keys.create("reader", names=["旧名"])
    client = client_of(service)
    client.headers["X-API-Key"] = secret
    service.update_knowledge_base("旧名", new_name="新名")
    service.create_knowledge_base("旧名")
    assert client.get("/api/knowledge-bases/新名").status_code == 200
    assert client.get("/api/knowledge-bases/旧名").status_code == 404


@pytest.mark.slow
def test_what_was_accepted_is_done_and_hidden_when_the_key_loses_its_right_meanwhile(
    make_service: MakeService, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make_service()
    service.create_knowledge_base("甲")
    service.create_knowledge_base("乙")
    editor, secret = service.keys.create("editor", role="editor", names=["甲"])
    both, shared = service.keys.create("both", role="editor", names=["甲", "乙"])
    client, admin = client_of(service), client_of(service)
    admin.headers["Authorization"] = f"Bearer {service.keys.create('admin', role='admin')[1]}"
    begun, go_on = threading.Event(), threading.Event()
    commit = service._parts.catalogue.commit

    def slowly(*arguments: Any, **options: Any) -> Any:
        begun.set()
        assert go_on.wait(60)
        return commit(*arguments, **options)

    monkeypatch.setattr(service._parts.catalogue, "commit", slowly)
    client.headers["Authorization"] = f"Bearer {secret}"
    file = {"files": (HANDBOOK, (SAMPLES / HANDBOOK).read_bytes())}
    job_id = client.post("/api/knowledge-bases/甲/documents", files=file).json()["job_id"]
    client.headers["Authorization"] = f"Bearer {shared}"
    text = {"files": ("年假.md", "年假为每年五天。".encode())}
    of_both = client.post("/api/knowledge-bases/甲/documents", files=text).json()["job_id"]
    service.start()
    assert begun.wait(60)
    service.keys.revoke(editor.id)
    with service._parts.catalogue.database.write() as connection:
        left = update(api_keys).where(api_keys.c.id == both.id)
        connection.execute(left.values(knowledge_bases=[service.key("乙").id]))
    service.keys.list()  # read anew, as it is within a second
    for _ in range(2):  # in the middle of the job, and after it
        for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/retry")):
            assert client.request(method, f"/api/jobs/{of_both}{path}").status_code == 404
        assert client.get("/api/jobs").json() == {"jobs": []}
        assert client.get("/api/knowledge-bases/甲/documents").status_code == 404
        asked = {"query": "年假", "knowledge_bases": ["甲"]}
        assert client.post("/api/search", json=asked).status_code == 404
        go_on.set()
        finished(admin, of_both)
    client.headers["Authorization"] = f"Bearer {secret}"
    for method, address in (("GET", f"/api/jobs/{job_id}"), ("POST", f"/api/jobs/{job_id}/cancel")):
        assert client.request(method, address).status_code == 401
    for accepted in (job_id, of_both):
        job = finished(admin, accepted)
        assert (job["state"], job["documents"][0]["state"]) == ("done", "ready")
    assert {info.name for info in service.documents("甲")} == {HANDBOOK, "年假.md"}


def test_a_key_finds_its_jobs_however_many_came_after(make_service: MakeService, client_of: ClientOf) -> None:
    service = make_service()
    for name in ("甲", "乙"):
        service.create_knowledge_base(name)
    own = service.submit_rebuild("甲").id
    for _ in range(100):
        service.submit_rebuild("乙")
    client = client_of(service)
    client.headers["X-API-Key"] = service.keys.create("reader", names=["甲"])[1]
    assert [job["id"] for job in client.get("/api/jobs").json()["jobs"]] == [own]


def test_an_import_under_way_is_seen_by_who_sees_everything(
    make_service: MakeService, client_of: ClientOf
) -> None:
    service = make_service()
    service.create_knowledge_base("甲")
    package = client_of(service).post("/api/knowledge-bases/甲/export").content
    keys = {
        "admin": service.keys.create("admin", role="admin")[1],
        "admin甲": service.keys.create("admin甲", role="admin", names=["甲"])[1],
        "editor": service.keys.create("editor", role="editor")[1],
    }
    client = client_of(service)
    replies = {}
    for name, secret in keys.items():
        client.headers["Authorization"] = f"Bearer {secret}"
        replies[name] = client.post("/api/knowledge-bases/import?wait=false&name=乙", content=package)
    assert {name: reply.status_code for name, reply in replies.items()} == {
        "admin": 202,
        "admin甲": 403,
        "editor": 403,
    }
    address = f"/api/jobs/{replies['admin'].json()['job_id']}"
    for name, status, listed in (("admin", 200, 1), ("editor", 200, 1), ("admin甲", 404, 0)):
        client.headers["Authorization"] = f"Bearer {keys[name]}"
        assert client.get(address).status_code == status
        assert len(client.get("/api/jobs").json()["jobs"]) == listed


def test_conversations_belong_to_their_key(make_service: MakeService) -> None:
    service = make_service()
    first, second = (for_access(service, Access(key_id=name)) for name in ("a", "b"))
    session = first.sessions.create("another")
    assert [info.id for info in first.sessions.sessions(None)] == [session.id]
    assert second.sessions.sessions("a") == []
    with pytest.raises(Exception, match="no conversation"):
        second.sessions.messages("a", session.id)
    with pytest.raises(Exception, match="no conversation"):
        second.conversation_files.ensure(session.id)
    name = first.conversation_files.ensure(session.id)
    assert first.knowledge_base(name).name == name
    with pytest.raises(Exception, match="no knowledge base"):
        second.knowledge_base(name)


def test_the_login_keeps_the_key_where_no_script_reads_it(
    make_service: MakeService, client_of: ClientOf
) -> None:
    service = make_service()
    _, secret = service.keys.create("reader")
    client = client_of(service)
    assert client.get("/", follow_redirects=False).headers["location"] == "/login"
    assert "password" in client.get("/login").text
    wrong = client.post("/login", data={"key": "zw_no_key"}, follow_redirects=False)
    assert wrong.status_code == 401
    assert "set-cookie" not in wrong.headers
    right = client.post("/login", data={"key": secret}, follow_redirects=False)
    assert (right.status_code, right.headers["location"]) == (303, "/")
    cookie = right.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/api/knowledge-bases").status_code == 200
    client.post("/logout", follow_redirects=False)
    assert client.get("/api/knowledge-bases").status_code == 401


def test_the_first_key_is_told_and_kept_by_the_request_that_makes_it(
    make_service: MakeService, client_of: ClientOf
) -> None:
    """What comes after it is turned away, so a page that asked twice would never see its key."""
    service = make_service()
    client = client_of(service)
    assert client.post("/first-key", data={"name": "a/b"}).json()["error"]["code"] == "invalid_name"
    assert not service.keys.needed()
    foreign = {"Origin": "http://elsewhere.example"}
    assert client.post("/first-key", data={"name": "admin"}, headers=foreign).status_code == 403
    made = client.post("/first-key", data={"name": "admin"})
    key = service.keys.check(made.json()["key"])
    assert key is not None
    assert (key.name, key.role, key.knowledge_base_ids) == ("admin", "admin", None)
    assert "httponly" in made.headers["set-cookie"].lower()
    assert client.get("/api/knowledge-bases").status_code == 200
    assert client.post("/first-key", data={"name": "again"}).status_code == 404
    client.cookies.clear()
    assert client.post("/first-key", data={"name": "again"}).status_code == 401
    assert len(service.keys.list()) == 1


def test_an_address_tries_so_many_keys(make_service: MakeService, client_of: ClientOf) -> None:
    """Who was let in before goes on; a key that is tried again tells nothing new and is not counted."""
    service = make_service(limits={"keys_tried_per_minute": 3})
    (_, used), (_, unused) = service.keys.create("used"), service.keys.create("unused")
    client = client_of(service)

    def status(secret: str, **headers: str) -> int:
        return client.get("/api/jobs", headers={"X-API-Key": secret, **headers}).status_code

    assert [status(each) for each in (used, "zw_1_a", "zw_1_b")] == [200, 401, 401]
    assert [status(each) for each in ("zw_1_c", unused, "zw_1_b", used)] == [429, 429, 401, 200]
    assert status("") == 401
    refused = client.get("/api/jobs", headers={"X-API-Key": "zw_1_d"})
    assert 1 <= int(refused.headers["Retry-After"]) <= 20
    assert refused.json()["error"]["code"] == "too_many_requests"
    # Neither the login nor a page that is open to all tells whether a key would open.
    assert client.get("/login", headers={"X-API-Key": unused}, follow_redirects=False).status_code == 200
    assert "Vary" not in client.get("/healthz", headers={"X-API-Key": unused}).headers
    login = client.post("/login", data={"key": unused}, follow_redirects=False)
    assert (login.status_code, "set-cookie" in login.headers) == (429, False)
    assert login.headers["Retry-After"] in login.text
    assert client.post("/login", data={"key": used}, follow_redirects=False).status_code == 303


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        (None, "", True),
    ],
)
def test_what_counts_as_one_address(one: str | None, other: str | None, same: bool) -> None:
    assert (place_of(one) == place_of(other)) is same


def test_what_the_pages_and_routes_may_call_has_a_right(make_service: MakeService) -> None:
    inner = {
        *("start", "warm_up", "close", "ingest", "ingestion_seconds"),
        *("ensure_knowledge_base", "rebuild_knowledge_base"),
    }
    service = make_service()
    anybody = for_access(service, EVERYTHING)
    for name in {name for name in dir(Service) if not name.startswith("_")}:
        assert hasattr(anybody, name) == (name not in inner), name
