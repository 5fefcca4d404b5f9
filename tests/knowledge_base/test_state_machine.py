"""The knowledge base against a plain dictionary, through any order of operations."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.knowledge_base.doubles import open_home, sections

BODIES = (
    "年假共有十五天。",
    "住宿标准为五百元。",
    "机房温度二十二度。",
    "班车七点四十发车。",
    "门禁卡丢失即报。",
)
KNOWLEDGE_BASES = st.sampled_from(["中文-a_b%", "axb"])
NAMES = st.sampled_from(["a_b.md", "axb.md", "制度/a.md"])
CONTENTS = st.lists(st.sampled_from(BODIES), min_size=1, max_size=3, unique=True).map(tuple)


class KnowledgeBaseMachine(RuleBasedStateMachine):
    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="zhiwen-test-"))
        self.home = open_home(self.folder)
        self.model: dict[str, dict[str, tuple[str, ...]]] = {"中文-a_b%": {}, "axb": {}}
        for name in self.model:
            self.home.catalogue.create(name)

    def teardown(self) -> None:
        if hasattr(self, "home"):
            self.home.close()
            shutil.rmtree(self.folder)

    @rule(knowledge_base=KNOWLEDGE_BASES, name=NAMES, content=CONTENTS)
    def add(self, knowledge_base: str, name: str, content: tuple[str, ...]) -> None:
        documents = self.model[knowledge_base]
        (result,) = self.home.add(knowledge_base, {name: sections(*content)})
        if name not in documents and content in documents.values():
            assert result.state == "unchanged", "the same bytes are recognised under any name"
            assert result.document is not None
            assert documents[result.document.name] == content
            return
        assert result.state == ("unchanged" if documents.get(name) == content else "ready")
        documents[name] = content

    @rule(knowledge_base=KNOWLEDGE_BASES, name=NAMES)
    def delete(self, knowledge_base: str, name: str) -> None:
        infos = self.home.catalogue.documents(self.home.key(knowledge_base).id)
        for info in infos:
            if info.name == name:
                self.home.delete(knowledge_base, info.id)
        self.model[knowledge_base].pop(name, None)

    @rule(knowledge_base=KNOWLEDGE_BASES)
    def rebuild(self, knowledge_base: str) -> None:
        self.home.ingestor.rebuild(self.home.key(knowledge_base))

    @rule()
    def restart(self) -> None:
        self.home.close()
        self.home = open_home(self.folder)

    @rule(knowledge_base=KNOWLEDGE_BASES)
    def lose_the_index(self, knowledge_base: str) -> None:
        self.home.indexes.drop(self.home.key(knowledge_base).id)

    @rule(knowledge_base=KNOWLEDGE_BASES, body=st.sampled_from(BODIES))
    def search(self, knowledge_base: str, body: str) -> None:
        holding = {name for name, content in self.model[knowledge_base].items() if body in content}
        # Passages that say the same are folded into one.
        found = self.home.found(body, knowledge_base, top_k=20)
        assert found <= holding
        assert bool(found) == bool(holding)

    @invariant()
    def catalogue_and_disk_hold_what_was_put_in(self) -> None:
        if not hasattr(self, "home"):
            return
        for knowledge_base, documents in self.model.items():
            stored = self.home.texts(knowledge_base)
            assert {
                name: tuple(chunk.splitlines()[-1] for chunk in chunks) for name, chunks in stored.items()
            } == documents
        files = list((self.folder / "files").glob("??/*"))
        contents = {content for documents in self.model.values() for content in documents.values()}
        assert len(files) >= len(contents)
        assert {path.read_bytes().decode() for path in files} >= {sections(*c) for c in contents}


TestKnowledgeBaseMachine = KnowledgeBaseMachine.TestCase
TestKnowledgeBaseMachine.settings = settings(
    max_examples=15,
    stateful_step_count=10,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
