from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from knowledge_base.errors import DocumentNotFoundError, EmbedderChangedError, KnowledgeBaseNotFoundError
from knowledge_base.ingestion import IngestedFile, Progress
from loaders.errors import LoadingCancelledError, RecognitionFailedError
from tests.knowledge_base.doubles import BigramEmbedder, Home, InProcessParser, open_home, sections

LEAVE = "员工每年享有十五天年假，须提前申请。"
TRAVEL = "出差住宿标准为每晚五百元，凭票报销。"
SERVER = "机房温度应当保持在二十二摄氏度。"


def test_what_was_ingested_is_retrieved(home: Home) -> None:
    (result,) = home.add("k", {"手册.md": sections(LEAVE, TRAVEL)})
    assert (result.name, result.state, result.problems, result.retryable) == ("手册.md", "ready", (), False)
    assert result.document is not None
    assert (result.document.chunks, result.document.pages, result.document.format) == (2, 1, "markdown")
    hit = home.search("每晚五百元", "k")[0]
    assert (hit.knowledge_base, hit.document, hit.document_id) == ("k", "手册.md", result.document.id)
    assert hit.heading_path == ("第2节",)
    assert TRAVEL in hit.text
    assert 0.0 <= hit.score <= 1.0
    assert hit.dense_score == pytest.approx(
        float(
            home.embedder.encode_query("每晚五百元")
            @ home.embedder.encode_query(next(t for t in home.embedder.embedded if TRAVEL in t))
        ),
        abs=1e-5,
    )


def test_the_same_bytes_cost_nothing_twice(home: Home) -> None:
    (first,) = home.add("k", {"a.md": sections(LEAVE, TRAVEL)})
    embedded = len(home.embedder.embedded)
    (again,) = home.add("k", {"a.md": sections(LEAVE, TRAVEL)})
    (copy,) = home.add("k", {"b/副本.md": sections(LEAVE, TRAVEL)})
    assert (again.state, copy.state) == ("unchanged", "unchanged")
    assert first.document is not None and copy.document is not None
    assert first.document == again.document
    assert copy.document == replace(first.document, other_names=("b/副本.md",))
    assert len(home.embedder.embedded) == embedded == 2
    assert [info.name for info in home.catalogue.documents(home.key("k").id)] == ["a.md"]


def test_the_same_bytes_twice_in_one_batch(home: Home) -> None:
    stored = [home.store(name, LEAVE) for name in ("a.md", "b.md", "a.md")]
    results = home.ingestor.ingest(home.catalogue.ensure("k"), stored)
    assert [result.state for result in results] == ["ready", "unchanged", "unchanged"]
    assert {result.document.id for result in results if result.document} == {
        home.catalogue.documents(home.key("k").id)[0].id
    }
    assert len(home.embedder.embedded) == 1


def test_the_last_of_one_name_in_a_batch_wins(home: Home) -> None:
    stored = [home.store("a.md", text) for text in (LEAVE, TRAVEL, LEAVE, SERVER)]
    results = home.ingestor.ingest(home.catalogue.ensure("k"), stored)
    assert [result.state for result in results] == ["ready"] * 4
    assert home.texts("k") == {"a.md": [SERVER]}
    assert home.found(LEAVE, "k") == home.found(TRAVEL, "k") == set()


def test_texts_known_from_another_knowledge_base_are_not_embedded_again(home: Home) -> None:
    home.add("k", {"a.md": sections(LEAVE, TRAVEL)})
    embedded = len(home.embedder.embedded)
    (result,) = home.add("另一个", {"b.md": sections(LEAVE, TRAVEL)})
    assert result.state == "ready"
    assert len(home.embedder.embedded) == embedded
    assert [hit.knowledge_base for hit in home.search(LEAVE, "另一个")] == ["另一个", "另一个"]


def test_a_changed_file_replaces_its_old_self(home: Home) -> None:
    (before,) = home.add("k", {"a.md": sections(LEAVE, TRAVEL, SERVER)})
    ids = {hit.text: hit.chunk_id for hit in home.search("标准", "k")}
    home.embedder.embedded.clear()
    changed = TRAVEL.replace("五百", "八百")
    (after,) = home.add("k", {"a.md": sections(LEAVE, changed, SERVER)})

    assert before.document is not None and after.document is not None
    assert (after.state, after.document.id) == ("ready", before.document.id)
    assert after.document.created_at == before.document.created_at
    assert [text for text in home.embedder.embedded if changed in text] == home.embedder.embedded
    assert len(home.embedder.embedded) == 1
    now = {hit.text: hit.chunk_id for hit in home.search("标准", "k")}
    kept = [text for text in now if changed not in text]
    assert len(kept) == 2
    assert {text: now[text] for text in kept} == {text: ids[text] for text in kept}
    assert home.found("每晚五百元", "k") == set()
    assert home.found("每晚八百元", "k") == {"a.md"}


def test_the_bytes_of_a_replaced_file_are_given_back(home: Home) -> None:
    home.add("k", {"a.md": LEAVE, "b.md": TRAVEL})
    home.add("other", {"b.md": TRAVEL})
    home.add("k", {"a.md": SERVER, "b.md": SERVER})
    kept = {path.read_text(encoding="utf-8") for path in (home.folder / "files").glob("??/*")}
    assert kept == {SERVER, TRAVEL}


def test_a_file_may_go_back_to_its_first_text(home: Home) -> None:
    for text in (LEAVE, TRAVEL, LEAVE):
        (result,) = home.add("k", {"a.md": text})
        assert result.state == "ready"
        assert home.texts("k") == {"a.md": [text]}


def test_a_changed_file_is_not_taken_for_another_with_its_bytes(home: Home) -> None:
    home.add("k", {"a.md": LEAVE, "b.md": TRAVEL})
    (result,) = home.add("k", {"b.md": LEAVE})
    assert (result.state, home.texts("k")) == ("ready", {"a.md": [LEAVE], "b.md": [LEAVE]})


def test_other_settings_read_the_file_again_under_its_id(home: Home) -> None:
    (before,) = home.add("k", {"a.md": LEAVE})
    home.close()
    home = open_home(home.folder, embedder=home.embedder, parser=InProcessParser(fingerprint="loaders-2"))
    (after,) = home.add("k", {"umbenannt.md": LEAVE})
    assert before.document is not None and after.document is not None
    assert after.state == "ready"
    assert (after.document.id, after.document.name) == (before.document.id, "a.md")
    assert after.document.other_names == ("umbenannt.md",)
    assert len(home.embedder.embedded) == 1
    home.close()


def test_a_failing_file_stops_no_other(home: Home) -> None:
    results = home.add(
        "k", {"a.md": LEAVE, "bad.md": "DAMAGED", "leer.txt": "", "x.docx": b"MZ\x00\x01" * 9, "b.md": TRAVEL}
    )
    assert [(r.name, r.state, [p.code for p in r.problems], r.retryable) for r in results] == [
        ("a.md", "ready", [], False),
        ("bad.md", "failed", ["damaged_file"], False),
        ("leer.txt", "failed", ["empty_file"], False),
        ("x.docx", "failed", ["damaged_file"], False),
        ("b.md", "ready", [], False),
    ]
    assert home.found(LEAVE, "k") == {"a.md"}
    assert home.found(TRAVEL, "k") == {"b.md"}
    assert set(home.texts("k")) == {"a.md", "b.md"}
    stored = [path for path in (home.folder / "files").rglob("*") if path.is_file()]
    assert len(stored) == 2, "nothing of a failed file is left"


def test_a_file_whose_recognition_failed_can_be_tried_again(home: Home) -> None:
    def fail(_: str) -> None:
        raise RecognitionFailedError("the engine cannot be built")

    home.parser.before = fail
    (result,) = home.add("k", {"a.md": LEAVE})
    assert (result.state, [p.code for p in result.problems], result.retryable) == (
        "failed",
        ["recognition_failed"],
        True,
    )


def test_a_damaged_new_version_leaves_the_old_one(home: Home) -> None:
    home.add("k", {"a.md": LEAVE})
    (result,) = home.add("k", {"a.md": "DAMAGED"})
    assert result.state == "failed"
    assert home.found(LEAVE, "k") == {"a.md"}


def test_an_embedder_that_is_down_fails_the_file_until_it_is_back(home: Home) -> None:
    home.add("k", {"a.md": LEAVE})
    home.embedder.available = False
    (unchanged, failed) = home.add("k", {"a.md": LEAVE, "b.md": TRAVEL})
    assert unchanged.state == "unchanged"
    assert (failed.state, failed.retryable, failed.document) == ("failed", True, None)
    assert [problem.code for problem in failed.problems] == ["model_unavailable"]
    assert home.found(LEAVE, "k") == {"a.md"}
    assert set(home.texts("k")) == {"a.md"}
    home.embedder.available = True
    (again,) = home.add("k", {"b.md": TRAVEL})
    assert again.state == "ready"
    assert home.found(TRAVEL, "k") == {"b.md"}


def test_deleted_means_gone_at_once_and_after_a_restart(home: Home) -> None:
    results = home.add("k", {"a.md": LEAVE, "b.md": TRAVEL})
    document = results[0].document
    assert document is not None
    home.delete("k", document.id)
    assert home.found(LEAVE, "k") == set()
    assert home.found(TRAVEL, "k") == {"b.md"}
    with pytest.raises(DocumentNotFoundError):
        home.delete("k", document.id)
    home.close()
    home = open_home(home.folder)
    assert home.found(LEAVE, "k") == set()
    assert home.found(TRAVEL, "k") == {"b.md"}
    assert len([path for path in (home.folder / "files").rglob("*") if path.is_file()]) == 1
    home.close()


def test_a_document_is_deleted_only_in_its_own_knowledge_base(home: Home) -> None:
    (result,) = home.add("k", {"a.md": LEAVE})
    home.add("other", {"a.md": LEAVE})
    assert result.document is not None
    with pytest.raises(DocumentNotFoundError):
        home.delete("other", result.document.id)
    home.delete("k", result.document.id)
    assert home.found(LEAVE, "other") == {"a.md"}
    (document,) = home.catalogue.documents(home.key("other").id)
    assert home.files.path(home.catalogue.stored_sha256(home.key("other").id, document.id)).is_file()


def test_what_was_committed_before_a_cancel_stays(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge_base.ingestion.COMMIT_CHUNKS", 1)
    told: list[tuple[int, str]] = []
    stages: list[Progress] = []

    def finished(position: int, result: IngestedFile) -> None:
        told.append((position, result.state))

    stored = [home.store(f"{n}.md", f"第{n}个文件的内容。") for n in range(5)]
    with pytest.raises(LoadingCancelledError):
        home.ingestor.ingest(
            home.catalogue.ensure("k"),
            stored,
            progress=stages.append,
            finished=finished,
            cancelled=lambda: len(told) == 2,
        )
    assert told == [(0, "ready"), (1, "ready")]
    assert set(home.texts("k")) == {"0.md", "1.md"}
    assert home.found("第1个文件", "k") == {"1.md"}
    of_first = [p for p in stages if p.name == "0.md"]  # the next file is read meanwhile
    assert [(p.file, p.files, p.name, p.stage, p.done, p.total) for p in of_first[:3]] == [
        (0, 5, "0.md", "parse", 1, 1),
        (0, 5, "0.md", "embed", 1, 1),
        (0, 5, "0.md", "commit", 1, 1),
    ]


@pytest.mark.slow
def test_one_commit_for_many_small_files(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge_base.batches.LINGER_SECONDS", 600.0)  # on a machine as slow as can be
    home.add("k", {f"{n}.md": f"第{n}个文件的内容。" for n in range(50)})
    assert home.key("k").revision == 1


@pytest.mark.parametrize("name_taken_again", [False, True])
def test_a_rename_while_files_are_read_leads_nowhere_else(name_taken_again: bool, home: Home) -> None:
    def rename(_name: str) -> None:
        home.catalogue.update("k", new_name="anders")
        if name_taken_again:
            home.catalogue.create("k")

    home.parser.before = rename
    (result,) = home.add("k", {"a.md": LEAVE})
    assert result.state == "ready"
    assert home.found(LEAVE, "anders") == {"a.md"}
    assert (home.folder / "indexes" / str(home.key("anders").id) / "state.json").is_file()
    if name_taken_again:
        assert home.search(LEAVE, "k") == []


def test_a_knowledge_base_deleted_while_files_are_read_is_named(home: Home) -> None:
    home.parser.before = lambda _: (home.catalogue.delete("k"), None)[1]
    with pytest.raises(KnowledgeBaseNotFoundError):
        home.add("k", {"a.md": LEAVE})
    assert home.catalogue.knowledge_bases() == []


def test_vectors_of_two_embedders_never_mix(home: Home) -> None:
    """Another process, with another embedder, was quicker than the first one's commit."""
    other = open_home(home.folder, embedder=BigramEmbedder(name="other", dimension=32))
    home.parser.before = lambda _: (other.add("k", {"b.md": TRAVEL}), None)[1]
    with pytest.raises(EmbedderChangedError):
        home.add("k", {"a.md": LEAVE})
    assert other.texts("k") == {"b.md": [TRAVEL]}
    assert other.found(TRAVEL, "k") == {"b.md"}
    other.close()


class TestRebuild:
    def test_another_embedder_is_refused_until_then(self, home: Home) -> None:
        (before,) = home.add("k", {"a.md": LEAVE})
        home.close()
        other = BigramEmbedder(name="other", dimension=32)
        home = open_home(home.folder, embedder=other)
        with pytest.raises(EmbedderChangedError):
            home.search(LEAVE, "k")
        with pytest.raises(EmbedderChangedError):
            home.add("k", {"b.md": TRAVEL})
        assert set(home.texts("k")) == {"a.md"}
        home.rebuilder.rebuild(home.key("k"))
        assert home.found(LEAVE, "k") == {"a.md"}
        assert len(other.embedded) == 1
        home.add("k", {"b.md": TRAVEL})
        assert home.found(TRAVEL, "k") == {"b.md"}
        (after,) = (info for info in home.catalogue.documents(home.key("k").id) if info.name == "a.md")
        assert before.document is not None
        assert after.id == before.document.id
        home.close()

    def test_with_the_same_settings_embeds_nothing(self, home: Home) -> None:
        home.add("k", {"a.md": sections(LEAVE, TRAVEL)})
        before = home.search(LEAVE, "k")
        home.embedder.embedded.clear()
        home.rebuilder.rebuild(home.key("k"))
        assert home.embedder.embedded == []
        assert home.search(LEAVE, "k") == before

    @pytest.mark.parametrize("cause", ["parser", "embedder"])
    def test_one_that_fails_midway_leaves_the_old_state_serving(self, cause: str, tmp_path: Path) -> None:
        home = open_home(tmp_path / "data")
        home.add("k", {"a.md": LEAVE, "b.md": TRAVEL, "c.md": SERVER})
        before = home.search(LEAVE, "k")
        home.close()

        other = open_home(tmp_path / "data", embedder=BigramEmbedder(name="other"))

        def fail(name: str) -> None:
            if name == "b.md" and cause == "parser":
                raise RuntimeError("a defect of the program")
            other.embedder.available = name == "a.md" or cause != "embedder"

        other.parser.before = fail
        with pytest.raises(Exception, match=r"defect|down"):
            other.rebuilder.rebuild(other.key("k"))
        other.close()

        home = open_home(tmp_path / "data")
        assert home.search(LEAVE, "k") == before
        assert set(home.texts("k")) == {"a.md", "b.md", "c.md"}
        home.close()

    def test_it_serves_while_it_works(self, home: Home) -> None:
        home.add("k", {"a.md": LEAVE, "b.md": TRAVEL})
        before = home.search(LEAVE, "k")
        seen = []
        home.parser.before = lambda _: seen.append(home.search(LEAVE, "k"))
        home.rebuilder.rebuild(home.key("k"))
        assert seen == [before, before]

    def test_what_changes_meanwhile_stays_as_it_was_changed(self, home: Home) -> None:
        results = home.add("k", {"a.md": LEAVE, "b.md": TRAVEL, "c.md": SERVER})
        ids = [result.document.id for result in results if result.document]
        changed = SERVER.replace("二十二", "二十")

        def change(name: str) -> None:
            if name == "c.md":  # a.md and b.md have been read by then
                home.parser.before = lambda _: None
                home.delete("k", ids[0])
                home.add("k", {"b.md": changed, "d.md": "新来的文件。"})

        home.parser.before = change
        home.rebuilder.rebuild(home.key("k"))
        assert home.texts("k") == {"b.md": [changed], "c.md": [SERVER], "d.md": ["新来的文件。"]}
        assert home.found(LEAVE, "k") == home.found(TRAVEL, "k") == set()
        assert home.found(changed, "k") == {"b.md"}

    def test_a_document_deleted_before_its_turn_is_passed_over(self, home: Home) -> None:
        results = home.add("k", {"a.md": LEAVE, "b.md": TRAVEL})
        last = results[1].document
        assert last is not None

        def delete(_name: str) -> None:
            home.parser.before = lambda _: None
            home.delete("k", last.id)

        home.parser.before = delete
        home.rebuilder.rebuild(home.key("k"))
        assert home.texts("k") == {"a.md": [LEAVE]}

    def test_an_empty_knowledge_base_takes_the_new_embedder(self, home: Home) -> None:
        home.catalogue.create("k")
        home.rebuilder.rebuild(home.key("k"))
        assert home.search(LEAVE, "k") == []
        assert home.add("k", {"a.md": LEAVE})[0].state == "ready"
