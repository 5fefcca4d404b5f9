"""Files of one conversation: hidden, asked by it alone, gone with it."""

from __future__ import annotations

import pytest

from knowledge_base.errors import KnowledgeBaseNotFoundError
from tests.app.conftest import KB, MakeService


def test_they_are_hidden_asked_and_deleted(make_service: MakeService) -> None:
    service = make_service()
    service.create_knowledge_base(KB)
    files = service.conversation_files
    assert files.name("one") is None
    name = files.ensure("one")
    assert files.ensure("one") == name == files.name("one")
    assert files.ensure("two") != name
    assert [info.name for info in service.knowledge_bases()] == [KB]
    stored = service.store("笔记.txt", ["会议定于周五下午三点在二号会议室召开。".encode()])
    assert [result.state for result in service.ingest(name, [stored])] == ["ready"]
    assert "二号会议室" in service.ask("会议在哪里召开？", [name]).answer
    assert service.ask("会议在哪里召开？", [files.ensure("two")]).refused
    files.delete("one")
    files.delete("one")
    assert files.name("one") is None
    with pytest.raises(KnowledgeBaseNotFoundError):
        service.ask("会议在哪里召开？", [name])
