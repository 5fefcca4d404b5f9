from __future__ import annotations

from pathlib import Path

from langchain_text_splitters import CharacterTextSplitter, RecursiveCharacterTextSplitter

from loaders.assemble import assemble
from loaders.document import Block, Page
from loaders.langchain import FileLoader, LangChainSplitter, LangChainTextSplitter
from loaders.splitter import ChineseTextSplitter


def test_file_loader(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("# 甲\n\n乙文。\n\n## 丙\n\n丁文。", encoding="utf-8")
    documents = FileLoader(path, splitter=ChineseTextSplitter()).load()
    assert [(d.page_content, d.metadata["heading_path"]) for d in documents] == [
        ("甲\n乙文。", ["甲"]),
        ("丙\n丁文。", ["甲", "丙"]),
    ]
    assert documents[0].metadata["source"] == "a.md"
    assert [d.page_content for d in FileLoader(path).load()] == ["甲", "乙文。", "丙", "丁文。"]


def test_text_splitter() -> None:
    splitter = LangChainTextSplitter(chunk_size=30, overlap=0)
    assert splitter.split_text("一二三四五六七八九十。" * 5) == ["一二三四五六七八九十。" * 2] * 2 + [
        "一二三四五六七八九十。"
    ]
    assert [d.page_content for d in splitter.create_documents(["短。"])] == ["短。"]


def test_any_langchain_splitter_keeps_places() -> None:
    parsed = assemble(
        [
            Page(1, (Block("甲", "heading", 1), Block("一二三 四五六 七八九 " * 10))),
            Page(2, (Block("答。", "faq", question="问？"),)),
        ]
    )
    splitter = LangChainSplitter(RecursiveCharacterTextSplitter(chunk_size=40, chunk_overlap=10))
    chunks = splitter.split(parsed)
    assert all(
        chunk.text == parsed.text[chunk.start : chunk.end] and len(chunk.text) <= 40 for chunk in chunks
    )
    assert [chunk.page for chunk in chunks] == [1] * (len(chunks) - 1) + [2]
    assert chunks[-1].question == "问？"
    assert {chunk.heading_path for chunk in chunks} == {("甲",)}
    other = LangChainSplitter(CharacterTextSplitter(chunk_size=40, chunk_overlap=10))
    assert splitter.fingerprint != other.fingerprint


def test_a_splitter_that_rewrites_text_loses_nothing() -> None:
    class Upper(CharacterTextSplitter):
        def split_text(self, text: str) -> list[str]:
            return [part.upper() for part in text.split("\n")]

    parsed = assemble([Page(None, (Block("abc\ndef"),))])
    chunks = LangChainSplitter(Upper()).split(parsed)
    assert chunks[0].start == 0
    assert "".join(chunk.text for chunk in chunks).replace("\n", "") == "abcdef"
