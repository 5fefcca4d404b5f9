"""The text around a hit, without what the chunks share."""

from __future__ import annotations

from knowledge_base import chunk_rows, chunk_values, searched_chunks
from knowledge_base.neighbours import with_neighbours
from knowledge_base.types import Hit
from loaders.document import Chunk
from tests.knowledge_base.doubles import Home, sections


def _search(home: Home, query: str) -> Hit:
    found = home.retriever.search(query, ["甲"], top_k=1, threshold=0.0, neighbours=True)
    return found.hits[0]


def test_a_hit_brings_the_chunks_beside_it(home: Home) -> None:
    home.add("甲", {"a.md": sections("早餐七点开放。", "班车七点四十发车。", "门禁卡在前台领取。")})
    home.add("甲", {"b.md": "月末结账。"})
    middle = _search(home, "班车七点四十发车")
    assert middle.text.split() == ["第2节", "班车七点四十发车。"]
    assert middle.before.split() == ["第1节", "早餐七点开放。"]
    assert middle.after.split() == ["第3节", "门禁卡在前台领取。"]
    assert middle.in_context.split()[1::2] == ["早餐七点开放。", "班车七点四十发车。", "门禁卡在前台领取。"]
    first = _search(home, "早餐七点开放")
    assert (first.before, first.after.split()) == ("", ["第2节", "班车七点四十发车。"])
    alone = _search(home, "月末结账")
    assert (alone.before, alone.after) == ("", "")


def test_without_asking_nothing_is_brought(home: Home) -> None:
    home.add("甲", {"a.md": sections("早餐七点开放。", "班车七点四十发车。")})
    assert {(hit.before, hit.after) for hit in home.search("班车", "甲")} == {("", "")}


def test_what_chunks_share_is_not_said_twice(home: Home) -> None:
    text = "一二三四五六七八九十"
    document = home.add("甲", {"a.md": "旧文"})[0].document
    assert document is not None
    spans = [(0, 4), (3, 7), (5, 10)]
    chunks = [Chunk(start, end, text[start:end], None) for start, end in spans]
    assert _around(home, document.id, chunks) == [
        ("", "一二三四", "五六七"),
        ("一二三", "四五六七", "八九十"),
        ("四五", "六七八九十", ""),
    ]


def test_a_text_by_hand_shares_nothing(home: Home) -> None:
    document = home.add("甲", {"a.md": "旧文"})[0].document
    assert document is not None
    chunks = [Chunk(0, 4, "新", None), Chunk(1, 7, "二三四五六七", None)]
    assert _around(home, document.id, chunks) == [("", "新", "\n二三四五六七"), ("新\n", "二三四五六七", "")]


def _around(home: Home, document_id: str, chunks: list[Chunk]) -> list[tuple[str, str, str]]:
    """What is before, in and after each of these chunks, once they are the document's."""
    vectors = home.embedder.encode_documents([chunk.text for chunk in chunks])
    with home.database.write() as connection:
        chunk_rows.replace_chunks(
            connection,
            home.key("甲").id,
            document_id,
            [chunk_rows.PlacedChunk(chunk) for chunk in chunks],
            {chunk_values.search_hash(c): vector for c, vector in zip(chunks, vectors, strict=True)},
            embedder=home.embedder.fingerprint,
            generation=0,
        )
        ids = [row.id for row in searched_chunks.document_chunks(connection, document_id)]
        hits = searched_chunks.hits(connection, dict.fromkeys(ids, (0.5, 0.5, 0.5)))
        found = with_neighbours(connection, [hits[id] for id in reversed(ids)])
    return [(hit.before, hit.text, hit.after) for hit in reversed(found)]
