"""Conversations in the catalogue: an owner's own, searchable, kept over a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from knowledge_base.database import Database
from knowledge_base.errors import SessionNotFoundError
from knowledge_base.sessions import Message, SessionStore
from tests.knowledge_base.doubles import Home

QUESTION = Message("user", "年假是几天？")
ANSWER = Message(
    "assistant",
    "年假为五天[1]。",
    question="年假是几天？",
    citations=[{"index": 1, "document": "手册.md"}],
    sentences=[{"start": 0, "end": 8, "supported": True}],
    model="quote",
    timings={"total": 0.5},
)


def test_it_is_there_after_a_restart(tmp_path: Path) -> None:
    database = Database(tmp_path / "catalogue.db")
    store = SessionStore(database)
    session = store.create("me", title="  年假\n问题 ", settings={"model": "quote"})
    kept = store.append("me", session.id, [QUESTION, ANSWER])
    store.rate("me", session.id, kept[1].id, -1, reason="wrong_source")
    database.close()
    database = Database(tmp_path / "catalogue.db")
    store = SessionStore(database)
    assert [(s.title, s.settings) for s in store.sessions("me")] == [("年假 问题", {"model": "quote"})]
    question, answer = store.messages("me", session.id)
    assert (question.role, question.text) == ("user", "年假是几天？")
    assert answer.citations == ANSWER.citations
    assert answer.sentences == ANSWER.sentences
    assert (answer.rating, answer.reason) == (-1, "wrong_source")
    store.rate("me", session.id, answer.id, 0)
    assert store.messages("me", session.id)[1].rating == 0
    database.close()


def test_nobody_else_sees_it(home: Home) -> None:
    store = SessionStore(home.catalogue.database)
    session = store.create("me")
    kept = store.append("me", session.id, [QUESTION, ANSWER])
    assert store.sessions("other") == store.sessions(None) == []
    for attempt in (
        lambda: store.session("other", session.id),
        lambda: store.messages(None, session.id),
        lambda: store.append("other", session.id, [QUESTION]),
        lambda: store.truncate("other", session.id, 0),
        lambda: store.update("other", session.id, title="x"),
        lambda: store.rate("other", session.id, kept[1].id, 1),
        lambda: store.delete("other", session.id),
    ):
        with pytest.raises(SessionNotFoundError):
            attempt()
    assert len(store.messages("me", session.id)) == 2


def test_search_rename_truncate_and_delete(home: Home) -> None:
    gone: list[str] = []
    store = SessionStore(home.catalogue.database, deleted=gone.append)
    home.catalogue.create("甲")
    first = store.create("me", title="休假", knowledge_bases=["甲", "不存在"])
    second = store.create("me", title="报销 100%")
    assert first.knowledge_bases == ("甲",)
    store.append("me", first.id, [QUESTION, ANSWER, QUESTION, ANSWER])
    assert [s.id for s in store.sessions("me", query="五天")] == [first.id]
    assert [s.id for s in store.sessions("me", query="0%")] == [second.id]
    assert store.sessions("me", query="%五") == []
    assert [s.id for s in store.sessions("me")] == [first.id, second.id]
    home.catalogue.update("甲", new_name="乙")
    assert store.update("me", first.id, title="年假").title == "年假"
    assert store.session("me", first.id).knowledge_bases == ("乙",)
    store.truncate("me", first.id, 2)
    assert [m.role for m in store.messages("me", first.id)] == ["user", "assistant"]
    store.append("me", first.id, [QUESTION])
    assert len(store.messages("me", first.id)) == 3
    question = store.messages("me", first.id)[0]
    with pytest.raises(SessionNotFoundError):
        store.rate("me", first.id, question.id, 1)
    store.delete("me", first.id)
    assert gone == [first.id]
    assert [s.id for s in store.sessions("me")] == [second.id]
