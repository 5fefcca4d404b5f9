"""Files of one conversation: hidden, asked by it alone, gone with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.service import Service
from knowledge_base.errors import KnowledgeBaseNotFoundError, SessionNotFoundError
from tests.app.conftest import KB, MakeService, finished


def test_they_are_hidden_asked_and_deleted(make_service: MakeService) -> None:
    service = make_service()
    service.create_knowledge_base(KB)
    files = service.conversation_files
    one, two = (service.sessions.create(None).id for _ in range(2))
    assert files.name(one) is None
    name = files.ensure(one)
    assert files.ensure(one) == name == files.name(one)
    assert files.ensure(two) != name
    with pytest.raises(SessionNotFoundError):
        files.ensure("three")
    assert [info.name for info in service.knowledge_bases()] == [KB]
    stored = service.store("笔记.txt", ["会议定于周五下午三点在二号会议室召开。".encode()])
    assert [result.state for result in service.ingest(name, [stored])] == ["ready"]
    assert "二号会议室" in service.ask("会议在哪里召开？", [name]).answer
    assert service.ask("会议在哪里召开？", [files.ensure(two)]).refused
    files.delete(one)
    files.delete(one)
    assert files.name(one) is None
    with pytest.raises(KnowledgeBaseNotFoundError):
        service.ask("会议在哪里召开？", [name])


def _file_in(service: Service, owner: str | None) -> tuple[str, str, Path]:
    """A conversation with a file: its id, the name of its knowledge base, where the bytes stand."""
    session = service.sessions.create(owner).id
    name = service.conversation_files.ensure(session)
    text = f"会议定于周五下午三点，编号 {session}。".encode()
    (result,) = service.ingest(name, [service.store("笔记.txt", [text])])
    assert result.document is not None
    return session, name, service.document_file(name, result.document.id)


def test_files_whose_conversation_was_deleted_go_at_the_next_start(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(name: str) -> None:
        raise KeyboardInterrupt

    service = make_service()
    gone, name, path = _file_in(service, None)
    kept, _, other = _file_in(service, None)
    with monkeypatch.context() as patch:
        patch.setattr(service.conversation_files, "_delete", killed)
        with pytest.raises(KeyboardInterrupt):
            service.sessions.delete(None, gone)
    assert service.knowledge_base(name).documents == 1
    assert path.exists()
    service.start()
    assert service.conversation_files.name(gone) is None
    assert service.conversation_files.name(kept) is not None
    assert (path.exists(), other.exists()) == (False, True)


def test_conversations_that_no_key_opens_are_pruned(make_service: MakeService) -> None:
    service = make_service()
    before, _, path = _file_in(service, "a browser")
    assert service.unreachable_sessions.delete() == 0  # without keys every browser opens its own
    ended, valid = (service.keys.create(name)[0].id for name in ("ended", "valid"))
    of_ended, of_valid = (_file_in(service, owner)[0] for owner in (ended, valid))
    service.sessions.create(None)
    service.keys.revoke(ended)
    assert service.unreachable_sessions.delete() == 3
    assert [info.id for info in service.sessions.sessions(valid)] == [of_valid]
    names = [service.conversation_files.name(each) for each in (before, of_ended, of_valid)]
    assert [name is None for name in names] == [True, True, False]
    assert not path.exists()
    assert service.unreachable_sessions.delete() == 0


def test_over_http(make_service: MakeService, client_of: Callable[[Service], TestClient]) -> None:
    service = make_service()
    service.start()
    service.create_knowledge_base(KB)
    client = client_of(service)
    session, other = (client.post("/api/sessions", json={}).json()["id"] for _ in range(2))
    address = f"/api/sessions/{session}/files"
    assert client.get(address).json() == {"documents": [], "total": 0}
    text = "会议定于周五下午三点在二号会议室召开。".encode()
    uploaded = client.post(address, files=[("files", ("笔记.txt", text))])
    assert uploaded.status_code == 202, uploaded.text
    assert finished(client, uploaded.json()["job_id"])["state"] == "done"
    (document,) = client.get(address).json()["documents"]
    assert document["name"] == "笔记.txt"
    names = [info["name"] for info in client.get("/api/knowledge-bases").json()["knowledge_bases"]]
    assert names == [KB]

    question = "会议在哪里召开？"
    said = client.post("/api/ask", json={"question": question, "mode": "files", "session_id": session})
    assert "二号会议室" in said.json()["answer"]
    body = {"model": "quote", "messages": [{"role": "user", "content": question}], "mode": "files"}
    said = client.post("/v1/chat/completions", json={**body, "session_id": session})
    assert "二号会议室" in said.json()["choices"][0]["message"]["content"]
    assert said.json()["citations"][0]["document"] == "笔记.txt"
    assert len(client.get(f"/api/sessions/{session}/messages").json()["messages"]) == 2

    for refused, status, code in (
        (client.post("/v1/chat/completions", json=body), 422, "no_sources"),
        (client.post("/v1/chat/completions", json={**body, "session_id": other}), 422, "no_sources"),
        (client.post("/v1/chat/completions", json={**body, "session_id": "x"}), 404, "session_not_found"),
        (client.post("/api/ask", json={"question": question, "mode": "files"}), 422, "invalid_request"),
        (client.post("/api/sessions/x/files", files=[("files", ("a.txt", text))]), 404, "session_not_found"),
        (client.delete(f"/api/sessions/{other}/files/{document['id']}"), 404, "knowledge_base_not_found"),
    ):
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert client.delete(f"{address}/{document['id']}").status_code == 204
    assert client.get(address).json() == {"documents": [], "total": 0}
    client.delete(f"/api/sessions/{session}")
    assert service.conversation_files.name(session) is None
