"""Real files, with the real recognition engine where they hold pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from loaders.base import LoadOptions
from loaders.registry import parse_file
from loaders.splitter import ChineseTextSplitter
from tests.loaders.office_files import SHARED, needs_shared
from tests.loaders.pdf_files import FakeOcr

pytestmark = [needs_shared, pytest.mark.slow]


def test_born_digital_pdf() -> None:
    ocr = FakeOcr()
    document = parse_file(SHARED / "langchain.pdf", name="langchain.pdf", options=LoadOptions(ocr=ocr))
    assert document.pages == 8
    # Figures are pictures; the text around them is not read a second time.
    assert all(height < 1000 for height, _, _ in ocr.shapes)
    flat = " ".join(document.text.split())
    # Sentences that go over a line, in the left and in the right column.
    assert "LangChain is a framework for developing applications utilizing large language models" in flat
    assert "The prompts that go into an LLM as input include a" in flat
    task = next(section for section in document.sections if section.block.header == "Task | Prompt")
    assert task.page == 3
    chunks = ChineseTextSplitter().split(document)
    assert all(chunk.page is not None and chunk.lines for chunk in chunks)
    assert all(
        chunk.text == document.text[chunk.start : chunk.end] and len(chunk.text) <= 480 for chunk in chunks
    )


@pytest.mark.parametrize("name", ["分布式训练技术原理.md", "大模型技术栈-算法与原理.md"])
def test_markdown(name: str) -> None:
    document = parse_file(SHARED / "md" / name, name=name, options=LoadOptions())
    assert document.sections[0].block.kind == "heading"
    assert document.sections[0].block.text == name.removesuffix(".md")
    assert "**" not in document.text


@pytest.mark.model
def test_pictures(tmp_path_factory: pytest.TempPathFactory) -> None:
    from models.ocr import PaddleOcrEngine

    cache: Path = tmp_path_factory.mktemp("ocr")
    options = LoadOptions(ocr=PaddleOcrEngine(cache_dir=cache, threads=2))
    expected = {"横向文本框", "竖向文本框", "English text"}
    for name, further in {
        "ocr_test.jpg": set(),
        "ocr_test.pdf": {"我是文字"},
        "ocr_test.docx": {"我是文字", "我是表格3 | 我是表格4"},
        "ocr_test.pptx": {"我是文字", "我是表格3 | 我是表格4"},
    }.items():
        document = parse_file(SHARED / "ocr" / name, name=name, options=options)
        assert {section.block.text for section in document.sections} == expected | further, name
        assert document.problems == ()
