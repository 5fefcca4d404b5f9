"""What comes of bad questions and bad indexes: an answer or a clear error, in the service and over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.errors import ApplicationError
from app.service import Service
from knowledge_base.errors import KnowledgeBaseError
from tests.app.conftest import KB, MakeService

pytestmark = pytest.mark.model

LEAVE = "我工龄六年，一年有几天年休假？"
SHORT = "哺乳室在七层东侧。"


@dataclass(frozen=True)
class Outcome:
    """`service` is answered, refused or the code of an error; `status` and `code` what HTTP said."""

    service: str
    status: int
    code: str


def outcome(service: Service, client: TestClient, question: str, knowledge_base: str = KB) -> Outcome:
    """Ask both, and search for it over HTTP too."""
    try:
        said = "refused" if service.ask(question, [knowledge_base]).refused else "answered"
    except (ApplicationError, KnowledgeBaseError) as error:
        said = error.code
    replies = [
        client.post(
            path,
            content=json.dumps({name: question, "knowledge_bases": [knowledge_base]}),
            headers={"Content-Type": "application/json"},
        )
        for path, name in (("/api/ask", "question"), ("/api/search", "query"))
    ]
    assert len({reply.status_code for reply in replies}) == 1, [reply.text for reply in replies]
    body: dict[str, Any] = replies[0].json()
    code = body["error"]["code"] if "error" in body else ("refused" if body["refused"] else "answered")
    return Outcome(said, replies[0].status_code, code)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("", Outcome("invalid_question", 422, "invalid_question")),
        (" \n\u3000\t", Outcome("invalid_question", 422, "invalid_question")),
        ("年假几天" * 25_000, Outcome("invalid_question", 422, "invalid_question")),
        ("年假" * 2_000, Outcome("answered", 200, "answered")),
        ("？！。，、；：“”…—()[]{}\"'*&^%$#@~`|\\/<>", Outcome("refused", 200, "refused")),
        ("AND OR NOT +- id:1 terms:*", Outcome("refused", 200, "refused")),
        ("😀🎉👨‍👩‍👧‍👦🇨🇳", Outcome("refused", 200, "refused")),
        ("\x00\x01\x1b[31m\u202e\u200b\ufeff", Outcome("refused", 200, "refused")),
        ("\x00我工龄六年，\x07一年有几天年休假？\u200b", Outcome("answered", 200, "answered")),
        ("1", Outcome("answered", 200, "answered")),
        ("谢谢", Outcome("refused", 200, "refused")),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, str) else "",
)
def test_bad_questions(service: Service, client: TestClient, question: str, expected: Outcome) -> None:
    assert outcome(service, client, question) == expected


def test_knowledge_bases_with_nothing_or_one_chunk(
    make_service: MakeService, client_of: Callable[[Service], TestClient]
) -> None:
    service = make_service()
    client = client_of(service)
    service.create_knowledge_base("空")
    _take_in(service, "一")
    assert outcome(service, client, LEAVE, "空") == Outcome("refused", 200, "refused")
    assert outcome(service, client, LEAVE, "一") == Outcome("refused", 200, "refused")
    assert outcome(service, client, "哺乳室在几层？", "一") == Outcome("answered", 200, "answered")
    assert outcome(service, client, LEAVE, "无") == Outcome(
        "knowledge_base_not_found", 404, "knowledge_base_not_found"
    )


def _take_in(service: Service, knowledge_base: str, name: str = "哺乳室.txt", text: str = SHORT) -> None:
    if knowledge_base not in {known.name for known in service.knowledge_bases()}:
        service.create_knowledge_base(knowledge_base)
    service.ingest(knowledge_base, [service.store(name, [text.encode()], check=False)])


def _indexes(data: Path) -> list[Path]:
    return sorted(path for path in (data / "indexes").rglob("*") if path.is_file() and path.suffix != ".lock")


@pytest.fixture
def indexed(make_service: MakeService, tmp_path: Path) -> Path:
    """A data folder with a knowledge base whose index was written."""
    data = tmp_path / "kept"
    service = make_service(data_dir=data)
    _take_in(service, KB)
    service.close()
    assert len(_indexes(data)) >= 5
    return data


def _halve(data: Path) -> None:
    for path in _indexes(data):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content[: len(content) // 2])


def _of_another_embedder(data: Path) -> None:
    (state,) = (data / "indexes").rglob("state.json")
    state.write_text(json.dumps({**json.loads(state.read_text()), "embedder": "another/32"}))


def _delete(data: Path) -> None:
    for path in _indexes(data):
        path.unlink()


@pytest.mark.parametrize("harm", [_halve, _of_another_embedder, _delete])
def test_damaged_indexes_are_made_anew(
    harm: Callable[[Path], None],
    indexed: Path,
    make_service: MakeService,
    client_of: Callable[[Service], TestClient],
) -> None:
    harm(indexed)
    service = make_service(data_dir=indexed)
    assert outcome(service, client_of(service), "哺乳室在几层？") == Outcome("answered", 200, "answered")


@pytest.mark.slow
def test_questions_while_the_index_is_swapped(
    make_service: MakeService, client_of: Callable[[Service], TestClient]
) -> None:
    service = make_service()
    _take_in(service, KB)
    client = client_of(service)
    found: set[Outcome] = set()
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            found.add(outcome(service, client, "哺乳室在几层？"))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for number in range(3):
            _take_in(service, KB, f"{number}.txt", f"第{number}号会议室有八个座位。")
            service.rebuild_knowledge_base(KB)
    finally:
        ended.set()
        asking.join()
    assert found == {Outcome("answered", 200, "answered")}
