"""The typed client against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.client import Client
from app.client.errors import (
    BrokenStreamError,
    ClientError,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    JobTimeoutError,
    KeyNeededError,
    NotFoundError,
    ServiceError,
    TooManyRequestsError,
    UnreachableError,
    error_of,
)
from app.client.events import Final, Sources, Token, read_events
from app.client.requests import _lines
from app.http.events import message
from tests.app.conftest import HANDBOOK, KB, MakeService
from tests.app.live import serving

LEAVE = "我工龄六年，一年有几天年休假？"
pytestmark = pytest.mark.model


@pytest.fixture
def reader(url: str) -> Iterator[Client]:
    """Speaks to the service with the samples, which it leaves as it is."""
    with Client(url, language="en") as client:
        yield client


@pytest.fixture
def editor(make_service: MakeService) -> Iterator[Client]:
    """Speaks to an empty service."""
    service = make_service()
    service.start()
    with serving(service) as port, Client(f"http://127.0.0.1:{port}", language="en") as client:
        yield client


def test_search_answer_and_stream_agree(reader: Client) -> None:
    hits = reader.search(LEAVE, [KB], top_k=3)
    assert hits[0].document == HANDBOOK
    assert len(hits) <= 3
    answer = reader.ask(LEAVE, [KB])
    assert answer.citations[0].document == HANDBOOK
    events = list(reader.ask_stream(LEAVE, [KB]))
    assert isinstance(events[0], Sources)
    assert "".join(event.text for event in events if isinstance(event, Token)) == answer.answer
    last = events[-1]
    assert isinstance(last, Final)
    assert last.answer.model_dump(exclude={"timings"}) == answer.model_dump(exclude={"timings"})


def test_the_state_of_the_service(reader: Client) -> None:
    assert reader.health().status == "ok"
    assert reader.readiness().catalogue
    assert [each.name for each in reader.knowledge_bases.list()] == [KB]


@pytest.mark.slow
def test_a_document_from_upload_to_deletion(editor: Client, tmp_path: Path) -> None:
    bases = editor.knowledge_bases
    name = "规章 a?b%_"
    made = bases.create(name, description="试用")
    assert (made.name, made.description) == (name, "试用")
    assert made.created_at.utcoffset() is not None
    file = tmp_path / "年假.md"
    file.write_text("员工每年享有年假五天。", encoding="utf-8")
    upload = bases.upload(name, [file, ("空.txt", b"")])
    assert [(each.name, each.error.code) for each in upload.rejected] == [("空.txt", "empty_file")]
    job = editor.jobs.wait(upload.job_id)
    assert [document.state for document in job.documents] == ["ready"]
    assert editor.jobs.list()[0].id == job.id
    (document,) = bases.documents(name)
    assert bases.documents(name, query="年", limit=1) == [document]
    assert bases.documents(name, offset=1) == []
    assert bases.document(name, document.id) == document
    assert bases.content(name, document.id) == file.read_bytes()
    (chunk,) = bases.chunks(name, document.id)
    assert "五天" in chunk.text
    editor.jobs.wait(bases.replace(name, document.id, ("新.md", "员工每年享有年假七天。".encode())).job_id)
    assert "七天" in editor.ask("年假有几天？", [name]).answer
    assert bases.change_document(name, document.id, new_name="假期.md").name == "假期.md"
    bases.delete_document(name, document.id)
    assert editor.search("年假有几天？", [name]) == []
    assert bases.change(name, new_name="改名", description="").name == "改名"
    assert bases.get("改名").documents == 0
    bases.delete("改名")
    assert bases.list() == []


def test_a_conversation(editor: Client) -> None:
    editor.knowledge_bases.create("甲")
    session = editor.sessions.create(knowledge_bases=["甲"])
    answer = editor.ask("有什么？", session_id=session.id)
    assert answer.refused
    said = editor.sessions.messages(session.id)
    assert [message.role for message in said] == ["user", "assistant"]
    editor.sessions.rate(session.id, said[1].id, -1, reason="wrong_source", comment="不对")
    assert editor.sessions.messages(session.id)[1].rating == -1
    assert editor.sessions.rename(session.id, "新题").title == "新题"
    assert [each.id for each in editor.sessions.list(query="新题")] == [session.id]
    assert json.loads(editor.sessions.export(session.id))["title"] == "新题"
    assert editor.sessions.export(session.id, format="markdown").startswith("# 新题")
    editor.sessions.delete(session.id)
    assert editor.sessions.list() == []


def test_errors_by_kind(editor: Client) -> None:
    with pytest.raises(NotFoundError) as missing:
        editor.ask("有什么？", ["无"])
    assert (missing.value.status, missing.value.code) == (404, "knowledge_base_not_found")
    assert missing.value.details == {"name": "无"}
    assert missing.value.request_id
    with pytest.raises(NotFoundError):
        list(editor.ask_stream("有什么？", ["无"]))
    editor.knowledge_bases.create("甲")
    with pytest.raises(ConflictError, match="甲"):
        editor.knowledge_bases.create("甲")
    with pytest.raises(InvalidRequestError) as wrong:
        editor.search("", ["甲"])
    assert wrong.value.code == "invalid_question"
    with pytest.raises(ClientError):
        editor.jobs.cancel("0" * 16)


def test_a_job_is_waited_for_so_long(make_service: MakeService) -> None:
    service = make_service()  # nobody works through its jobs yet
    service.create_knowledge_base("甲")
    with serving(service) as port, Client(f"http://127.0.0.1:{port}") as client:
        job = client.request("POST", "/api/knowledge-bases/甲/rollback").json()["id"]
        with pytest.raises(JobTimeoutError):
            client.jobs.wait(job, timeout=0)
        service.start()
        assert client.jobs.wait(job).error == "nothing_kept"
        assert client.jobs.retry(job).id == job


def test_keys_and_rights(make_service: MakeService) -> None:
    service = make_service()
    service.create_knowledge_base("甲")
    secret = service.keys.create("reader", names=["甲"])[1]
    with serving(service) as port:
        url = f"http://127.0.0.1:{port}"
        with Client(url) as nobody, pytest.raises(KeyNeededError):
            nobody.knowledge_bases.list()
        with Client(url, key=secret) as client:
            assert [each.name for each in client.knowledge_bases.list()] == ["甲"]
            with pytest.raises(ForbiddenError):
                client.knowledge_bases.delete("甲")


def test_too_many_requests_tell_when_to_come_again(make_service: MakeService) -> None:
    service = make_service(limits={"requests_per_minute": 1})
    secret = service.keys.create("reader")[1]
    with serving(service) as port, Client(f"http://127.0.0.1:{port}", key=secret) as client:
        client.jobs.list()
        with pytest.raises(TooManyRequestsError) as refused:
            client.jobs.list()
    assert 50 <= refused.value.retry_after <= 60


def test_nobody_is_there() -> None:
    with Client("http://127.0.0.1:9", timeout=5) as client:
        with pytest.raises(UnreachableError):
            client.health()
        with pytest.raises(UnreachableError):
            list(client.ask_stream("有什么？", ["甲"]))


def test_a_stream_that_breaks_off_is_an_error() -> None:
    lines = ["event: token", 'data: {"text": "年"}', "", ": waiting", "", "event: later", "data: {}", ""]
    events = read_events(lines)
    assert next(events) == Token("年")
    with pytest.raises(BrokenStreamError) as ended:
        next(events)
    assert ended.value.code == "unreachable"
    error = {"error": {"code": "model_unavailable", "message": "down", "details": {}}}
    with pytest.raises(BrokenStreamError, match="down") as told:
        list(read_events(["event: error", f"data: {json.dumps(error)}", ""]))
    assert told.value.code == "model_unavailable"


def test_an_event_that_cannot_be_read_is_an_error() -> None:
    for name in ("token", "final", "error"):
        with pytest.raises(BrokenStreamError, match=name) as broken:
            list(read_events([f"event: {name}", 'data: {"text', ""]))
        assert broken.value.code == "unreachable"


def test_only_a_line_feed_ends_a_line() -> None:
    text = "年\u2028假\u0085五\u2029天\x1c"
    sent = message("token", {"text": text})
    assert len(sent.splitlines()) == 3  # with the empty one
    raw = f"event: token\r\ndata: {json.dumps({'text': text}, ensure_ascii=False)}\n\n"
    for stream in (sent, raw):
        pieces = [stream[at : at + 5] for at in range(0, len(stream), 5)]
        events = read_events(_lines(pieces))
        assert next(events) == Token(text)
    assert list(_lines(["a\n\n", "b"])) == ["a", "", "b"]


def test_an_answer_of_something_between_is_an_error_too() -> None:
    error = error_of(httpx.Response(502, text="<html>bad gateway"))
    assert isinstance(error, ServiceError)
    assert (error.status, error.code, str(error)) == (502, "client_error", "Bad Gateway")
