"""The loaders and the splitter in LangChain's interfaces, both ways.

`FileLoader` and `LangChainTextSplitter` can be used wherever LangChain wants a document loader or
a text splitter; `LangChainSplitter` takes any of LangChain's splitters in place of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from langchain_text_splitters import TextSplitter

from loaders.base import LoadOptions
from loaders.document import Chunk, ParsedDocument, Section
from loaders.registry import parse_file
from loaders.splitter import ChineseTextSplitter, Places, Splitter


class FileLoader(BaseLoader):
    """Loads one file of any supported format.

    Yields a `Document` for each chunk of `splitter`, or for each section (heading, paragraph,
    table, FAQ pair) without one. Metadata: `source`, `format`, `page` (None where there are no
    pages), `heading_path`, `kind`, `start` and `end` in the document's text, and `header` or
    `question` where there is one.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        options: LoadOptions | None = None,
        splitter: Splitter | None = None,
    ) -> None:
        self._path = Path(path)
        self._name = name or self._path.name
        self._options = options or LoadOptions()
        self._splitter = splitter

    def lazy_load(self) -> Iterator[Document]:
        """Read the file. Raises a `LoaderError`."""
        document = parse_file(self._path, name=self._name, options=self._options)
        chunks = self._splitter.split(document) if self._splitter else _sections(document)
        for chunk in chunks:
            metadata: dict[str, Any] = {
                "source": self._name,
                "format": document.format,
                "page": chunk.page,
                "heading_path": list(chunk.heading_path),
                "kind": chunk.kind,
                "start": chunk.start,
                "end": chunk.end,
            }
            metadata |= {key: value for key in ("header", "question") if (value := getattr(chunk, key))}
            yield Document(page_content=chunk.text, metadata=metadata)


def _sections(document: ParsedDocument) -> Iterator[Chunk]:
    places = Places(document)
    for section in document.sections:
        yield places.chunk(section.start, section.end, section)


class LangChainTextSplitter(TextSplitter):
    """Our splitter as LangChain's `TextSplitter`, for plain text."""

    def __init__(self, *, chunk_size: int = 480, overlap: int = 80) -> None:
        super().__init__(chunk_size=chunk_size, chunk_overlap=overlap)
        self._splitter = ChineseTextSplitter(chunk_size=chunk_size, overlap=overlap)

    def split_text(self, text: str) -> list[str]:
        """The chunks of a text."""
        return self._splitter.split_text(text)


class LangChainSplitter:
    """One of LangChain's text splitters in place of ours.

    It is given one section's text at a time, so that no chunk mixes pages or headings; FAQ pairs
    stay whole. `fingerprint` names its class and what the caller says of its parameters.
    """

    def __init__(self, splitter: TextSplitter, *, parameters: str = "") -> None:
        self._splitter = splitter
        own = (
            f"{key.strip('_')}={value}" for key, value in sorted(vars(splitter).items()) if _is_plain(value)
        )
        self._parameters = parameters or ",".join(own)

    @property
    def fingerprint(self) -> str:
        """Names the splitter and its parameters."""
        kind = type(self._splitter)
        return f"langchain/{kind.__module__}.{kind.__qualname__}/{self._parameters}"

    def split(self, document: ParsedDocument) -> list[Chunk]:
        """Chunks with their places; pieces that the splitter changed are left out of none.

        A piece that is not a part of the text as it stands (splitters may strip or rewrite) takes
        the place from the end of the one before it to the next that is found.
        """
        places = Places(document)
        chunks: list[Chunk] = []
        for run in _runs(document):
            first, last = run[0], run[-1]
            if first.block.kind == "faq":
                chunks.append(places.chunk(first.start, first.end, first))
                continue
            text = document.text[first.start : last.end]
            for start, end in _locate(text, self._splitter.split_text(text)):
                low, high = first.start + start, first.start + end
                section = next(item for item in run if item.end > low)
                body = next(
                    (item for item in run if item.end > low and item.block.kind != "heading"), section
                )
                chunks.append(places.chunk(low, high, body if body.start < high else section))
        return chunks


def _is_plain(value: object) -> bool:
    return isinstance(value, (str, int, float, bool)) or (
        isinstance(value, list) and all(isinstance(item, str) for item in value)
    )


def _runs(document: ParsedDocument) -> Iterator[list[Section]]:
    """Neighbouring sections of one page and one heading path; FAQ pairs and tables by themselves."""
    run: list[Section] = []
    for section in document.sections:
        alone = section.block.kind in ("faq", "table")
        if run and (
            alone
            or run[-1].block.kind in ("faq", "table")
            or section.page != run[-1].page
            or section.heading_path != run[-1].heading_path
        ):
            yield run
            run = []
        run.append(section)
    if run:
        yield run


def _locate(text: str, pieces: list[str]) -> Iterator[tuple[int, int]]:
    """Spans of the pieces in the text, in order; pieces may overlap."""
    begun = done = 0
    for index, piece in enumerate(pieces):
        stripped = piece.strip()
        if not stripped:
            continue
        start = text.find(stripped, begun)
        if start >= 0:
            end = start + len(stripped)
        else:
            following = (text.find(later.strip(), done) for later in pieces[index + 1 :] if later.strip())
            start, end = done, next((found for found in following if found > done), len(text))
            start += len(text[start:end]) - len(text[start:end].lstrip())
            end = start + len(text[start:end].rstrip())
            if start >= end:
                continue
        yield start, end
        begun, done = start + 1, max(done, end)
