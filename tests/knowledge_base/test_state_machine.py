"""The knowledge base against a plain dictionary, through any order of operations."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from knowledge_base.errors import DocumentExistsError, KnowledgeBaseNotFoundError
from tests.knowledge_base.doubles import open_home, sections
from tests.knowledge_base.test_transfer import exporter, importer

pytestmark = pytest.mark.slow

BODIES = (
    "年假共有十五天。",
    "住宿标准为五百元。",
    "机房温度二十二度。",
    "班车七点四十发车。",
    "门禁卡丢失即报。",
)
HAND = "此处由人工改写。"
LONG = int(os.environ.get("LONG_STATE_MACHINE", 0))
"""So many longer runs, by hand; each takes some seconds."""
KNOWLEDGE_BASES = st.sampled_from(["中文-a_b%", "axb"])
NAMES = st.sampled_from(["a_b.md", "axb.md", "制度/a.md"])
MEANWHILE = st.sampled_from(["nothing", "rebuild", "restart"])
CONTENTS = st.lists(st.sampled_from(BODIES), min_size=1, max_size=3, unique=True).map(tuple)


@dataclass
class Expected:
    """A document as it should be."""

    names: list[str]
    content: tuple[str, ...]


class KnowledgeBaseMachine(RuleBasedStateMachine):
    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="zhiwen-test-"))
        self.home = open_home(self.folder)
        self.model: dict[str, dict[str, Expected]] = {"中文-a_b%": {}, "axb": {}}
        for name in self.model:
            self.home.catalogue.create(name)

    def teardown(self) -> None:
        if hasattr(self, "home"):
            self.home.close()
            shutil.rmtree(self.folder)

    def owner(self, knowledge_base: str, name: str) -> str | None:
        return next((id for id, found in self.model[knowledge_base].items() if name in found.names), None)

    @rule(knowledge_base=KNOWLEDGE_BASES, name=NAMES, content=CONTENTS)
    def add(self, knowledge_base: str, name: str, content: tuple[str, ...]) -> None:
        documents = self.model[knowledge_base]
        (result,) = self.home.add(knowledge_base, {name: sections(*content)})
        assert result.document is not None
        id, owner = result.document.id, self.owner(knowledge_base, name)
        holding = {held for held, found in documents.items() if found.content == content}
        if owner in holding:
            assert (result.state, id) == ("unchanged", owner)
        elif owner is not None and documents[owner].names[0] == name:
            assert (result.state, id) == ("ready", owner)
            others = documents[owner].names[1:]
            if others:
                copy = self.home.lifecycle.find(knowledge_base, others[0])
                assert copy not in documents
                documents[copy] = Expected(others, documents[owner].content)
            documents[owner] = Expected([name], content)
        else:
            if owner is not None:
                documents[owner].names.remove(name)
            assert (result.state, id in holding) == (("unchanged", True) if holding else ("ready", False))
            documents.setdefault(id, Expected([], content)).names.append(name)

    @rule(knowledge_base=KNOWLEDGE_BASES, name=NAMES)
    def delete(self, knowledge_base: str, name: str) -> None:
        owner = self.owner(knowledge_base, name)
        if owner is not None:
            self.home.delete(knowledge_base, owner)
            del self.model[knowledge_base][owner]

    @rule(knowledge_base=KNOWLEDGE_BASES, name=NAMES)
    def delete_a_name(self, knowledge_base: str, name: str) -> None:
        owner = self.owner(knowledge_base, name)
        if owner is not None:
            assert self.home.lifecycle.delete_name(knowledge_base, name) == owner
            self.model[knowledge_base][owner].names.remove(name)
            if not self.model[knowledge_base][owner].names:
                del self.model[knowledge_base][owner]

    @rule(knowledge_base=KNOWLEDGE_BASES, name=NAMES, new=NAMES)
    def rename(self, knowledge_base: str, name: str, new: str) -> None:
        owner = self.owner(knowledge_base, name)
        if owner is None:
            return
        found = self.model[knowledge_base][owner]
        if self.owner(knowledge_base, new) not in {None, owner}:
            with pytest.raises(DocumentExistsError):
                self.home.lifecycle.rename(knowledge_base, owner, new)
        else:
            self.home.lifecycle.rename(knowledge_base, owner, new)
            found.names = [new, *(other for other in found.names[1:] if other != new)]

    @rule(knowledge_base=KNOWLEDGE_BASES, name=NAMES, goal=KNOWLEDGE_BASES)
    def move(self, knowledge_base: str, name: str, goal: str) -> None:
        owner = self.owner(knowledge_base, name)
        if owner is None:
            return
        names = self.model[knowledge_base][owner].names
        if knowledge_base != goal and any(self.owner(goal, name) for name in names):
            with pytest.raises(DocumentExistsError):
                self.home.lifecycle.move(knowledge_base, owner, goal)
        else:
            self.home.lifecycle.move(knowledge_base, owner, goal)
            self.model[goal][owner] = self.model[knowledge_base].pop(owner)

    @rule(knowledge_base=KNOWLEDGE_BASES)
    def rebuild(self, knowledge_base: str) -> None:
        self.home.rebuilder.rebuild(self.home.key(knowledge_base))

    @rule(knowledge_base=KNOWLEDGE_BASES)
    def export_delete_import(self, knowledge_base: str) -> None:
        """Everything is as it was, ids and names included, and nothing was embedded."""
        package = self.folder / "export.zhiwen"
        exporter(self.home).export(knowledge_base, package)
        key, digests = self.home.catalogue.delete(knowledge_base)
        self.home.indexes.drop(key.id)
        self.home.sweep(digests)
        embedded = len(self.home.embedder.embedded)
        taken = importer(self.home).import_package(package)
        assert (taken.name, taken.renamed, taken.embedded) == (knowledge_base, {}, 0)
        assert len(self.home.embedder.embedded) == embedded
        package.unlink()

    @rule(knowledge_base=KNOWLEDGE_BASES, meanwhile=MEANWHILE)
    def rename_the_base_and_back(self, knowledge_base: str, meanwhile: str) -> None:
        self.home.catalogue.update(knowledge_base, new_name="改名")
        self.happen(meanwhile, "改名")
        with pytest.raises(KnowledgeBaseNotFoundError):
            self.home.key(knowledge_base)
        infos = self.home.catalogue.documents(self.home.key("改名").id)
        assert {info.id for info in infos} == self.model[knowledge_base].keys()
        for found in self.model[knowledge_base].values():
            hits = self.home.search(found.content[0], "改名", top_k=20)
            assert {hit.knowledge_base for hit in hits} == {"改名"}
        self.home.catalogue.update("改名", new_name=knowledge_base)

    @rule(
        knowledge_base=KNOWLEDGE_BASES,
        name=NAMES,
        body=st.sampled_from(BODIES),
        meanwhile=MEANWHILE,
    )
    def edit_and_take_back(self, knowledge_base: str, name: str, body: str, meanwhile: str) -> None:
        """A text by hand replaces what was read, through whatever happens, until it is discarded."""
        owner = self.owner(knowledge_base, name)
        if owner is None or body not in self.model[knowledge_base][owner].content:
            return
        chunk = next(c for c in self.home.editor.chunks(knowledge_base, owner) if body in c.chunk.text)
        self.home.editor.change(knowledge_base, owner, chunk.id, text=HAND)
        self.happen(meanwhile, knowledge_base)
        assert self.home.found(HAND, knowledge_base) == {self.model[knowledge_base][owner].names[0]}
        (edit,) = self.home.editor.edits(knowledge_base, owner)
        self.home.editor.discard(knowledge_base, owner, edit.id)
        assert self.home.found(HAND, knowledge_base) == set()

    @rule(
        knowledge_base=KNOWLEDGE_BASES,
        name=NAMES,
        meanwhile=MEANWHILE,
    )
    def disable_and_enable(self, knowledge_base: str, name: str, meanwhile: str) -> None:
        """What is switched off is not found, through whatever happens, until it is switched on."""
        owner = self.owner(knowledge_base, name)
        if owner is None:
            return
        chunk, *_ = self.home.editor.chunks(knowledge_base, owner)
        switched = self.home.editor.change(knowledge_base, owner, chunk.id, enabled=False)
        self.happen(meanwhile, knowledge_base)
        hits = self.home.search(chunk.chunk.text, knowledge_base, top_k=20)
        assert not any(hit.document_id == owner and hit.text == chunk.chunk.text for hit in hits)
        (edit,) = self.home.editor.edits(knowledge_base, owner)
        assert switched.edit is not None and edit.id == switched.edit.id
        self.home.editor.discard(knowledge_base, owner, edit.id)

    def happen(self, what: str, knowledge_base: str) -> None:
        if what == "rebuild":
            self.rebuild(knowledge_base)
        elif what == "restart":
            self.restart()

    @rule()
    def restart(self) -> None:
        self.home.close()
        self.home = open_home(self.folder)

    @rule(knowledge_base=KNOWLEDGE_BASES)
    def lose_the_index(self, knowledge_base: str) -> None:
        self.home.indexes.drop(self.home.key(knowledge_base).id)

    @rule(knowledge_base=KNOWLEDGE_BASES, body=st.sampled_from(BODIES))
    def search(self, knowledge_base: str, body: str) -> None:
        holding = {found.names[0] for found in self.model[knowledge_base].values() if body in found.content}
        # Passages that say the same are folded into one.
        found = self.home.found(body, knowledge_base, top_k=20)
        assert found <= holding
        assert bool(found) == bool(holding)

    @invariant()
    def catalogue_and_disk_hold_what_was_put_in(self) -> None:
        if not hasattr(self, "home"):
            return
        for knowledge_base, documents in self.model.items():
            infos = self.home.catalogue.documents(self.home.key(knowledge_base).id)
            assert {info.id: [info.name, *sorted(info.other_names)] for info in infos} == {
                id: [found.names[0], *sorted(found.names[1:])] for id, found in documents.items()
            }
            stored = self.home.texts(knowledge_base)
            assert {
                name: tuple(chunk.splitlines()[-1] for chunk in chunks) for name, chunks in stored.items()
            } == {found.names[0]: found.content for found in documents.values()}
        files = {path.read_bytes().decode() for path in (self.folder / "files").glob("??/*")}
        contents = {found.content for documents in self.model.values() for found in documents.values()}
        assert files == {sections(*content) for content in contents}


TestKnowledgeBaseMachine = KnowledgeBaseMachine.TestCase
TestKnowledgeBaseMachine.settings = settings(
    max_examples=LONG or 15,
    stateful_step_count=40 if LONG else 10,
    deadline=None,
    database=None,
    # Making a long failure short takes hundreds of runs: its steps are told as they were.
    phases=[Phase.generate] if LONG else list(Phase),
    suppress_health_check=[HealthCheck.too_slow],
)
