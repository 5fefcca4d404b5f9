"""A knowledge base goes on with the embedder that it was made with, until it is rebuilt."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from knowledge_base.errors import EmbedderChangedError
from knowledge_base.tables import chunks, embedders, knowledge_bases, vectors
from tests.knowledge_base.doubles import BigramEmbedder, Home, InProcessParser, open_home, sections

LEAVE = "员工每年享有十五天年假，须提前申请。"
TRAVEL = "出差住宿标准为每晚五百元，凭票报销。"
SERVER = "机房温度应当保持在二十二摄氏度。"
OLD = "bigrams/64"
NEW = "other/32"


def changed(home: Home, *, loadable: bool = True) -> Home:
    """The same folder, after another embedder was set."""
    home.close()
    return open_home(
        home.folder,
        embedder=BigramEmbedder(name="other", dimension=32),
        former=[BigramEmbedder()] if loadable else [],
    )


def kept_vectors(home: Home) -> dict[str, set[tuple[str, int]]]:
    """The embedders and dimensions of what each knowledge base is searched in."""
    statement = (
        select(knowledge_bases.c.name, vectors.c.embedder, vectors.c.vector)
        .join(chunks, chunks.c.id == vectors.c.chunk_id)
        .join(knowledge_bases, knowledge_bases.c.id == chunks.c.knowledge_base_id)
        .where(chunks.c.generation == knowledge_bases.c.generation)
    )
    found: dict[str, set[tuple[str, int]]] = {}
    with home.database.read() as connection:
        for name, embedder, vector in connection.execute(statement):
            found.setdefault(name, set()).add((embedder, len(vector) // 4))
    return found


def names(home: Home) -> set[str]:
    with home.database.read() as connection:
        return set(connection.execute(select(embedders.c.fingerprint)).scalars())


def test_the_old_one_is_searched_and_changed_as_before_until_the_rebuild(home: Home) -> None:
    home.add("k", {"a.md": sections(LEAVE, TRAVEL)})
    before = home.search(LEAVE, "k")
    home = changed(home)
    assert home.search(LEAVE, "k") == before
    home.add("k", {"b.md": SERVER})
    (document,) = [d for d in home.catalogue.documents(home.key("k").id) if d.name == "a.md"]
    home.editor.add("k", document.id, "手写的一段。")
    assert home.found(SERVER, "k") == {"b.md"}
    assert home.found("手写的一段", "k") == {"a.md"}
    assert kept_vectors(home) == {"k": {(OLD, 64)}}
    assert home.embedder.embedded == [], "nothing was embedded by the new one"

    home.rebuilder.rebuild(home.key("k"))
    assert kept_vectors(home) == {"k": {(NEW, 32)}}
    assert home.found(SERVER, "k") == {"b.md"}
    home.rebuilder.rollback(home.key("k"))
    assert kept_vectors(home) == {"k": {(OLD, 64)}}
    assert home.found(SERVER, "k") == {"b.md"}
    home.close()


def test_two_with_different_embedders_are_searched_together(home: Home) -> None:
    home.add("old", {"a.md": LEAVE})
    home = changed(home)
    home.add("new", {"b.md": TRAVEL})
    assert kept_vectors(home) == {"old": {(OLD, 64)}, "new": {(NEW, 32)}}
    hits = home.search("年假 住宿", "old", "new")
    assert {hit.document for hit in hits} == {"a.md", "b.md"}
    expected = {"a.md": BigramEmbedder(), "b.md": home.embedder}
    for hit in hits:
        embedder = expected[hit.document]
        cosine = embedder.encode_query("年假 住宿") @ embedder.encode_query(hit.text)
        assert hit.dense_score == pytest.approx(float(cosine), abs=1e-3)
    vector = home.retriever.search("年假", ["old"], top_k=1, threshold=0.0).query_vector
    assert len(vector) == 32, "always of the embedder of the settings"
    home.close()


def test_each_embedder_has_a_threshold_of_its_own(home: Home) -> None:
    home.add("old", {"a.md": LEAVE})
    home = changed(home)
    home.add("new", {"b.md": LEAVE + "另有规定的除外。"})
    home.retriever._default_threshold = lambda embedder: 0.0 if embedder == NEW else 1.1
    found = home.retriever.search(LEAVE, ["old", "new"], top_k=5).hits
    assert [hit.document for hit in found] == ["b.md"]
    home.close()


def test_only_what_cannot_be_loaded_is_refused_until_the_rebuild(home: Home) -> None:
    home.add("k", {"a.md": LEAVE})
    home.add("also", {"a.md": LEAVE})
    home = changed(home, loadable=False)
    for refused in (lambda: home.search(LEAVE, "k"), lambda: home.add("k", {"b.md": TRAVEL})):
        with pytest.raises(EmbedderChangedError) as error:
            refused()
        assert error.value.details == {"name": "k", "embedder": OLD}
    home.rebuilder.rebuild(home.key("k"))
    assert home.found(LEAVE, "k") == {"a.md"}
    with pytest.raises(EmbedderChangedError):
        home.search(LEAVE, "k", "also")
    home.close()


def test_a_model_that_was_changed_under_its_name_is_another(home: Home) -> None:
    home.add("k", {"a.md": LEAVE})
    home = changed(home)
    home.retriever._embedders._load = lambda _: BigramEmbedder(name="trained further")
    with pytest.raises(EmbedderChangedError):
        home.search(LEAVE, "k")
    home.close()


def test_names_are_kept_as_long_as_vectors_are(home: Home) -> None:
    home.add("k", {"a.md": LEAVE})
    home = changed(home)
    home.rebuilder.rebuild(home.key("k"))
    assert names(home) == {OLD, NEW}, "the old state is kept, to go back to"
    home.rebuilder.forget_previous(home.key("k"))
    assert names(home) == {NEW}
    home.close()


def test_an_upload_that_a_rebuild_overtakes_is_embedded_again(home: Home) -> None:
    home.add("k", {"a.md": LEAVE})
    home = changed(home)
    former = home.retriever._embedders.of(home.key("k"))
    assert isinstance(former, BigramEmbedder)
    encode = former.encode_documents

    def overtaken(texts: object) -> object:
        home.rebuilder.rebuild(home.key("k"))
        return encode(texts)  # type: ignore[arg-type]

    former.encode_documents = overtaken  # type: ignore[method-assign, assignment]
    (result,) = home.add("k", {"b.md": TRAVEL})
    assert result.state == "ready"
    assert kept_vectors(home) == {"k": {(NEW, 32)}}
    assert home.found(TRAVEL, "k") == {"b.md"}
    home.close()


def test_moving_to_where_another_embedder_is_embeds_again(home: Home) -> None:
    (result,) = home.add("old", {"a.md": sections(LEAVE, TRAVEL)})
    assert result.document is not None
    home.editor.add("old", result.document.id, "手写的一段。")
    home = changed(home)
    home.add("new", {"b.md": SERVER})
    home.embedder.embedded.clear()
    for goal, source in (("new", "old"), ("old", "new")):
        home.lifecycle.move(source, result.document.id, goal)
        assert kept_vectors(home) == {
            "new": {(NEW, 32)},
            **({"old": {(OLD, 64)}} if goal == "old" else {}),
        }
        assert home.found("手写的一段", goal) == home.found(LEAVE, goal) == {"a.md"}
        assert home.found(LEAVE, source) == set()
    assert sum("手写的一段" in text for text in home.embedder.embedded) == 1
    home.close()


@pytest.mark.parametrize("other_embedder", [False, True])
@pytest.mark.slow
def test_a_document_that_cannot_be_read_again_stays_as_it_was(tmp_path: Path, other_embedder: bool) -> None:
    home = open_home(tmp_path / "data")
    results = home.add("k", {"a.md": sections(LEAVE, TRAVEL), "b.md": SERVER})
    damaged = results[0].document
    assert damaged is not None
    (first, _) = home.editor.chunks("k", damaged.id)
    home.editor.change("k", damaged.id, first.id, text="手写的一段。")
    path = home.files.path(home.catalogue.stored_sha256(home.key("k").id, damaged.id))
    path.chmod(0o644)
    path.write_bytes(b"DAMAGED")
    home.close()
    embedder = BigramEmbedder(name="other", dimension=32) if other_embedder else None
    home = open_home(home.folder, embedder=embedder, parser=InProcessParser(fingerprint="loaders-2"))
    for _ in range(2):  # the second finds documents of two pipelines
        home.rebuilder.rebuild(home.key("k"))
        info = home.catalogue.document(home.key("k").id, damaged.id)
        (problem,) = info.problems
        assert (problem.code, problem.details["cause"]) == ("not_read_again", "damaged_file")
        assert home.found("手写的一段", "k") == home.found(TRAVEL, "k") == {"a.md"}
        assert home.found(SERVER, "k") == {"b.md"}
        assert kept_vectors(home) == {"k": {(NEW, 32) if other_embedder else (OLD, 64)}}
    path.write_bytes(sections(LEAVE, TRAVEL).encode())
    home.rebuilder.rebuild(home.key("k"))
    info = home.catalogue.document(home.key("k").id, damaged.id)
    assert (info.state, info.conflicts) == ("ready", 0)
    assert home.found("手写的一段", "k") == {"a.md"}
    home.close()
