"""Two keys with different rights and random requests: nothing of the other's ever appears.

More of them by hand: `python -m tests.app.test_two_keys --requests 1000 --seed 7`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from app.composition import build_service
from app.http.application import create_app
from app.rights import Access, for_access
from app.service import Service
from app.settings import load_settings

pytestmark = pytest.mark.slow

_FILES = 3


@dataclass
class Side:
    """What belongs to one key, and what of it nobody else may ever be told."""

    base: str
    secret: str
    mark: str
    documents: list[str]
    chunks: list[int]
    session: str
    message: str
    job: str
    told: Counter[int] = field(default_factory=Counter)

    @property
    def marks(self) -> list[str]:
        """Strings that only its own answers may hold."""
        return [self.mark, self.base, self.session, self.message, self.job, *self.documents]


Request = tuple[str, str, dict[str, Any]]


def sides(service: Service) -> tuple[Side, Side]:
    """An editor and a reader, each with a knowledge base, a conversation and a job of its own."""
    found = []
    for base, mark, role in (("甲部制度", "QX-4417-JIA", "editor"), ("乙部制度", "WM-9025-YI", "reader")):
        service.create_knowledge_base(base)
        texts = [f"第{n}条：本部门的暗语是{mark}，差旅与年假按第{n}级标准执行。" for n in range(_FILES)]
        files = [service.store(f"{mark}-{n}.txt", [text.encode()]) for n, text in enumerate(texts)]
        service.ingest(base, files)
        key, secret = service.keys.create(base, role=role, names=[base])  # type: ignore[arg-type]
        own = for_access(service, Access.of(key))
        session = own.sessions.create(None, title=f"{mark}的对话", knowledge_bases=[base]).id
        documents = [info.id for info in service.documents(base)]
        chunks = [service.document_chunks(base, each)[0][0] for each in documents]
        job = service.submit_rebuild(base).id
        found.append(Side(base, secret, mark, documents, chunks, session, "", job))
    return found[0], found[1]


def say_something(client: TestClient, side: Side) -> None:
    """Put a question and its answer into the conversation of a side."""
    headers = {"X-API-Key": side.secret}
    body = {"question": "暗语是什么？", "session_id": side.session, "threshold": 0}
    assert side.mark in client.post("/api/ask", json=body, headers=headers).text
    said = client.get(f"/api/sessions/{side.session}/messages", headers=headers).json()["messages"]
    side.message = said[1]["id"]


def requests(chance: random.Random, own: Side, other: Side) -> Request:
    """A request of `own`'s, about what is its own, the other's, or both."""
    about = chance.choice((own, other, other))
    base = f"/api/knowledge-bases/{quote(about.base)}"
    document = f"{base}/documents/{chance.choice(about.documents)}"
    across = f"/api/knowledge-bases/{quote(own.base)}/documents/{chance.choice(other.documents)}"
    names = chance.choice(([about.base], [own.base, other.base], [other.base, own.base]))
    question = chance.choice(("暗语是什么？", "年假标准是什么？", "差旅按第几级？", "有哪些部门？"))
    asked = {"question": question, "knowledge_bases": names, "threshold": 0, "stream": chance.random() < 0.5}
    chat = {"model": "quote", "messages": [{"role": "user", "content": question}], "threshold": 0}
    session = f"/api/sessions/{about.session}"
    upload = {"files": ("新.txt", f"新的规定{chance.random()}。".encode())}
    choices: list[Callable[[], Request]] = [
        lambda: ("GET", "/api/knowledge-bases", {}),
        lambda: ("GET", base, {}),
        lambda: ("PATCH", base, {"json": {"description": "x"}}),
        lambda: ("POST", f"{base}/export", {}),
        lambda: ("GET", f"{base}/documents", {}),
        lambda: ("POST", f"{base}/documents", {"files": upload}),
        lambda: ("GET", chance.choice((document, across)), {}),
        lambda: ("GET", chance.choice((document, across)) + "/content", {}),
        lambda: ("GET", chance.choice((document, across)) + "/chunks", {}),
        lambda: ("GET", chance.choice((document, across)) + "/versions", {}),
        lambda: ("GET", chance.choice((document, across)) + "/edits", {}),
        lambda: ("GET", chance.choice((document, across)) + "/pages/1.png", {}),
        lambda: ("PUT", across, {"files": upload}),
        lambda: ("DELETE", chance.choice((across, f"{across}?only_name=x")), {}),
        lambda: ("PATCH", across, {"json": {"knowledge_base": own.base}}),
        lambda: ("PATCH", f"{across}/chunks/{chance.choice(other.chunks)}", {"json": {"text": "x"}}),
        lambda: (
            "PATCH",
            f"/api/knowledge-bases/{quote(own.base)}/documents/{own.documents[0]}",
            {"json": {"knowledge_base": other.base}},
        ),
        lambda: ("POST", f"/api/knowledge-bases/{quote(other.base)}/rebuild", {}),
        lambda: ("DELETE", f"/api/knowledge-bases/{quote(other.base)}", {}),
        lambda: (
            "POST",
            "/api/search",
            {"json": {"query": question, "knowledge_bases": names, "threshold": 0}},
        ),
        lambda: (
            "POST",
            "/api/search",
            {
                "json": {
                    "query": question,
                    "knowledge_bases": [own.base],
                    "threshold": 0,
                    "document_ids": other.documents,
                }
            },
        ),
        lambda: ("POST", "/api/ask", {"json": asked}),
        lambda: ("POST", "/api/ask", {"json": {"question": question, "session_id": about.session}}),
        lambda: ("POST", "/v1/chat/completions", {"json": {**chat, "stream": asked["stream"]}}),
        lambda: ("POST", "/v1/chat/completions", {"json": {**chat, "knowledge_bases": names}}),
        lambda: ("GET", "/api/sessions", {"params": {"query": chance.choice(("", "暗语", "对话"))}}),
        lambda: ("GET", session, {}),
        lambda: ("GET", f"{session}/messages", {}),
        lambda: ("GET", f"{session}/export?format=" + chance.choice(("json", "markdown")), {}),
        lambda: ("PATCH", f"/api/sessions/{other.session}", {"json": {"title": "x"}}),
        lambda: ("DELETE", f"/api/sessions/{other.session}", {}),
        lambda: ("PATCH", f"/api/sessions/{own.session}", {"json": {"knowledge_bases": names}}),
        lambda: ("PUT", f"{session}/messages/{other.message}/feedback", {"json": {"rating": -1}}),
        lambda: ("POST", "/api/sessions", {"json": {"knowledge_bases": names}}),
        lambda: ("GET", "/api/jobs", {}),
        lambda: ("GET", f"/api/jobs/{about.job}" + chance.choice(("", "/events")), {}),
        lambda: ("POST", f"/api/jobs/{other.job}/" + chance.choice(("cancel", "retry")), {}),
        lambda: ("GET", chance.choice(("/metrics", "/v1/models", "/api/models", "/healthz")), {}),
    ]
    return chance.choice(choices)()


def state(service: Service, side: Side) -> object:
    """What of a side another key must not change."""
    edits = [service.chunks.edits(side.base, each) for each in side.documents]
    said = [message.rating for message in _of(service, side).sessions.messages(None, side.session)]
    return [info.id for info in service.documents(side.base)], edits, said[:2], service.key(side.base).id


def _of(service: Service, side: Side) -> Service:
    key = service.keys.check(side.secret)
    assert key is not None
    return for_access(service, Access.of(key))


def check(service: Service, *, count: int, seed: int) -> dict[str, dict[int, int]]:
    """Send so many requests with both keys in turn; statuses by base. An `AssertionError` tells of a leak."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    first, second = sides(service)
    service.start()
    with TestClient(create_app(service, pages=False), base_url="http://127.0.0.1") as client:
        for side in (first, second):
            say_something(client, side)
        before = {side.base: state(service, side) for side in (first, second)}
        for number in range(count):
            own, other = (first, second) if number % 2 else (second, first)
            method, path, options = requests(chance, own, other)
            reply = client.request(method, path, headers={"X-API-Key": own.secret}, **options)
            own.told[reply.status_code] += 1
            sent = path + json.dumps(options.get("json", options.get("params")), ensure_ascii=False)
            told = reply.content.decode("utf-8", "replace") + str(reply.headers)
            for mark in other.marks:
                # What the client has sent itself comes back in the words of an error.
                hidden = mark not in sent and quote(mark) not in sent
                assert not (hidden and (mark in told or quote(mark) in told)), (number, method, path, mark)
            assert reply.status_code < 500, (number, method, path, reply.text)
        after = {side.base: state(service, side) for side in (first, second)}
    # The second only reads; of the first, its own additions are its own.
    assert after[second.base] == before[second.base]
    return {side.base: dict(sorted(side.told.items())) for side in (first, second)}


def made(folder: Path) -> Service:
    """A service with an embedder that costs nothing."""
    embedder = {"name": "tests.app.slow_embedder:SlowEmbeddings"}
    return build_service(load_settings({"data_dir": folder, "embedder": embedder}))


def test_nothing_of_the_others_ever_appears(tmp_path: Path) -> None:
    service = made(tmp_path / "data")
    try:
        told = check(service, count=250, seed=3)
    finally:
        service.close()
    for statuses in told.values():
        assert statuses[200] > 20
        assert statuses[404] > 20


def main() -> None:
    """As many requests as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        service = made(Path(folder))
        try:
            told = check(service, count=options.requests, seed=options.seed)
        finally:
            service.close()
    sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
